"""For how long a group's events are kept: stored and given back; nothing is deleted by it yet."""

from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.logs import faults
from selfmaker.store.log_streams import LogStreams

_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)


@operation("logs", "PutRetentionPolicy")
def put_retention_policy(call: Call, request: Request) -> Output:
    days = request["retentionInDays"]
    if days not in _DAYS:
        choices = ", ".join(str(choice) for choice in _DAYS)
        raise faults.invalid(
            f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy "
            f"constraint: Member must satisfy enum value set: [{choices}]"
        )
    with faults.in_aws_words():
        call.use(LogStreams).groups.set_retention(call.region, request["logGroupName"], days)
    return None


@operation("logs", "DeleteRetentionPolicy")
def delete_retention_policy(call: Call, request: Request) -> Output:
    with faults.in_aws_words():
        call.use(LogStreams).groups.set_retention(call.region, request["logGroupName"], None)
    return None
