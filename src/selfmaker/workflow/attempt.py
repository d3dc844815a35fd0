"""The rows of one attempt at a step: about to start, begun, ended."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from selfmaker import clock
from selfmaker.errors import Invalid
from selfmaker.store.executions import ExecutionTable, StepRow
from selfmaker.workflow import cache, retry
from selfmaker.workflow.acting import Progress, act_of, intent_of, step_type
from selfmaker.workflow.definition import Step
from selfmaker.workflow.port import CallError, Port
from selfmaker.workflow.steps.base import FAILED, SUCCEEDED, Begun, Outcome

_log = logging.getLogger(__name__)

DEFECT = "InternalServerError: the step could not be carried out; the server's log has more"
_LONGEST_REASON = 1024  # FailureReason's limit in the API
_CUT = " ... "


def first(progress: Progress, step: Step) -> StepRow:
    """The row of a step that has not started before."""
    now = clock.now()
    return StepRow(progress.execution.id, step.name, progress.execution.pipeline, "Starting", now, {"tries": [now]})


def again(row: StepRow) -> StepRow:
    """The row of another attempt."""
    return replace(row, document={"tries": [*row.document["tries"], clock.now()]})


def intended(progress: Progress, row: StepRow, port: Port, table: ExecutionTable) -> StepRow:
    """The row with what the attempt is going to do; or with its end, where that is known already."""
    step = progress.definition.by_name[row.name]
    try:
        intent = intent_of(progress, step, port)
    except (Invalid, CallError) as error:
        return ended(row, Outcome(FAILED, failure=f"ClientError: {error.message}"))
    except Exception:  # noqa: BLE001 - a defect of ours: it fails this step, and must not hold up the others
        _log.exception("execution %s, step %s", row.execution, row.name)
        return ended(row, Outcome(FAILED, failure=DEFECT))
    row = replace(row, document={**row.document, **intent}, token=intent.get("token"))
    kind = step_type(step)
    if kind.cache_members is not None:
        work = {**intent["own"], **intent["arguments"], "*": intent["arguments"]}
        row = replace(row, key=cache.key(step.type, work, kind.cache_members))
        if cache.enabled(step.raw) and (hit := _hit(row, step, table)) is not None:
            return hit
    if kind.instant:
        result = kind.start(act_of(progress, row, port))
        assert isinstance(result, Outcome)
        return ended(row, result)
    return row


def _hit(row: StepRow, step: Step, table: ExecutionTable) -> StepRow | None:
    found = table.cached(row.pipeline, row.name, str(row.key), cache.oldest(step.raw, clock.now()))
    if found is None:
        return None
    source = table.get(found.execution).arn
    known = {k: v for k, v in found.document.items() if k in ("output", "metadata", "outcome")}
    document: dict[str, Any] = {**row.document, **known, "cache_source": source}
    # Without a key of its own a hit is never the source of another: the age that counts is that of the work.
    return replace(row, status=SUCCEEDED, ended=clock.now(), document=document, key=None)


def begun(tries: list[float], result: Begun) -> Callable[[StepRow], StepRow]:
    """The change to an attempt, the last of ``tries``, that goes on: none when it has ended meanwhile."""

    def change(row: StepRow) -> StepRow:
        if row.status != "Starting" or "retry_at" in row.document or row.document["tries"] != tries:
            return row
        return replace(row, status="Executing", document={**row.document, "metadata": dict(result.metadata)})

    return change


def ended(row: StepRow, outcome: Outcome) -> StepRow:
    """The row of a step at its end."""
    document = {**row.document, "output": dict(outcome.output), "metadata": dict(outcome.metadata)}
    document.pop("retry_at", None)
    document.pop("failure", None)
    if outcome.answer:
        document["answer"] = outcome.answer
    if outcome.failure:
        document["failure"] = _shortened(outcome.failure)
    return replace(row, status=outcome.status, ended=clock.now(), document=document)


def _shortened(reason: str) -> str:
    """Within the API's limit: what is wrong may stand at either end, the value that is wrong in between."""
    half = (_LONGEST_REASON - len(_CUT)) // 2
    return reason if len(reason) <= _LONGEST_REASON else f"{reason[:half]}{_CUT}{reason[-half:]}"


def paused(row: StepRow, outcome: Outcome, seconds: float) -> StepRow:
    """The row of a step that will be tried again."""
    later = {
        "retry_at": clock.now() + seconds,
        "failure": _shortened(outcome.failure),
        "metadata": dict(outcome.metadata),
    }
    if outcome.answer:
        later["answer"] = outcome.answer
    return replace(row, status="Starting", document={**row.document, **later})


def stopping(row: StepRow) -> StepRow:
    """The row of a step that has been asked to end."""
    return replace(row, status="Stopping") if row.status == "Executing" else row


def replaced_by(row: StepRow) -> Callable[[StepRow], StepRow]:
    """The change to that very row."""
    return lambda _: row


def refused(error: CallError) -> Outcome:
    """The end of an attempt whose operation was refused."""
    fault = "InternalServerError" if error.status >= 500 and error.status != 501 else "ClientError"
    reason = f"{fault}: Failed to invoke {error.operation}. Error Details: {error.message}"
    return Outcome(FAILED, failure=reason, exception=retry.of_call(error.code, error.status))
