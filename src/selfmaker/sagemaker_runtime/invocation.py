"""InvokeEndpoint, for whatever ``quick_invocation`` leaves to it; on the event loop."""

from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.sagemaker_runtime.answer import answer, output_of
from selfmaker.sagemaker_runtime.delivery import delivery_of


@operation("sagemaker-runtime", "InvokeEndpoint")
async def invoke_endpoint(call: Call, request: Request) -> Output:
    variant, given = await answer(call, request, delivery_of(request))
    return output_of(variant, given)
