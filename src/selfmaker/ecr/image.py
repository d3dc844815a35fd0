"""Images: none is kept yet, so that each one asked for by name is missing."""

from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.ecr.repository import existing


@operation("ecr", "ListImages")
def list_images(call: Call, request: Request) -> Output:
    existing(call, request)
    return {"imageIds": []}


@operation("ecr", "DescribeImages")
def describe_images(call: Call, request: Request) -> Output:
    repository = existing(call, request)
    for image in request.get("imageIds", ()):
        shown = f"{{imageDigest:'{image.get('imageDigest', 'null')}', imageTag:'{image.get('imageTag', 'null')}'}}"
        raise AwsError(
            "ImageNotFoundException",
            f"The image with imageId {shown} does not exist within the "
            f"repository with name '{repository.name}' in the registry with id '{call.account}'",
        )
    return {"imageDetails": []}


@operation("ecr", "BatchGetImage")
def batch_get_image(call: Call, request: Request) -> Output:
    existing(call, request)
    reason = "Requested image not found"
    failures = [
        {"imageId": image, "failureCode": "ImageNotFound", "failureReason": reason} for image in request["imageIds"]
    ]
    return {"images": [], "failures": failures}
