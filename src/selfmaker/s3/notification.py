"""Whom a bucket tells of its objects. ``objects/notices.py`` notes what happens, ``events`` delivers it."""

from fnmatch import fnmatchcase
from typing import Any

from selfmaker import ids
from selfmaker.aws import model
from selfmaker.aws.arn import parse
from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request
from selfmaker.aws.port import Port
from selfmaker.errors import Invalid
from selfmaker.objects.notices import DESTINATIONS, NOTIFICATION, ends_of
from selfmaker.s3.wording import objects_of, s3_operation


@s3_operation("PutBucketNotificationConfiguration")
def put_bucket_notification_configuration(call: Call, request: Request) -> Output:
    """Functions and queues must be there unless SkipDestinationValidation says not to look."""
    document = request.get("NotificationConfiguration") or {}
    bucket = objects_of(call).bucket(request["Bucket"])
    if document.get("TopicConfigurations"):
        message = "selfmaker has no SNS topics: send to a queue, a function or EventBridge"
        raise AwsError("NotImplemented", message, 501)
    for member, arn in DESTINATIONS.items():
        for one in document.get(member) or ():
            one.setdefault("Id", ids.request_id())
            _check_events(one)
            _check_filter(one)
            if not request.get("SkipDestinationValidation"):
                _check_destination(call, one[arn], member, bucket.region)
    _check_overlaps([one for member in DESTINATIONS for one in document.get(member) or ()])
    objects_of(call).set_bucket_document(request["Bucket"], NOTIFICATION, document or None)
    return None


@s3_operation("GetBucketNotificationConfiguration")
def get_bucket_notification_configuration(call: Call, request: Request) -> Output:
    found: dict[str, Any] = objects_of(call).bucket_documents(request["Bucket"]).get(NOTIFICATION) or {}
    return found


def _check_destination(call: Call, text: str, member: str, region: str) -> None:
    queue = member == "QueueConfigurations"
    try:
        arn = parse(text)
        if arn.service != ("sqs" if queue else "lambda"):
            raise Invalid(text)
        if queue:
            call.use(Port).call("sqs", "GetQueueUrl", {"QueueName": arn.resource}, arn.region)
        else:
            name = arn.resource.removeprefix("function:")
            call.use(Port).call("lambda", "GetFunctionConfiguration", {"FunctionName": name}, arn.region)
    except (AwsError, Invalid):
        raise _unfit("Unable to validate the following destination configurations", text) from None
    if arn.region != region:
        message = "The notification destination service region is not valid for the bucket location constraint"
        raise _unfit(message, text)
    if queue and arn.resource.endswith(".fifo"):
        raise _unfit("FIFO SQS queues are not supported", text)


def _check_events(configuration: dict[str, Any]) -> None:
    known = model.service("s3").shape("Event").enum
    for name in configuration["Events"]:
        if name not in known:
            raise _unfit("A specified event is not supported for notifications.", name)


def _check_filter(configuration: dict[str, Any]) -> None:
    rules = configuration.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    names = [rule.get("Name", "").lower() for rule in rules]
    for name in names:
        if name not in ("prefix", "suffix"):
            raise _unfit("filter rule name must be either prefix or suffix", name)
    if len(set(names)) < len(names):
        raise _unfit("Cannot specify more than one prefix or suffix rule in a filter.", configuration["Id"])


def _check_overlaps(configurations: list[dict[str, Any]]) -> None:
    """One event goes to one place, as S3 has it."""
    for place, one in enumerate(configurations):
        for other in configurations[:place]:
            if _share(one, other):
                message = (
                    "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the "
                    "prefixes are overlapping for the same event type."
                )
                raise _unfit(message, one["Id"])


def _share(one: dict[str, Any], other: dict[str, Any]) -> bool:
    (prefix, suffix), (prefix2, suffix2) = ends_of(one), ends_of(other)
    prefixes = prefix.startswith(prefix2) or prefix2.startswith(prefix)
    suffixes = suffix.endswith(suffix2) or suffix2.endswith(suffix)
    events = any(_same(a, b) for a in one["Events"] for b in other["Events"])
    return prefixes and suffixes and events


def _same(one: str, other: str) -> bool:
    return fnmatchcase(one, other) or fnmatchcase(other, one)


def _unfit(message: str, value: str) -> AwsError:
    return AwsError("InvalidArgument", message, 400, ArgumentValue=value)
