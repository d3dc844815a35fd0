"""rest-json with a blob payload and headers."""

from typing import Any

from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, operation


@operation("sagemaker-runtime", "InvokeEndpoint")
async def invoke_endpoint(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    if request["EndpointName"] == "broken":
        raise AwsError(
            "ModelError",
            "Received server error (500)",
            400,
            OriginalStatusCode=500,
            OriginalMessage="Traceback",
            LogStreamArn="arn:aws:logs:x",
        )
    return {
        "Body": request["Body"][::-1],
        "ContentType": request.get("Accept", "text/plain"),
        "InvokedProductionVariant": request.get("TargetVariant", "AllTraffic"),
        "CustomAttributes": request.get("CustomAttributes"),
    }
