"""Queries: started, looked at, stopped, listed; their results, page by page."""

import base64
import binascii
import hashlib
import uuid
from collections.abc import Iterator
from itertools import islice
from typing import Any

from selfmaker import clock
from selfmaker.analytics import results
from selfmaker.analytics.queries import CANCELLED, FAILED, KIND, QUEUED, SUCCEEDED, UNDER_WAY, Queries
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import page_of
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.errors import AlreadyExists, NotFound
from selfmaker.objects.store import ObjectStore
from selfmaker.objects.uri import parse_s3_uri
from selfmaker.store.resources import Resource, Resources

PRIMARY = "primary"

_HELD = 2.0  # seconds for which GetQueryExecution waits for the end of a query
_ROWS = 1000


@operation("athena", "StartQueryExecution")
def start_query_execution(call: Call, request: Request) -> Output:
    """A second request with the same ClientRequestToken starts no second query."""
    workgroup = request.get("WorkGroup", PRIMARY)
    if workgroup != PRIMARY:
        raise invalid(f"WorkGroup {workgroup} is not found.")
    token = request.get("ClientRequestToken")
    name = str(uuid.UUID(hashlib.md5(f"{call.region} {token}".encode()).hexdigest())) if token else str(uuid.uuid4())
    location = request.get("ResultConfiguration", {}).get("OutputLocation")
    if not location:
        raise invalid(
            "No output location provided. An output location is required either through the Workgroup result "
            "configuration setting or as an API input (ResultConfiguration.OutputLocation)."
        )
    try:
        bucket, prefix = parse_s3_uri(location)
    except ValueError:
        raise invalid(f"ResultConfiguration.OutputLocation {location[:256]!r} is not a valid S3 path.") from None
    if not call.use(ObjectStore).bucket_exists(bucket):
        raise invalid(f"Unable to verify/create output bucket {bucket} (ResultConfiguration.OutputLocation)")
    document = {k: v for k, v in request.items() if k != "ClientRequestToken"}
    document["QueryString"] = _filled(request["QueryString"], request.get("ExecutionParameters", []))
    database = request.get("QueryExecutionContext", {}).get("Database", "default").strip("`").lower()
    output = "s3://" + "/".join(part for part in (bucket, prefix.strip("/"), name) if part)
    now = clock.now()
    state = {"database": database, "output": output}
    row = Resource(KIND, call.region, name, f"athena:{call.region}:query/{name}", QUEUED, now, now, document, state)
    try:
        call.use(Resources).create(row)
    except AlreadyExists:
        return {"QueryExecutionId": name}
    call.use(Queries).submit(row)
    return {"QueryExecutionId": name}


@operation("athena", "GetQueryExecution")
def get_query_execution(call: Call, request: Request) -> Output:
    row = _find(call, request["QueryExecutionId"])
    if row.status in UNDER_WAY:  # the client that waits a moment need not ask again
        row = call.use(Queries).wait(row, _HELD)
    return {"QueryExecution": _described(row)}


@operation("athena", "BatchGetQueryExecution")
def batch_get_query_execution(call: Call, request: Request) -> Output:
    found, missing = [], []
    for name in request["QueryExecutionIds"]:
        try:
            found.append(_described(_find(call, name)))
        except AwsError as error:
            missing.append({"QueryExecutionId": name, "ErrorCode": error.code, "ErrorMessage": error.message})
    return {"QueryExecutions": found, "UnprocessedQueryExecutionIds": missing}


@operation("athena", "StopQueryExecution")
def stop_query_execution(call: Call, request: Request) -> Output:
    row = _find(call, request["QueryExecutionId"])
    call.use(Queries).stop(call.region, row.name)
    return {}


@operation("athena", "ListQueryExecutions")
def list_query_executions(call: Call, request: Request) -> Output:
    if request.get("WorkGroup", PRIMARY) != PRIMARY:
        raise invalid(f"WorkGroup {request['WorkGroup']} is not found.")
    names = [row.name for row in reversed(call.use(Resources).list(KIND, call.region))]
    page, token = page_of(names, request, 50)
    return {**({"QueryExecutionIds": page} if page else {}), **({"NextToken": token} if token else {})}


