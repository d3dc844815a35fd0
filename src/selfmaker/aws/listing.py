"""What every List operation does: filter, then sort, then cut a page.

A token holds the place of the last row that was given out, not a count, so that rows which come or go between two
pages make no other row appear twice or not at all.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from selfmaker.aws.errors import AwsError

T = TypeVar("T")
Row = Mapping[str, Any]
_Place = tuple[bool, float, str, str]


@dataclass(frozen=True)
class Usual:
    """What an operation does when the request doesn't say, and where its rows have their times, if not as most do."""

    sort: str = "CreationTime"
    limit: int = 10
    created: str = "CreationTime"
    modified: str = "LastModifiedTime"


@dataclass(frozen=True)
class _Columns:
    """Under which members a summary row has what the filters and orders ask for; "" where it doesn't."""

    name: str
    status: str
    created: str
    modified: str


def page(
    rows: Iterable[Row],
    request: Mapping[str, Any],
    member: str,
    *,
    name: str,
    status: str = "",
    usual: Usual | None = None,
) -> dict[str, Any]:
    """The output of a List operation over ``rows``, which are its summaries: ``{member: [...], "NextToken": ...}``.

    ``request``'s NameContains (whatever the case), StatusEquals, CreationTimeAfter/Before, CreatedAfter/Before and
    LastModifiedTimeAfter/Before filter; SortBy, SortOrder, MaxResults and NextToken do what they say. ``name`` and
    ``status`` are the members of a row that have its name and status. Raises AwsError for a token that is not ours.

    Without SortOrder the newest come first, also where the API's reference calls Ascending the default
    (ListModelPackages, ListTrainingJobs...): the service answers so, and programs take the first of a list for the
    latest, as AWS's own template for deployments does.
    """
    usual = usual or Usual()
    columns = _Columns(name, status, usual.created, usual.modified)
    kept = [row for row in rows if _admits(row, request, columns)]
    by, way = request.get("SortBy", usual.sort), request.get("SortOrder", "Descending")
    descending = way == "Descending"
    known = {"Name": name, "Status": status, "CreationTime": usual.created, "LastModifiedTime": usual.modified}
    column = known.get(by, by)
    placed = sorted(((_place(row, column, name), row) for row in kept), key=lambda pair: pair[0], reverse=descending)
    token = request.get("NextToken")
    if token is not None:
        last = _read_place(token, f"{by}/{way}")
        placed = [pair for pair in placed if (pair[0] < last if descending else pair[0] > last)]
    most = request.get("MaxResults") or usual.limit
    output: dict[str, Any] = {member: [dict(row) for _, row in placed[:most]]}
    if len(placed) > most:
        output["NextToken"] = _token([f"{by}/{way}", *placed[most - 1][0]])
    return output


def page_of(items: Sequence[T], request: Mapping[str, Any], limit: int = 100) -> tuple[list[T], str | None]:
    """A page of what is filtered and sorted already, by position: the items and the next token."""
    start = 0
    token = request.get("NextToken")
    if token is not None:
        match _read(token):
            case ["position", int() as position] if position >= 0 and not isinstance(position, bool):
                start = position
            case _:
                raise bad_token()
    end = start + (request.get("MaxResults") or limit)
    return list(items[start:end]), _token(["position", end]) if end < len(items) else None


def bad_token() -> AwsError:
    return AwsError("ValidationException", "The provided NextToken is not valid for this request")


def _admits(row: Row, request: Mapping[str, Any], columns: _Columns) -> bool:
    contains = request.get("NameContains")
    if contains is not None and contains.casefold() not in str(row.get(columns.name, "")).casefold():
        return False
    wanted = request.get("StatusEquals")
    if wanted is not None and columns.status and row.get(columns.status) != wanted:
        return False
    return all(
        _within(row.get(column), request.get(f"{word}After"), request.get(f"{word}Before"))
        for word, column in (
            ("CreationTime", columns.created),
            ("Created", columns.created),
            ("LastModifiedTime", columns.modified),
        )
    )


def _within(moment: float | None, after: float | None, before: float | None) -> bool:
    if after is None and before is None:
        return True
    return moment is not None and (after is None or moment > after) and (before is None or moment < before)


def _place(row: Row, column: str, name: str) -> _Place:
    value = row.get(column)
    number = float(value) if isinstance(value, (int, float)) else 0.0
    text = "" if value is None or isinstance(value, (int, float)) else str(value)
    return value is not None, number, text, str(row.get(name, ""))


def _read_place(token: str, order: str) -> _Place:
    match _read(token):
        case [str() as made_for, bool() as has, (int() | float()) as number, str() as text, str() as name] if (
            made_for == order
        ):
            return has, float(number), text, name
    raise bad_token()


def _token(content: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode()).decode()


def _read(token: str) -> Any:
    try:
        return json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return None
