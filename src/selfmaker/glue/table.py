"""Tables of the catalog, those over feature groups among them."""

import re
from typing import Any

from sqlalchemy import Connection

from selfmaker.analytics import catalog, statements
from selfmaker.analytics.catalog import TABLE
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import page_of
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.aws.output import cut
from selfmaker.errors import Conflict, NotFound
from selfmaker.glue import faults
from selfmaker.glue.database import known
from selfmaker.store.resources import Change, Resource, Resources


@operation("glue", "CreateTable")
def create_table(call: Call, request: Request) -> Output:
    database, given = known(call, request["DatabaseName"]), _input(request)

    def work(connection: Connection) -> None:
        catalog.add_document(connection, call.region, database, given["Name"], {**given, "DatabaseName": database})

    try:
        call.use(Resources).within(work)
    except Conflict:
        raise AwsError("AlreadyExistsException", "Table already exists.") from None
    return {}


@operation("glue", "UpdateTable")
def update_table(call: Call, request: Request) -> Output:
    given = _input(request)
    row = _find(call, request["DatabaseName"], given["Name"])
    gone = dict.fromkeys(name for name in row.document if name not in given and name != "DatabaseName")
    call.use(Resources).update(TABLE, call.region, row.name, Change(document={**gone, **given}))
    return {}


@operation("glue", "GetTable")
def get_table(call: Call, request: Request) -> Output:
    return {"Table": _shown(call, _find(call, request["DatabaseName"], request["Name"]))}


@operation("glue", "GetTables")
def get_tables(call: Call, request: Request) -> Output:
    database = known(call, request["DatabaseName"])
    try:
        wanted = re.compile(request.get("Expression", ".*"))
    except re.error:
        raise faults.invalid(f"Expression {request['Expression']!r} is not valid.") from None
    rows = statements.tables_in(call.use(Resources), call.region, database)
    found = [_shown(call, row) for row in rows if wanted.fullmatch(row.document["Name"])]
    page, token = page_of(sorted(found, key=lambda table: str(table["Name"])), request)
    return {"TableList": page, **({"NextToken": token} if token else {})}


@operation("glue", "DeleteTable")
def delete_table(call: Call, request: Request) -> Output:
    row = _find(call, request["DatabaseName"], request["Name"])
    try:
        call.use(Resources).delete(TABLE, call.region, row.name)
    except NotFound:
        return {}
    return {}


def _input(request: Request) -> dict[str, Any]:
    given = request.get("TableInput")
    if given is None:
        raise faults.invalid("TableInput is required.")
    return {**given, "Name": given["Name"].lower()}


def _find(call: Call, database: str, name: str) -> Resource:
    known(call, database)
    try:
        return call.use(Resources).get(TABLE, call.region, f"{database}.{name}".lower())
    except NotFound:
        raise faults.missing(f"Entity Not Found: Table {name}") from None


def _shown(call: Call, row: Resource) -> dict[str, Any]:
    told = {**row.document, "CreateTime": row.created, "UpdateTime": row.modified, "CatalogId": call.account}
    return cut("glue", "Table", told)
