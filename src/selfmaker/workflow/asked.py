"""What clients ask of an execution, as changes to its row: a request that is sent again changes nothing."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from selfmaker.errors import Conflict
from selfmaker.store.executions import UNDER_WAY, Execution

Change = Callable[[Execution], Execution]


def to_stop(token: str) -> Change:
    """Raises Conflict for one that has ended, unless the request of that token was what stopped it."""

    def change(current: Execution) -> Execution:
        if current.status == "Stopping" or current.document.get("stop_token") == token:
            return current
        if current.status not in UNDER_WAY:
            raise Conflict(f"the execution is in status {current.status}")
        return replace(current, status="Stopping", document={**current.document, "stop_token": token})

    return change


def to_retry(token: str, changes: Mapping[str, Any]) -> Change:
    """``changes`` are merged into the document. Raises Conflict for one that is under way or has succeeded, unless the
    last request to do so had that very token."""

    def change(current: Execution) -> Execution:
        if current.document.get("retry_token") == token:
            return current
        if current.status in (*UNDER_WAY, "Succeeded"):
            raise Conflict(f"the execution is in status {current.status}")
        document = {**current.document, **changes, "retry_token": token}
        document = {k: v for k, v in document.items() if k not in ("failure", "stop_token")}
        return replace(current, status="Executing", document=document)

    return change
