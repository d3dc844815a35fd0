"""Rules: what is to be seen, or when to act by the clock."""

import json
from typing import Any

from sqlalchemy import Connection

from selfmaker import clock
from selfmaker.aws.arn import arn, parse
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import page_of
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.errors import AlreadyExists, Invalid, NotFound
from selfmaker.events import pattern, schedule
from selfmaker.events.event_bus import DEFAULT, bus_name
from selfmaker.store import outbox, resources, tags
from selfmaker.store.resources import Change, Resource, Resources

KIND = outbox.RULE
DISABLED = "DISABLED"


@operation("events", "PutRule")
def put_rule(call: Call, request: Request) -> Output:
    bus = bus_name(call, request.get("EventBusName"))
    _check(request, bus)
    name = request["Name"]
    document = {k: v for k, v in request.items() if k not in ("Tags", "EventBusName", "Name")}
    document["EventBusName"] = bus
    status = DISABLED if request.get("State") == DISABLED else outbox.ENABLED
    now = clock.now()
    arn_ = rule_arn(call, bus, name)
    state = {"next": _next(document, now)} if status == outbox.ENABLED else {}
    rule = Resource(KIND, call.region, f"{bus}/{name}", arn_, status, now, now, document, state)
    labels = {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}

    def also(connection: Connection) -> None:
        tags.add(connection, arn_, labels)

    try:
        call.use(Resources).create(rule, also)
    except AlreadyExists:
        _replace(call, rule)
    return {"RuleArn": arn_}


@operation("events", "DescribeRule")
def describe_rule(call: Call, request: Request) -> Output:
    return {**_shown(find(call, request["Name"], request.get("EventBusName"))), "CreatedBy": call.account}


@operation("events", "ListRules")
def list_rules(call: Call, request: Request) -> Output:
    bus, prefix = bus_name(call, request.get("EventBusName")), request.get("NamePrefix", "")
    rules = [_shown(rule) for rule in of_bus(call, bus)]
    rows = [row for row in rules if row["Name"].startswith(prefix)]
    return listed(sorted(rows, key=lambda row: str(row["Name"])), request, "Rules")


@operation("events", "ListRuleNamesByTarget")
def list_rule_names_by_target(call: Call, request: Request) -> Output:
    bus, wanted = bus_name(call, request.get("EventBusName")), request["TargetArn"]
    names = sorted(
        name_of(rule)
        for rule in of_bus(call, bus)
        if any(target["Arn"] == wanted for target in rule.state.get("targets", {}).values())
    )
    return listed(names, request, "RuleNames")


@operation("events", "EnableRule")
def enable_rule(call: Call, request: Request) -> Output:
    rule = find(call, request["Name"], request.get("EventBusName"))
    change = Change(outbox.ENABLED, {"next": _next(rule.document, clock.now())}, {"State": None})
    call.use(Resources).update(KIND, call.region, rule.name, change)
    return None


@operation("events", "DisableRule")
def disable_rule(call: Call, request: Request) -> Output:
    rule = find(call, request["Name"], request.get("EventBusName"))
    call.use(Resources).update(KIND, call.region, rule.name, Change(DISABLED, {"next": None}, {"State": None}))
    return None


@operation("events", "DeleteRule")
def delete_rule(call: Call, request: Request) -> Output:
    try:
        rule = find(call, request["Name"], request.get("EventBusName"))
    except AwsError as error:
        if error.code == "ResourceNotFoundException" and error.message.startswith("Rule "):
            return None  # AWS says nothing of a rule that is gone
        raise

    def work(connection: Connection) -> None:
        if resources.get(connection, KIND, call.region, rule.name).state.get("targets"):
            raise AwsError("ValidationException", "Rule can't be deleted since it has targets.")
        resources.remove(connection, KIND, call.region, rule.name)
        tags.forget(connection, rule.arn)

    try:
        call.use(Resources).within(work)
    except NotFound:
        return None
    return None


def find(call: Call, name: str, bus: str | None) -> Resource:
    """The rule, or AWS's error."""
    on = bus_name(call, bus)
    try:
        return call.use(Resources).get(KIND, call.region, f"{on}/{name}")
    except NotFound:
        message = f"Rule {name} does not exist on EventBus {on}."
        raise AwsError("ResourceNotFoundException", message) from None


def of_bus(call: Call, bus: str) -> list[Resource]:
    """The rules of one bus, the oldest first."""
    return [rule for rule in call.use(Resources).list(KIND, call.region) if rule.document["EventBusName"] == bus]


def name_of(rule: Resource) -> str:
    return rule.name.rpartition("/")[2]


def rule_arn(call: Call, bus: str, name: str) -> str:
    return arn("events", call.region, call.account, f"rule/{name}" if bus == DEFAULT else f"rule/{bus}/{name}")


def listed(rows: list[Any], request: Request, member: str) -> Output:
    """A page by Limit and NextToken."""
    asked = {"NextToken": request.get("NextToken"), "MaxResults": request.get("Limit")}
    page, token = page_of(rows, {k: v for k, v in asked.items() if v is not None})
    return {member: page, **({"NextToken": token} if token else {})}


def checked_pattern(text: str) -> dict[str, Any]:
    """The pattern that a text is. Raises AwsError with the reason why it is none."""
    try:
        found = json.loads(text)
        pattern.check(found)
    except (ValueError, RecursionError):
        raise _no_pattern("Invalid JSON") from None
    except Invalid as error:
        raise _no_pattern(error.message) from None
    return dict(found)


def _no_pattern(reason: str) -> AwsError:
    return AwsError("InvalidEventPatternException", f"Event pattern is not valid. Reason: {reason}")


def _check(request: Request, bus: str) -> None:
    if "EventPattern" not in request and "ScheduleExpression" not in request:
        raise AwsError("ValidationException", "Parameter(s) EventPattern or ScheduleExpression must be specified.")
    if "EventPattern" in request:
        checked_pattern(request["EventPattern"])
    if "ScheduleExpression" in request:
        if bus != DEFAULT:
            raise AwsError("ValidationException", "ScheduleExpression is supported only on the default event bus.")
        try:
            schedule.following(request["ScheduleExpression"], clock.now())
        except Invalid as error:
            raise AwsError("ValidationException", error.message) from None
    if "RoleArn" in request:
        try:
            parse(request["RoleArn"])
        except Invalid:
            raise AwsError("ValidationException", f"RoleArn {request['RoleArn'][:256]!r} is no ARN.") from None


def _next(document: dict[str, Any], now: float) -> float | None:
    expression = document.get("ScheduleExpression")
    return schedule.following(expression, now) if expression else None


def _replace(call: Call, rule: Resource) -> None:
    """The new rule in the place of the old one; its targets stay."""
    old = call.use(Resources).get(KIND, call.region, rule.name)
    same = old.document.get("ScheduleExpression") == rule.document.get("ScheduleExpression")
    moment = old.state.get("next") if same and old.status == rule.status else rule.state.get("next")
    document = {**dict.fromkeys(old.document), **rule.document}
    call.use(Resources).update(KIND, call.region, rule.name, Change(rule.status, {"next": moment}, document))


def _shown(rule: Resource) -> dict[str, Any]:
    return {"Name": name_of(rule), "Arn": rule.arn, "State": rule.status, **rule.document}
