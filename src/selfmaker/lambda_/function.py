"""Functions: created, changed, shown, deleted."""

import random
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from selfmaker import clock, ids
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import page_of
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.errors import AlreadyExists, Invalid, NotFound
from selfmaker.functions.functions import Functions
from selfmaker.lambda_ import configuration, faults
from selfmaker.lambda_.naming import LATEST, Named, function_arn, named
from selfmaker.objects.store import ObjectStore
from selfmaker.store import resources, tags
from selfmaker.store.credentials import Credentials
from selfmaker.store.resources import Change, Resource, Resources
from selfmaker.store.tags import Tags

KIND = "Function"
VERSION = "FunctionVersion"
ALIAS = "FunctionAlias"
EVENT_INVOKE_CONFIG = "FunctionEventInvokeConfig"

_LARGEST_DIRECT = 70_167_211
_ELSEWHERE = ("Code", "Tags", "Publish", "PublishTo", "FunctionName", "RevisionId")


@operation("lambda", "CreateFunction")
def create_function(call: Call, request: Request) -> Output:
    name = named(call, request["FunctionName"])
    if name.qualifier:
        raise faults.invalid("FunctionName: a new function has no qualifier.")
    document = {k: v for k, v in request.items() if k not in _ELSEWHERE}
    if "ImageUri" in request["Code"]:
        document["PackageType"] = "Image"
    configuration.check(document)
    if "Runtime" not in document or "Handler" not in document:
        raise faults.invalid(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages."
        )
    arn = function_arn(call, name.name)
    now = clock.now()
    state = _state(_code(call, request["Code"]), now)
    function = Resource(KIND, call.region, name.name, arn, "Active", now, now, document, state)

    def also(connection: Connection) -> None:
        tags.add(connection, arn, request.get("Tags", {}))

    try:
        call.use(Resources).create(function, also)
    except AlreadyExists:
        raise faults.conflict(f"Function already exist: {name.name}") from None
    if request.get("Publish"):
        version, published = publish(call, function, {})
        return configuration.shown(call, published, version)
    return configuration.shown(call, function)


@operation("lambda", "UpdateFunctionCode")
def update_function_code(call: Call, request: Request) -> Output:
    function = _latest(call, request)
    if "ImageUri" in request:
        raise faults.invalid("ImageUri: selfmaker runs functions from archives.")
    code = _code(call, request)
    if request.get("DryRun"):
        return configuration.shown(call, Resource(**{**vars(function), "state": {**function.state, **code}}))
    document = {"Architectures": request["Architectures"]} if "Architectures" in request else {}
    return _changed(call, function, document, code, request)


@operation("lambda", "UpdateFunctionConfiguration")
def update_function_configuration(call: Call, request: Request) -> Output:
    function = _latest(call, request)
    document = {k: v for k, v in request.items() if k not in _ELSEWHERE}
    configuration.check(document)
    return _changed(call, function, document, {}, request)


@operation("lambda", "GetFunction")
def get_function(call: Call, request: Request) -> Output:
    name = named(call, request["FunctionName"], request.get("Qualifier"))
    version, function = resolved(call, name)
    output: dict[str, Any] = {
        "Configuration": configuration.shown(call, function, version, bool(name.qualifier)),
        "Code": {"RepositoryType": "S3"},
    }
    labels = call.use(Tags).of(function_arn(call, name.name))
    if labels:
        output["Tags"] = labels
    most = find(call, name.name).state.get("most")
    if most is not None:
        output["Concurrency"] = {"ReservedConcurrentExecutions": most}
    return output


@operation("lambda", "GetFunctionConfiguration")
def get_function_configuration(call: Call, request: Request) -> Output:
    name = named(call, request["FunctionName"], request.get("Qualifier"))
    version, function = resolved(call, name)
    return configuration.shown(call, function, version, bool(name.qualifier))


@operation("lambda", "ListFunctions")
def list_functions(call: Call, request: Request) -> Output:
    found = sorted(call.use(Resources).list(KIND, call.region), key=lambda function: function.name)
    rows = [configuration.shown(call, function) for function in found]
    if request.get("FunctionVersion") == "ALL":
        for function in found:
            versions = versions_of(call, function.name)
            rows += [configuration.shown(call, v, v.name.partition(":")[2], qualified=True) for v in versions]
    return listed(rows, request, "Functions")


@operation("lambda", "DeleteFunction")
def delete_function(call: Call, request: Request) -> Output:
    name = named(call, request["FunctionName"], request.get("Qualifier"))
    find(call, name.name)
    if name.qualifier == LATEST:
        raise faults.invalid("$LATEST version cannot be deleted without deleting the function.")
    if name.qualifier:
        _delete_version(call, name)
        return {"StatusCode": 204}
    arn = function_arn(call, name.name)

    def also(connection: Connection) -> None:
        for kind in (VERSION, ALIAS, EVENT_INVOKE_CONFIG):
            for row in resources.of_kind(connection, kind, call.region):
                if row.name.partition(":")[0] == name.name:
                    resources.remove(connection, kind, call.region, row.name)
        tags.forget(connection, arn)
        call.use(Credentials).revoke(connection, arn)

    try:
        call.use(Resources).delete(KIND, call.region, name.name, also)
    except NotFound:
        raise not_found(call, name) from None
    call.use(Functions).forget(arn)
    call.use(Credentials).forget(arn)
    return {"StatusCode": 204}


def find(call: Call, name: str) -> Resource:
    """The function, or AWS's error."""
    try:
        return call.use(Resources).get(KIND, call.region, name)
    except NotFound:
        raise not_found(call, Named(name)) from None


def not_found(call: Call, name: Named) -> AwsError:
    return faults.missing(f"Function not found: {function_arn(call, name.name, name.qualifier)}")


