"""What becomes of calls that are made later: how often they are tried, for how long, and who hears how they ended."""

from typing import Any

from selfmaker import clock
from selfmaker.aws.arn import parse
from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.errors import AlreadyExists, Invalid, NotFound
from selfmaker.lambda_ import faults
from selfmaker.lambda_.function import EVENT_INVOKE_CONFIG as KIND
from selfmaker.lambda_.function import find, listed, resolved
from selfmaker.lambda_.naming import LATEST, Named, function_arn, named
from selfmaker.store.resources import Change, Resource, Resources

_SETTINGS = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
_REACHED = ("sqs", "lambda", "events")


@operation("lambda", "PutFunctionEventInvokeConfig")
def put_function_event_invoke_config(call: Call, request: Request) -> Output:
    """Takes the place of what was there, the settings that this one does not have included."""
    return _keep(call, request, whole=True)


@operation("lambda", "UpdateFunctionEventInvokeConfig")
def update_function_event_invoke_config(call: Call, request: Request) -> Output:
    return _keep(call, request, whole=False)


@operation("lambda", "GetFunctionEventInvokeConfig")
def get_function_event_invoke_config(call: Call, request: Request) -> Output:
    return _shown(_find(call, _named(call, request)))


@operation("lambda", "ListFunctionEventInvokeConfigs")
def list_function_event_invoke_configs(call: Call, request: Request) -> Output:
    function = find(call, named(call, request["FunctionName"]).name)
    rows = call.use(Resources).list(KIND, call.region)
    mine = [_shown(row) for row in rows if row.name.partition(":")[0] == function.name]
    return listed(mine, request, "FunctionEventInvokeConfigs")


@operation("lambda", "DeleteFunctionEventInvokeConfig")
def delete_function_event_invoke_config(call: Call, request: Request) -> Output:
    name = _named(call, request)
    try:
        call.use(Resources).delete(KIND, call.region, name.key)
    except NotFound:
        raise _missing(call, name) from None
    return None


def _named(call: Call, request: Request) -> Named:
    name = named(call, request["FunctionName"], request.get("Qualifier"))
    resolved(call, name)
    return Named(name.name, name.qualifier or LATEST)


def _keep(call: Call, request: Request, *, whole: bool) -> dict[str, Any]:
    name = _named(call, request)
    document = {member: request[member] for member in _SETTINGS if member in request}
    if not document:
        raise faults.invalid("You must specify at least one of error handling or destination setting.")
    for outcome in ("OnSuccess", "OnFailure"):
        _check(document.get("DestinationConfig", {}).get(outcome, {}).get("Destination"), outcome)
    now, table = clock.now(), call.use(Resources)
    arn = function_arn(call, name.name, name.qualifier)
    try:
        table.create(Resource(KIND, call.region, name.key, arn, "Active", now, now, document, {}))
    except AlreadyExists:
        document = {**dict.fromkeys(_SETTINGS), **document} if whole else document
        table.update(KIND, call.region, name.key, Change(document=document))
    return _shown(_find(call, name))


def _check(destination: str | None, outcome: str) -> None:
    """Raises AwsError for a place that nothing can be sent to. None and "" mean nowhere."""
    if not destination:
        return
    try:
        service = parse(destination).service
    except Invalid:
        service = destination
    if service not in _REACHED:
        raise faults.invalid(
            f"DestinationConfig.{outcome}.Destination: selfmaker sends results to SQS queues, Lambda functions and "
            f"event buses, not to {destination}."
        )


def _find(call: Call, name: Named) -> Resource:
    try:
        return call.use(Resources).get(KIND, call.region, name.key)
    except NotFound:
        raise _missing(call, name) from None


def _missing(call: Call, name: Named) -> AwsError:
    arn = function_arn(call, name.name, name.qualifier)
    return faults.missing(f"The function {arn} doesn't have an EventInvokeConfig")


def _shown(row: Resource) -> dict[str, Any]:
    nowhere: dict[str, Any] = {"OnSuccess": {}, "OnFailure": {}}
    return {
        "LastModified": row.modified,
        "FunctionArn": row.arn,
        **row.document,
        "DestinationConfig": {**nowhere, **row.document.get("DestinationConfig", {})},
    }
