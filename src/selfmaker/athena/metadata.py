"""The catalog as Athena shows it, and the one workgroup."""

import re
from typing import Any

from selfmaker.analytics import catalog, statements
from selfmaker.athena.query_execution import PRIMARY, invalid
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import page_of
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.errors import NotFound
from selfmaker.store.resources import Resource, Resources

CATALOG = "AwsDataCatalog"


@operation("athena", "ListDataCatalogs")
def list_data_catalogs(call: Call, request: Request) -> Output:
    return {"DataCatalogsSummary": [{"CatalogName": CATALOG, "Type": "GLUE"}]}


@operation("athena", "ListDatabases")
def list_databases(call: Call, request: Request) -> Output:
    _check(request)
    names = statements.databases(call.use(Resources), call.region)
    return _page([{"Name": name} for name in names], request, "DatabaseList")


@operation("athena", "GetDatabase")
def get_database(call: Call, request: Request) -> Output:
    _check(request)
    name = request["DatabaseName"].lower()
    if name not in statements.databases(call.use(Resources), call.region):
        raise AwsError("MetadataException", f"Database {name} not found")
    return {"Database": {"Name": name}}


@operation("athena", "ListTableMetadata")
def list_table_metadata(call: Call, request: Request) -> Output:
    _check(request)
    rows = statements.tables_in(call.use(Resources), call.region, request["DatabaseName"])
    try:
        wanted = re.compile(request.get("Expression", ".*").replace("*", ".*").replace("..*", ".*"))
    except re.error:
        raise invalid(f"Expression {request['Expression']!r} is not valid.") from None
    shown = [_shown(row) for row in rows if wanted.fullmatch(row.document["Name"])]
    return _page(sorted(shown, key=lambda table: str(table["Name"])), request, "TableMetadataList")


@operation("athena", "GetTableMetadata")
def get_table_metadata(call: Call, request: Request) -> Output:
    _check(request)
    key = f"{request['DatabaseName']}.{request['TableName']}".lower()
    try:
        return {"TableMetadata": _shown(call.use(Resources).get(catalog.TABLE, call.region, key))}
    except NotFound:
        raise AwsError("MetadataException", f"EntityNotFoundException: table {request['TableName']}") from None


@operation("athena", "ListWorkGroups")
def list_work_groups(call: Call, request: Request) -> Output:
    return {"WorkGroups": [{"Name": PRIMARY, "State": "ENABLED", "Description": ""}]}


@operation("athena", "GetWorkGroup")
def get_work_group(call: Call, request: Request) -> Output:
    if request["WorkGroup"] != PRIMARY:
        raise invalid(f"WorkGroup {request['WorkGroup']} is not found.")
    configuration = {"EnforceWorkGroupConfiguration": False, "PublishCloudWatchMetricsEnabled": False}
    return {"WorkGroup": {"Name": PRIMARY, "State": "ENABLED", "Configuration": configuration}}


def _check(request: Request) -> None:
    if request["CatalogName"].lower() != CATALOG.lower():
        raise invalid(f"CatalogName {request['CatalogName']} is not found: there is {CATALOG}.")


def _page(rows: list[dict[str, Any]], request: Request, member: str) -> dict[str, Any]:
    page, token = page_of(rows, request, 50)
    return {member: page, **({"NextToken": token} if token else {})}


def _shown(row: Resource) -> dict[str, Any]:
    table = catalog.table_of(row)
    return {
        "Name": table.name,
        "CreateTime": row.created,
        "TableType": row.document.get("TableType", "EXTERNAL_TABLE"),
        "Columns": [{"Name": name, "Type": kind} for name, kind in table.columns],
        "PartitionKeys": [{"Name": name, "Type": kind} for name, kind in table.partitions],
        "Parameters": dict(table.parameters or {}),
    }
