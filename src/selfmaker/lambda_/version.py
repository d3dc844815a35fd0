"""Published versions, and aliases that lead to them."""

from typing import Any

from selfmaker import clock, ids
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.errors import AlreadyExists, NotFound
from selfmaker.functions.code import digest
from selfmaker.lambda_ import configuration, faults
from selfmaker.lambda_.function import ALIAS, VERSION, check_revision, find, listed, publish, versions_of
from selfmaker.lambda_.naming import LATEST, Named, function_arn, named
from selfmaker.store.resources import Change, Resource, Resources


@operation("lambda", "PublishVersion")
def publish_version(call: Call, request: Request) -> Output:
    function = find(call, named(call, request["FunctionName"]).name)
    check_revision(function, request)
    if request.get("CodeSha256", digest(function.state["code"])) != digest(function.state["code"]):
        raise faults.invalid(
            f"CodeSHA256 ({request['CodeSha256']}) is different from current CodeSHA256 in $LATEST "
            f"({digest(function.state['code'])}). Please try again with the CodeSHA256 in $LATEST."
        )
    changes = {"Description": request["Description"]} if "Description" in request else {}
    version, row = publish(call, function, changes)
    return configuration.shown(call, row, version, qualified=True)


@operation("lambda", "ListVersionsByFunction")
def list_versions_by_function(call: Call, request: Request) -> Output:
    function = find(call, named(call, request["FunctionName"]).name)
    rows = [configuration.shown(call, function, LATEST, qualified=True)]
    for version in versions_of(call, function.name):
        rows.append(configuration.shown(call, version, version.name.partition(":")[2], qualified=True))
    return listed(rows, request, "Versions")


@operation("lambda", "CreateAlias")
def create_alias(call: Call, request: Request) -> Output:
    name = _alias(call, request)
    if name.qualifier.isdigit() or name.qualifier == LATEST:
        raise faults.invalid(f"Name: {name.qualifier} is no name of an alias.")
    document = {k: v for k, v in request.items() if k not in ("FunctionName", "Name")}
    _check_versions(call, name, document)
    now = clock.now()
    arn = function_arn(call, name.name, name.qualifier)
    state = {"revision": ids.request_id()}
    alias = Resource(ALIAS, call.region, name.key, arn, "Active", now, now, document, state)
    try:
        call.use(Resources).create(alias)
    except AlreadyExists:
        raise faults.conflict(f"Alias already exists: {arn}") from None
    return _shown(alias)


@operation("lambda", "UpdateAlias")
def update_alias(call: Call, request: Request) -> Output:
    alias = _find_alias(call, _alias(call, request))
    check_revision(alias, request)
    document = {k: v for k, v in request.items() if k not in ("FunctionName", "Name", "RevisionId")}
    _check_versions(call, _alias(call, request), document)

    def changed(row: Resource) -> Change:
        check_revision(row, request)
        return Change(document=document, state={"revision": ids.request_id()})

    return _shown(call.use(Resources).revise(ALIAS, call.region, alias.name, changed))


@operation("lambda", "GetAlias")
def get_alias(call: Call, request: Request) -> Output:
    return _shown(_find_alias(call, _alias(call, request)))


@operation("lambda", "ListAliases")
def list_aliases(call: Call, request: Request) -> Output:
    function = find(call, named(call, request["FunctionName"]).name)
    mine = [a for a in call.use(Resources).list(ALIAS, call.region) if a.name.partition(":")[0] == function.name]
    wanted = request.get("FunctionVersion")
    rows = [_shown(alias) for alias in mine if wanted in (None, alias.document["FunctionVersion"])]
    return listed(rows, request, "Aliases")


@operation("lambda", "DeleteAlias")
def delete_alias(call: Call, request: Request) -> Output:
    name = _alias(call, request)
    find(call, name.name)
    try:
        call.use(Resources).delete(ALIAS, call.region, name.key)
    except NotFound:
        return None
    return None


def _alias(call: Call, request: Request) -> Named:
    return Named(named(call, request["FunctionName"]).name, request["Name"])


def _find_alias(call: Call, name: Named) -> Resource:
    find(call, name.name)
    try:
        return call.use(Resources).get(ALIAS, call.region, name.key)
    except NotFound:
        arn = function_arn(call, name.name, name.qualifier)
        raise faults.missing(f"Cannot find alias arn: {arn}") from None


def _check_versions(call: Call, name: Named, document: dict[str, Any]) -> None:
    find(call, name.name)
    weights = (document.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    wanted = [*([document["FunctionVersion"]] if "FunctionVersion" in document else []), *weights]
    for version in wanted:
        if version == LATEST and not weights:
            continue
        try:
            call.use(Resources).get(VERSION, call.region, f"{name.name}:{version}")
        except NotFound:
            arn = function_arn(call, name.name, version)
            raise faults.missing(f"Function not found: {arn}") from None


def _shown(alias: Resource) -> dict[str, Any]:
    return {
        "AliasArn": alias.arn,
        "Name": alias.name.partition(":")[2],
        "Description": "",
        **alias.document,
        "RevisionId": alias.state["revision"],
    }
