"""Calls of functions: answered at once, or taken on and made later."""

import asyncio
import base64
import binascii
import json
from typing import Any

from selfmaker import clock, ids
from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.errors import LimitExceeded, NotFound
from selfmaker.functions.functions import Functions
from selfmaker.functions.plan import FunctionPlan, Invocation
from selfmaker.lambda_ import configuration
from selfmaker.lambda_.asynchronous import accept
from selfmaker.lambda_.function import find, resolved
from selfmaker.lambda_.naming import Named, function_arn, named
from selfmaker.store.queues import QueueMessages
from selfmaker.store.resources import Resource

_LONGEST_EVENT = 6_291_556
_LONGEST_ASYNCHRONOUS = 1_048_576


@operation("lambda", "Invoke")
async def invoke(call: Call, request: Request) -> Output:
    """DryRun checks that the function is there; an Event is kept until it has been made, retries included."""
    loop, functions = asyncio.get_running_loop(), call.use(Functions)
    return await loop.run_in_executor(functions.threads, _invoke, call, request)


@operation("lambda", "InvokeAsync")
def invoke_async(call: Call, request: Request) -> Output:
    name = named(call, request["FunctionName"])
    resolved(call, name)
    data = request["InvokeArgs"]
    accept(
        call.use(QueueMessages), call.region, _target(name), _event(data if isinstance(data, bytes) else data.read())
    )
    return {"Status": 202}


def _invoke(call: Call, request: Request) -> dict[str, Any]:
    name = named(call, request["FunctionName"], request.get("Qualifier"))
    version, function = resolved(call, name)
    kind = request.get("InvocationType", "RequestResponse")
    event = _event(request.get("Payload") or b"")
    if kind == "DryRun":
        return {"StatusCode": 204}
    if kind == "Event":
        if len(event) > _LONGEST_ASYNCHRONOUS:
            raise _too_large(len(event), _LONGEST_ASYNCHRONOUS)
        accept(call.use(QueueMessages), call.region, _target(name), event, call.request_id)
        return {"StatusCode": 202, "Payload": b""}
    if len(event) > _LONGEST_EVENT:
        raise _too_large(len(event), _LONGEST_EVENT)
    invocation = Invocation(
        request_id=call.request_id or ids.request_id(),
        arn=function_arn(call, name.name, name.qualifier),
        event=event,
        client_context=_context(request.get("ClientContext")),
    )
    try:
        outcome = call.use(Functions).invoke(_plan(call, function, version), invocation)
    except LimitExceeded:
        reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
        raise AwsError("TooManyRequestsException", "Rate Exceeded.", 429, Reason=reason, Type="User") from None
    output = {"StatusCode": 200, "ExecutedVersion": version, "Payload": outcome.payload}
    if outcome.failed:
        output["FunctionError"] = "Unhandled"
    if request.get("LogType") == "Tail":
        output["LogResult"] = base64.b64encode(outcome.log).decode()
    return output


def _plan(call: Call, function: Resource, version: str) -> FunctionPlan:
    document = {**configuration.DEFAULTS, **function.document}
    name = function.name.partition(":")[0]
    arn, functions = function_arn(call, name), call.use(Functions)
    group = configuration.log_group(function)
    runtime, memory = document["Runtime"], document["MemorySize"]
    own = {
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory),
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": group,
        "AWS_LAMBDA_LOG_STREAM_NAME": f"{clock.iso8601(clock.now())[:10].replace('-', '/')}/[{version}]",
        "HOME": "/tmp",
        "LAMBDA_TASK_ROOT": "/var/task",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "_HANDLER": document["Handler"],
        **document.get("Environment", {}).get("Variables", {}),
    }
    try:
        code = functions.code.unpacked(function.state["code"])
    except NotFound as error:
        raise AwsError("CodeArtifactUserDeletedException", error.message) from None
    return FunctionPlan(
        key=f"{arn}:{version}:{function.state['revision']}",
        name=arn,
        region=call.region,
        runtime=runtime,
        handler=document["Handler"],
        code=code,
        timeout=document["Timeout"],
        memory=memory,
        log_group=group,
        version=version,
        variables=functions.variables(arn, call.region, own),
        most=find(call, name).state.get("most"),
    )


def _target(name: Named) -> str:
    return name.key if name.qualifier else name.name


def _event(data: bytes) -> bytes:
    data = bytes(data).strip() or b"{}"
    try:
        json.loads(data)
    except (ValueError, RecursionError) as error:
        raise AwsError(
            "InvalidRequestContentException", f"Could not parse request body into json: {str(error)[:256]}", Type="User"
        ) from None
    return data


def _context(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise AwsError(
            "InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object.", Type="User"
        ) from None


def _too_large(size: int, most: int) -> AwsError:
    told = f"{size} byte payload is too large for this InvocationType (limit {most} bytes)"
    return AwsError("RequestTooLargeException", told, 413, Type="User")
