"""The targets of rules: who gets the events."""

from typing import Any

from selfmaker.aws.arn import Arn, parse
from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.errors import Invalid
from selfmaker.events import paths, rule
from selfmaker.store.resources import Change, Resource, Resources

_MOST = 100
_REACHED = "Lambda functions, SageMaker pipelines, SQS queues, CloudWatch log groups and event buses"


@operation("events", "PutTargets")
def put_targets(call: Call, request: Request) -> Output:
    found = rule.find(call, request["Rule"], request.get("EventBusName"))
    for target in request["Targets"]:
        _check(call, target)

    def with_them(row: Resource) -> Change:
        targets = {**row.state.get("targets", {}), **{target["Id"]: target for target in request["Targets"]}}
        if len(targets) > _MOST:
            told = f"The requested resource exceeds the maximum number allowed ({_MOST})."
            raise AwsError("LimitExceededException", told)
        return Change(state={"targets": targets})

    call.use(Resources).revise(rule.KIND, call.region, found.name, with_them)
    return {"FailedEntryCount": 0, "FailedEntries": []}


@operation("events", "RemoveTargets")
def remove_targets(call: Call, request: Request) -> Output:
    found = rule.find(call, request["Rule"], request.get("EventBusName"))
    before: dict[str, Any] = {}

    def without_them(row: Resource) -> Change:
        before.update(row.state.get("targets", {}))
        kept = {name: target for name, target in before.items() if name not in request["Ids"]}
        return Change(state={"targets": kept or None})

    call.use(Resources).revise(rule.KIND, call.region, found.name, without_them)
    failed = [
        {"TargetId": name, "ErrorCode": "ResourceNotFoundException", "ErrorMessage": f"Target {name} does not exist."}
        for name in request["Ids"]
        if name not in before
    ]
    return {"FailedEntryCount": len(failed), "FailedEntries": failed}


@operation("events", "ListTargetsByRule")
def list_targets_by_rule(call: Call, request: Request) -> Output:
    found = rule.find(call, request["Rule"], request.get("EventBusName"))
    return rule.listed(list(found.state.get("targets", {}).values()), request, "Targets")


def _check(call: Call, target: dict[str, Any]) -> None:
    try:
        arn = parse(target["Arn"])
    except Invalid:
        told = f"Parameter {target['Arn'][:256]} is not valid. Reason: Provided Arn is not in correct format."
        raise _invalid(told) from None
    if not reaches(arn):
        raise _invalid(f"Target {target['Id']}: selfmaker sends events to {_REACHED}, not to {target['Arn']}.")
    if arn.account != call.account:
        raise _invalid(f"Target {target['Id']}: {target['Arn']} is of another account.")
    try:
        paths.check(target)
    except Invalid as error:
        raise _invalid(error.message) from None
    fifo = arn.service == "sqs" and arn.resource.endswith(".fifo")
    if "SqsParameters" in target and not fifo:
        raise _invalid(f"Parameter(s) SqsParameters must be specified only for FIFO queues: target {target['Id']}.")
    if fifo and not target.get("SqsParameters", {}).get("MessageGroupId"):
        raise _invalid(f"Parameter(s) SqsParameters must be specified for target: {target['Id']}.")
    _check_dead_letters(target)


def _check_dead_letters(target: dict[str, Any]) -> None:
    text = target.get("DeadLetterConfig", {}).get("Arn")
    if text is None:
        return
    try:
        queue = parse(text).service == "sqs"
    except Invalid:
        queue = False
    if not queue:
        raise _invalid(f"Target {target['Id']}: DeadLetterConfig's Arn is not that of a queue.")


def reaches(arn: Arn) -> bool:
    """Whether events can be sent there."""
    kinds = {
        "lambda": arn.resource.startswith("function:"),
        "sagemaker": arn.kind == "pipeline",
        "sqs": True,
        "logs": arn.resource.startswith("log-group:"),
        "events": arn.kind == "event-bus",
    }
    return kinds.get(arn.service, False)


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)
