#!/bin/sh
# Build the image with Docker and push it to ECR. Not needed with selfmaker: `selfmaker images add` declares it.
set -eu
image=${1:-xgboost-daal4py}
account=$(aws sts get-caller-identity --query Account --output text)
region=${AWS_DEFAULT_REGION:-us-east-1}
registry=$account.dkr.ecr.$region.amazonaws.com

aws ecr describe-repositories --repository-names "$image" >/dev/null 2>&1 ||
    aws ecr create-repository --repository-name "$image" >/dev/null
aws ecr get-login-password --region "$region" | docker login --username AWS --password-stdin "$registry"
docker build -t "$image" "$(dirname "$0")"
docker tag "$image" "$registry/$image:latest"
docker push "$registry/$image:latest"
