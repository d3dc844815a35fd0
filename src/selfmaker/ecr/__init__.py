"""ECR: repositories and their tags. Images are not kept here yet."""
