"""Databases of the catalog. Those of BUILT_IN are always there."""

from typing import Any

from selfmaker import clock
from selfmaker.analytics import statements
from selfmaker.analytics.catalog import BUILT_IN, DATABASE, TABLE
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import page_of
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.errors import AlreadyExists, NotFound
from selfmaker.glue import faults
from selfmaker.store.resources import Resource, Resources


@operation("glue", "CreateDatabase")
def create_database(call: Call, request: Request) -> Output:
    given, now = request["DatabaseInput"], clock.now()
    name = given["Name"].lower()
    row = Resource(DATABASE, call.region, name, f"glue:{call.region}:database/{name}", "Active", now, now, given, {})
    try:
        if name in BUILT_IN:
            raise AlreadyExists(name)
        call.use(Resources).create(row)
    except AlreadyExists:
        raise AwsError("AlreadyExistsException", "Database already exists.") from None
    return {}


@operation("glue", "GetDatabase")
def get_database(call: Call, request: Request) -> Output:
    return {"Database": _shown(call, known(call, request["Name"]))}


@operation("glue", "GetDatabases")
def get_databases(call: Call, request: Request) -> Output:
    rows = [_shown(call, name) for name in statements.databases(call.use(Resources), call.region)]
    page, token = page_of(rows, request)
    return {"DatabaseList": page, **({"NextToken": token} if token else {})}


@operation("glue", "DeleteDatabase")
def delete_database(call: Call, request: Request) -> Output:
    """Its tables go with it; the objects stay."""
    name = known(call, request["Name"])
    if name in BUILT_IN:
        raise faults.invalid(f"The database {name} is always there.")
    for table in statements.tables_in(call.use(Resources), call.region, name):
        call.use(Resources).delete(TABLE, call.region, table.name)
    try:
        call.use(Resources).delete(DATABASE, call.region, name)
    except NotFound:
        return {}
    return {}


def known(call: Call, name: str) -> str:
    """The name of a database that there is. Raises AwsError."""
    if name.lower() not in statements.databases(call.use(Resources), call.region):
        raise faults.missing(f"Database {name}")
    return name.lower()


def _shown(call: Call, name: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"Name": name, "CatalogId": call.account}
    try:
        row = call.use(Resources).get(DATABASE, call.region, name)
    except NotFound:
        return shown
    return {**row.document, **shown, "CreateTime": row.created}
