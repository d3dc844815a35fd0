"""The engine: it takes executions from step to step and never loses one.

What a step is going to do is written, under names of its own, before it is done; so a server that comes back finds
what was begun and takes it over instead of doing it twice. Ends of jobs are told to the engine; it asks only for
what nobody tells. One thread at a time works on an execution.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from selfmaker import clock
from selfmaker.errors import Conflict, Invalid, NotFound
from selfmaker.store import executions as table_of
from selfmaker.store.executions import IN_FLIGHT, UNDER_WAY, Execution, ExecutionTable, StepRow
from selfmaker.workflow import asked, attempt, outset, retry, walk
from selfmaker.workflow.acting import Progress, act_of, step_type
from selfmaker.workflow.alarms import Alarms
from selfmaker.workflow.crew import Crew, alone
from selfmaker.workflow.definition import Definition, parse
from selfmaker.workflow.port import CallError, Port
from selfmaker.workflow.steps.base import FAILED, STOPPED, SUCCEEDED, Begun, Outcome, StepType

_log = logging.getLogger(__name__)

POLL = 1.0  # seconds between looks at steps whose end nobody tells
DOUBT = 15.0  # seconds between looks at steps whose end should have been told
AGAIN = 2.0  # seconds after which something that went wrong here is tried again
FAREWELL = 2.0  # seconds for what is being done when the server ends
PATIENCE = 5  # starts of a step that fail for a defect before the step does

STEPS_FAILED = "Step failure: One or multiple steps failed."


class Executions:
    """Thread safe. ``start`` it once the operations can be called."""

    def __init__(self, table: ExecutionTable) -> None:
        self._table = table
        self._port: Port | None = None
        self._workers = Crew(4, "selfmaker-walk")
        self._starters = Crew(8, "selfmaker-steps")
        self._lock = threading.Lock()
        self._waiting: dict[str, bool] = {}  # execution -> whether to look once more
        self._news: dict[str, set[str]] = {}  # execution -> steps that may have ended
        self._jobs: dict[tuple[str, str, str], tuple[str, str]] = {}  # region, noun, name -> execution, step
        self._starting: dict[tuple[str, str], bool] = {}  # execution, step -> whether its next attempt waits for that
        self._defects: dict[tuple[str, str], int] = {}
        self._closed = False
        self._alarms = Alarms(self._ring)
        self._parsed = lru_cache(maxsize=64)(parse)

    # -- life

    def start(self, port: Port) -> None:
        """Take over what an earlier server left, and go on."""
        self._port = port
        self._alarms.start()
        for execution in self._table.under_way():
            rows = self._table.steps(execution.id)
            for row in rows:
                if row.status in IN_FLIGHT and "retry_at" not in row.document:
                    self._take_over(execution, row)
            self._tell(execution.id, *(row.name for row in rows if row.status in IN_FLIGHT))

    def close(self) -> None:
        """Do nothing more. Jobs go on."""
        self._closed = True
        self._alarms.close()
        self._workers.close(FAREWELL)
        self._starters.close(FAREWELL)

    # -- for operations

    def begin(self, execution: Execution) -> Execution:
        """Store a new execution and set out; for a token that is known, the execution that has it. Raises Invalid."""
        progress = Progress(execution, self._definition(execution.pipeline, execution.version), {})
        document = {**execution.document, "experiment": outset.experiment(progress, self._calls)}
        stored = self._table.create(replace(execution, document=document))
        if stored.id == execution.id:
            self._post(stored.id)
        return stored

    def stop(self, execution: str, token: str) -> None:
        """Start no more steps and stop those that run. Raises Conflict for one that has ended, unless the request of
        that token was what stopped it."""
        self._table.amend(execution, asked.to_stop(token))
        self._post(execution)

    def retry(self, execution: str, token: str, changes: dict[str, Any]) -> None:
        """Run what failed or was stopped, and what did not run for that. Raises Conflict for one that is under way or
        has succeeded, unless the last request to do so had that very token."""
        change = asked.to_retry(token, changes)
        self._table.amend(execution, change, lambda c: table_of.forget_unfinished(c, execution))
        self._post(execution)

    def update(self, execution: str, changes: dict[str, Any]) -> None:
        """Merge members into an execution's document."""
        self._table.amend(execution, lambda e: replace(e, document={**e.document, **changes}))
        self._post(execution)

    def answer(self, token: str, client_token: str, outcome: Callable[[StepRow], Outcome]) -> StepRow:
        """Somebody answers a callback. Raises NotFound for no such token, Conflict when it has been answered by a
        request with another ``client_token``, or the step is over."""
        row = self._table.by_callback(token)
        if row.status in IN_FLIGHT and "answer" not in row.document:
            row = self._conclude(row, replace(outcome(row), answer=client_token))
            self._post(row.execution)
        if row.document.get("answer") != client_token:
            raise Conflict(f"the callback step {row.name} is in status {row.status}")
        return row

    def job_ended(self, region: str, noun: str, name: str) -> None:
        """A job is in a final state."""
        known = self._jobs.get((region, noun, name))
        if known is not None:
            self._tell(*known)

    # -- the order of work

    def _tell(self, execution: str, *steps: str) -> None:
        with self._lock:
            self._news.setdefault(execution, set()).update(steps)
        self._post(execution)

    def _post(self, execution: str) -> None:
        """Have the execution worked on, soon; while it is being worked on, once more."""
        with self._lock:
            if self._closed or self._port is None:
                return
            busy = execution in self._waiting
            self._waiting[execution] = busy
        if not busy:
            self._workers.submit(self._work, execution)

    def _work(self, execution: str) -> None:
        while not self._closed:
            try:
                self._advance(execution)
            except NotFound:
                _log.info("execution %s is gone", execution)
            except Exception:  # noqa: BLE001 - the outermost place of an execution; it must not end here
                _log.exception("execution %s; it is tried again", execution)
                self._alarms.set(clock.now() + AGAIN, execution)
            with self._lock:
                again = self._waiting[execution]
                if not again:
                    del self._waiting[execution]
                    return
                self._waiting[execution] = False

    def _ring(self, execution: str) -> None:
        """An alarm goes off: look at whatever runs."""
        rows = self._table.steps(execution)
        self._tell(execution, *(row.name for row in rows if row.status in IN_FLIGHT))

    def _advance(self, execution: str) -> None:
        with self._lock:
            news = self._news.pop(execution, set())
        progress = self._progress(execution)
        if progress.execution.status not in UNDER_WAY:
            return
        for name in news:
            row = progress.rows.get(name)
            if row is not None and row.status in IN_FLIGHT:
                self._look(progress, row)
        progress = self._progress(execution) if news else progress
        if self._prepare(progress):
            progress = self._progress(execution)
        if progress.execution.status == "Stopping" or progress.failed_for_good:
            changed = self._halt(progress)
        else:
            changed = self._renew(progress)
        self._go_on(self._progress(execution) if changed else progress)

    def _go_on(self, progress: Progress) -> None:
        """Start what may start, as long as steps end at once; and end what is over."""
        while True:
            halted = progress.execution.status != "Executing" or progress.failed_for_good
            following = walk.look(
                progress.definition,
                progress.standing,
                selected=progress.selected,
                most=progress.most,
                halted=halted,
            )
            if following.over:
                self._end(progress)
                return
            steps = [progress.definition.by_name[name] for name in following.ready]
            rows = self._table.begin([self._intended(progress, attempt.first(progress, step)) for step in steps])
            for row in rows:
                if row.status == "Starting":
                    self._submit(progress.execution, row)
            if all(row.status == "Starting" for row in rows):
                self._set_alarm(progress)
                return
            progress = self._progress(progress.execution.id)
            if progress.failed_for_good and self._halt(progress):
                progress = self._progress(progress.execution.id)

    def _set_alarm(self, progress: Progress) -> None:
        now = clock.now()
        for row in progress.rows.values():
            if row.status in IN_FLIGHT:
                told = bool(step_type(progress.definition.by_name[row.name]).noun)
                self._alarms.set(now + (DOUBT if told else POLL), progress.execution.id)

    # -- one step's way

    def _submit(self, execution: Execution, row: StepRow, *, repeated: bool = False) -> None:
        """Start a step on a thread of its own, one attempt at a time."""
        mark = (row.execution, row.name)
        with self._lock:
            if self._closed:
                return
            if mark in self._starting:
                self._starting[mark] |= not repeated
                return
            self._starting[mark] = False
        kind = self._watch(execution, row)
        (alone if kind.blocking else self._starters.submit)(self._run, row, repeated)

    def _watch(self, execution: Execution, row: StepRow) -> StepType:
        """Know the step by its job, if it has one. Its type."""
        kind = step_type(self._definition(execution.pipeline, execution.version).by_name[row.name])
        if kind.noun:
            self._jobs[execution.region, kind.noun, row.document["name"]] = (row.execution, row.name)
        return kind

    def _run(self, row: StepRow, repeated: bool) -> None:
        try:
            self._start(row, repeated)
        except NotFound:
            _log.info("execution %s is gone", row.execution)
        except Exception:  # noqa: BLE001 - the outermost place of a thread; the start is repeated
            _log.exception("execution %s, step %s; it is tried again", row.execution, row.name)
            self._alarms.set(clock.now() + AGAIN, row.execution)
            self._count_defect(row)
        with self._lock:
            another = self._starting.pop((row.execution, row.name))
        self._tell(row.execution, *([row.name] if another else []))

    def _start(self, row: StepRow, repeated: bool) -> None:
        progress = self._progress(row.execution)
        current = progress.rows[row.name]
        kind = step_type(progress.definition.by_name[row.name])
        begun_before = current.status in IN_FLIGHT and kind.blocking
        if current.document["tries"] != row.document["tries"] or not (current.status == "Starting" or begun_before):
            return
        if kind.blocking:
            self._table.amend_step(row.execution, row.name, attempt.begun(row.document["tries"], Begun()))
        intent = {**current.document, "repeated": repeated}
        try:
            result = kind.start(act_of(progress, replace(current, document=intent), self._calls))
        except CallError as error:
            result = attempt.refused(error)
        if self._closed and not (isinstance(result, Outcome) and result.status == SUCCEEDED):
            return  # what the end of the server broke off is repeated by the next
        if isinstance(result, Outcome):
            self._conclude(row, result)
        else:
            self._table.amend_step(row.execution, row.name, attempt.begun(row.document["tries"], result))

    def _count_defect(self, row: StepRow) -> None:
        """A start that fails for reasons of ours again and again fails the step."""
        mark = (row.execution, row.name)
        self._defects[mark] = self._defects.get(mark, 0) + 1
        if self._defects[mark] >= PATIENCE:
            del self._defects[mark]
            self._conclude(row, Outcome(FAILED, failure=attempt.DEFECT, exception=retry.SERVICE_FAULT))

    def _look(self, progress: Progress, row: StepRow) -> None:
        act = act_of(progress, row, self._calls)
        kind = step_type(act.step)
        if "retry_at" in row.document:
            return
        if row.status == "Starting" or kind.blocking:
            self._submit(progress.execution, row, repeated=True)  # unless that start is under way
            if not kind.noun:
                return
        try:
            outcome = kind.look(act)
        except CallError as error:
            outcome = None if row.status == "Starting" or error.status >= 500 else attempt.refused(error)
        if outcome is not None:
            self._conclude(row, outcome, progress)

    def _conclude(self, row: StepRow, outcome: Outcome, known: Progress | None = None) -> StepRow:
        """An attempt has ended: so does the step, or it is tried again. Returns the step as it is now."""
        progress = known or self._progress(row.execution)
        step = progress.definition.by_name[row.name]
        calm = progress.execution.status == "Executing" and not progress.failed_for_good
        if outcome.status == STOPPED and calm and not progress.definition.heeds_stop(step.name):
            outcome = replace(outcome, status=FAILED)
        wait = None
        if outcome.status == FAILED and calm:
            policies = [*(step.raw.get("RetryPolicies") or ())]
            if outcome.failure != attempt.DEFECT:
                policies.append(retry.AUTOMATIC)
            wait = retry.delay(policies, outcome.exception, row.document["tries"], clock.now())

        def change(current: StepRow) -> StepRow:
            if current.status not in IN_FLIGHT or current.document["tries"] != row.document["tries"]:
                return current
            if "retry_at" in current.document:
                return current
            if wait is None:
                return attempt.ended(current, outcome)
            return attempt.paused(current, outcome, wait)

        concluded = self._table.amend_step(row.execution, row.name, change)
        noun = step_type(step).noun
        if noun:
            self._jobs.pop((progress.execution.region, noun, row.document.get("name", "")), None)
        return concluded

    def _renew(self, progress: Progress) -> bool:
        """Start those again whose pause after a failure is over. Whether there were any."""
        changed = False
        for name, row in progress.rows.items():
            due = row.document.get("retry_at")
            if row.status != "Starting" or due is None:
                continue
            if due > clock.now():
                self._alarms.set(due, row.execution)
                continue
            fresh = self._intended(progress, attempt.again(row))
            self._table.amend_step(row.execution, name, attempt.replaced_by(fresh))
            changed = True
            if fresh.status == "Starting":
                self._submit(progress.execution, fresh)
        return changed

    def _halt(self, progress: Progress) -> bool:
        """Ask whatever runs to end. Whether anything did not know yet."""
        changed = False
        for row in progress.rows.values():
            if row.status == "Starting" and "retry_at" in row.document:
                stopped = attempt.ended(row, Outcome(STOPPED, failure="Stopped before the next attempt."))
                self._table.amend_step(row.execution, row.name, attempt.replaced_by(stopped))
                changed = True
            elif row.status == "Executing":
                act = act_of(progress, row, self._calls)
                try:
                    step_type(act.step).stop(act)
                except CallError as error:
                    _log.warning("execution %s, step %s: %s", row.execution, row.name, error)
                    self._alarms.set(clock.now() + AGAIN, row.execution)
                    continue
                self._table.amend_step(row.execution, row.name, attempt.stopping)
                changed = True
                self._tell(row.execution, row.name)
        return changed

    # -- an execution's beginning and end

    def _prepare(self, progress: Progress) -> bool:
        """See to what comes before the first step; where that fails, so does the execution. Whether there was
        anything to do."""
        document = progress.execution.document
        nothing = progress.selected is None and not progress.definition.experiment
        if nothing or document.get("prepared") or progress.execution.status != "Executing":
            return False
        try:
            learnt = outset.prepare(progress, self._calls, self._table)
        except (Invalid, CallError) as error:
            self._finish(progress.execution.id, "Failed", error.message)
            return True

        def change(current: Execution) -> Execution:
            return replace(current, document={**current.document, **learnt, "prepared": True})

        self._table.amend(progress.execution.id, change)
        return True

    def _end(self, progress: Progress) -> None:
        if progress.execution.status == "Stopping":
            self._finish(progress.execution.id, "Stopped")
        else:
            status = walk.ending(progress.definition, progress.standing)
            self._finish(progress.execution.id, status, STEPS_FAILED if status == FAILED else "")

    def _finish(self, execution: str, status: str, failure: str = "") -> None:
        def change(current: Execution) -> Execution:
            if current.status not in UNDER_WAY:
                return current
            if current.status == "Stopping" and status != "Stopped":  # asked to stop at the last moment
                return replace(current, status="Stopped")
            document = {**current.document, "failure": failure} if failure else current.document
            return replace(current, status=status, document=document)

        self._table.amend(execution, change)

    def _take_over(self, execution: Execution, row: StepRow) -> None:
        """A step that an earlier server began."""
        kind = self._watch(execution, row)
        if row.status == "Starting" or kind.blocking:
            self._submit(execution, row, repeated=True)

    def _intended(self, progress: Progress, row: StepRow) -> StepRow:
        return attempt.intended(progress, row, self._calls, self._table)

    @property
    def _calls(self) -> Port:
        assert self._port is not None
        return self._port

    def _progress(self, execution: str) -> Progress:
        row = self._table.get(execution)
        rows = {step.name: step for step in self._table.steps(execution)}
        return Progress(row, self._definition(row.pipeline, row.version), rows)

    def _definition(self, pipeline: str, version: int) -> Definition:
        """Read anew each time: a pipeline that is made again under its old name begins at version 1, too."""
        return self._parsed(self._table.version(pipeline, version).definition)