def resolved(call: Call, name: Named) -> tuple[str, Resource]:
    """The version that a qualifier leads to, and its function as it was then. Raises AwsError."""
    function = find(call, name.name)
    if name.qualifier in ("", LATEST):
        return LATEST, function
    try:
        if name.qualifier.isdigit():
            return name.qualifier, call.use(Resources).get(VERSION, call.region, name.key)
        alias = call.use(Resources).get(ALIAS, call.region, name.key)
        return resolved(call, Named(name.name, chosen(alias)))
    except NotFound:
        raise not_found(call, name) from None


def chosen(alias: Resource) -> str:
    """The version that one call through an alias gets: by weight where it has two."""
    weights = (alias.document.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    at = random.random()
    for version, weight in weights.items():
        if at < weight:
            return str(version)
        at -= weight
    return str(alias.document["FunctionVersion"])


def versions_of(call: Call, name: str) -> list[Resource]:
    """The published versions of a function, oldest first."""
    found = call.use(Resources).list(VERSION, call.region)
    mine = [version for version in found if version.name.partition(":")[0] == name]
    return sorted(mine, key=lambda version: int(version.name.partition(":")[2]))


def publish(call: Call, function: Resource, changes: Mapping[str, Any]) -> tuple[str, Resource]:
    """The number and the row of a new version; of the newest one, when nothing has changed since."""
    versions = versions_of(call, function.name)
    document = {**function.document, **changes}
    if versions:
        last, revision = versions[-1], function.state["revision"]
        same = (last.document, last.state["code"]) == (document, function.state["code"])
        if same or last.state.get("published") == revision:
            return last.name.partition(":")[2], last
    while True:
        counted = call.use(Resources).get(KIND, call.region, function.name).state.get("versions", 0) + 1
        number, now = str(counted), clock.now()
        arn = function_arn(call, function.name, number)
        state = {**function.state, "changed": now, "published": function.state["revision"]}
        row = Resource(VERSION, call.region, f"{function.name}:{number}", arn, "Active", now, now, document, state)

        def also(connection: Connection, counted: int = counted) -> None:
            change = Change(state={"versions": counted})
            resources.modify(connection, KIND, call.region, function.name, change)

        try:
            call.use(Resources).create(row, also)
        except AlreadyExists:
            continue
        return number, row


def listed(rows: list[dict[str, Any]], request: Request, member: str) -> Output:
    """A page by Marker and MaxItems."""
    asked = {"NextToken": request.get("Marker"), "MaxResults": request.get("MaxItems")}
    page, marker = page_of(rows, {k: v for k, v in asked.items() if v is not None}, 50)
    return {member: page, **({"NextMarker": marker} if marker else {})}


def _latest(call: Call, request: Request) -> Resource:
    name = named(call, request["FunctionName"])
    if name.qualifier not in ("", LATEST):
        raise faults.invalid("Only the unpublished version of a function ($LATEST) can be changed.")
    function = find(call, name.name)
    check_revision(function, request)
    return function


def check_revision(resource: Resource, request: Request) -> None:
    if request.get("RevisionId", resource.state["revision"]) != resource.state["revision"]:
        raise faults.outdated()


def _changed(
    call: Call, function: Resource, document: dict[str, Any], state: dict[str, Any], request: Request
) -> dict[str, Any]:
    state = {**state, "revision": ids.request_id(), "changed": clock.now()}

    def changed(row: Resource) -> Change:
        check_revision(row, request)  # again: somebody else may have been first
        return Change(document=document, state=state)

    try:
        after = call.use(Resources).revise(KIND, call.region, function.name, changed)
    except NotFound:
        raise not_found(call, Named(function.name)) from None
    call.use(Functions).forget(function.arn)
    if request.get("Publish"):
        version, published = publish(call, after, {})
        return configuration.shown(call, published, version)
    return configuration.shown(call, after)


def _state(code: dict[str, Any], now: float) -> dict[str, Any]:
    return {**code, "revision": ids.request_id(), "changed": now}


def _code(call: Call, given: Mapping[str, Any]) -> dict[str, Any]:
    """The archive that a request gives or names, kept; what a function's state says of it. Raises AwsError."""
    archive = given.get("ZipFile")
    if archive is None and "S3Bucket" in given and "S3Key" in given:
        archive = _from_s3(call, given)
    elif archive is None:
        raise faults.invalid("Please provide a source for function code.")
    elif "S3Bucket" in given or "S3Key" in given:
        raise faults.invalid("Please do not provide other FunctionCode parameters when providing a ZipFile.")
    elif len(archive) > _LARGEST_DIRECT:
        raise AwsError("RequestEntityTooLargeException", f"Request must be smaller than {_LARGEST_DIRECT} bytes", 413)
    try:
        return {"code": call.use(Functions).code.put(bytes(archive)), "size": len(archive)}
    except Invalid as error:
        raise faults.invalid(error.message) from None


def _from_s3(call: Call, given: Mapping[str, Any]) -> bytes:
    bucket, key = given["S3Bucket"], given["S3Key"]
    try:
        return call.use(ObjectStore).file(bucket, key).read_bytes()
    except NotFound:
        raise faults.invalid(
            f"Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: There is nothing at "
            f"s3://{bucket}/{key}"
        ) from None


def _delete_version(call: Call, name: Named) -> None:
    for alias in call.use(Resources).list(ALIAS, call.region):
        if alias.name.partition(":")[0] == name.name and alias.document["FunctionVersion"] == name.qualifier:
            raise faults.conflict(f"Function version {name.key} is used by the alias {alias.name.partition(':')[2]}")
    try:
        call.use(Resources).delete(VERSION, call.region, name.key)
    except NotFound:
        return