@operation("athena", "GetQueryResults")
def get_query_results(call: Call, request: Request) -> Output:
    row = _find(call, request["QueryExecutionId"])
    if row.status in UNDER_WAY:
        row = call.use(Queries).wait(row, _HELD)
    if row.status != SUCCEEDED:
        raise invalid(f"Query has not yet finished. Current state: {row.status}")
    start, most = _place(request.get("NextToken")), request.get("MaxResults", _ROWS)
    rows = list(islice(_rows(call, row), start, start + most + 1))
    output: dict[str, Any] = {
        "UpdateCount": 0,
        "ResultSet": {
            "Rows": [{"Data": [_datum(value) for value in values]} for values in rows[:most]],
            "ResultSetMetadata": {"ColumnInfo": [_column(name, kind) for name, kind in row.state["columns"]]},
        },
    }
    if len(rows) > most:
        output["NextToken"] = base64.urlsafe_b64encode(str(start + most).encode()).decode()
    return output


def invalid(message: str) -> AwsError:
    return AwsError("InvalidRequestException", message)


def _find(call: Call, name: str) -> Resource:
    try:
        return call.use(Resources).get(KIND, call.region, name)
    except NotFound:
        raise invalid(f"QueryExecution {name} was not found") from None


def _described(row: Resource) -> dict[str, Any]:
    state, document = row.state, row.document
    ended = state.get("completed")
    kind = state.get("kind", "DML")
    status: dict[str, Any] = {"State": row.status, "SubmissionDateTime": row.created}
    if ended:
        status["CompletionDateTime"] = ended
    if row.status == FAILED:
        status["StateChangeReason"] = state["reason"]
        error = {"ErrorCategory": 2, "ErrorType": 1, "Retryable": False, "ErrorMessage": state["reason"]}
        status["AthenaError"] = error
    elif row.status == CANCELLED:
        status["StateChangeReason"] = "Query cancelled by user"
    started: float = state.get("started") or ended or row.created
    end: float = ended or clock.now()
    ending = "" if "manifest" in state else ".txt" if kind == "DDL" else ".csv"
    return {
        "QueryExecutionId": row.name,
        "Query": document["QueryString"],
        "StatementType": kind,
        "ResultConfiguration": {**document["ResultConfiguration"], "OutputLocation": state["output"] + ending},
        "QueryExecutionContext": document.get("QueryExecutionContext", {"Database": state["database"]}),
        "Status": status,
        "Statistics": {
            "EngineExecutionTimeInMillis": max(0, int((end - started) * 1000)),
            "DataScannedInBytes": state.get("scanned", 0),
            "TotalExecutionTimeInMillis": max(0, int((end - row.created) * 1000)),
            "QueryQueueTimeInMillis": max(0, int((started - row.created) * 1000)),
            **({"DataManifestLocation": state["manifest"]} if "manifest" in state else {}),
        },
        "WorkGroup": document.get("WorkGroup", PRIMARY),
        "EngineVersion": {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"},
    }


def _rows(call: Call, row: Resource) -> Iterator[list[str | None]]:
    """The rows of a result, the header first, from the object that it is."""
    if "lines" in row.state:
        yield from ([line] for line in row.state["lines"])
        return
    bucket, key = parse_s3_uri(row.state["output"] + ".csv")
    try:
        path = call.use(ObjectStore).file(bucket, key)
        file = path.open(newline="")
    except (NotFound, FileNotFoundError):
        raise invalid(f"Could not find results: s3://{bucket}/{key} is gone") from None
    with file:
        yield from results.rows(file)


def _column(name: str, kind: str) -> dict[str, Any]:
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": kind,
        "Precision": {"varchar": 2_147_483_647, "bigint": 19, "integer": 10, "double": 17}.get(kind, 0),
        "Scale": 0,
        "Nullable": "UNKNOWN",
        "CaseSensitive": kind in ("varchar", "char"),
    }


def _datum(value: str | None) -> dict[str, str]:
    return {} if value is None else {"VarCharValue": value}


def _place(token: str | None) -> int:
    if token is None:
        return 0
    try:
        place = int(base64.b64decode(token, altchars=b"-_", validate=True))
        if place < 0:
            raise ValueError
        return place
    except (binascii.Error, ValueError):
        raise invalid("The NextToken is not valid") from None


def _filled(sql: str, parameters: list[str]) -> str:
    """The query with its parameters, which are literals, in the place of question marks outside of quotes."""
    if not parameters:
        return sql
    filled, waiting, quote = "", list(parameters), ""
    for letter in sql:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "?":
            if not waiting:
                raise invalid("ExecutionParameters: the query has more parameters than are given.")
            filled += waiting.pop(0)
            continue
        filled += letter
    if waiting:
        raise invalid("ExecutionParameters: the query has fewer parameters than are given.")
    return filled
