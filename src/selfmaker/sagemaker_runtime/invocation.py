"""InvokeEndpoint: the hot path. It runs on the event loop from the parsed request to the model's answer."""

from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.sagemaker_runtime.answer import answer
from selfmaker.sagemaker_runtime.delivery import delivery_of


@operation("sagemaker-runtime", "InvokeEndpoint")
async def invoke_endpoint(call: Call, request: Request) -> Output:
    variant, given = await answer(call, request, delivery_of(request))
    output = {"Body": given.body, "InvokedProductionVariant": variant}
    if given.content_type:
        output["ContentType"] = given.content_type
    if given.attributes:
        output["CustomAttributes"] = given.attributes
    return output
