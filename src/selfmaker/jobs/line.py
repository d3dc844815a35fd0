"""The line of waiting jobs: strictly in the order of submission, so that a large job is never passed for ever."""

from dataclasses import dataclass, replace

from selfmaker import clock
from selfmaker.jobs import states
from selfmaker.store.jobs import Job, JobTable


@dataclass(frozen=True)
class Turn:
    """What one advance of the line came to: jobs that have their slots now, and jobs that have waited too long."""

    started: list[Job]
    expired: list[Job]


class Line:
    """Gives out ``slots``. For one thread at a time; the rows alone say who has what, so nothing is lost by a crash."""

    def __init__(self, table: JobTable, slots: int) -> None:
        self._table = table
        self._slots = slots

    def advance(self) -> Turn:
        """Let every job start whose turn it is; say in the record of the others why they wait."""
        turn = Turn([], [])
        waiting = self._table.in_states([states.QUEUED])
        if not waiting:
            return turn
        used = sum(job.slots for job in self._table.in_states(states.ACTIVE))
        for index, job in enumerate(waiting):
            if job.spec["max_wait"] and clock.now() > job.created + job.spec["max_wait"]:
                turn.expired.append(job)
            elif used + job.slots > self._slots:
                self._keep_waiting(waiting[index:], used)
                break
            else:
                used += job.slots
                claimed = self._table.amend(job.id, _claim)
                if claimed.state == states.PREPARING:
                    turn.started.append(claimed)
        return turn

    def _keep_waiting(self, waiting: list[Job], used: int) -> None:
        for ahead, job in enumerate(waiting):
            if job.progress["transitions"][-1]["status"] == states.QUEUED:
                continue
            message = (
                f"Waiting for capacity: {used} of {self._slots} slots in use, "
                f"{ahead} job{'' if ahead == 1 else 's'} ahead in line"
            )

            def change(current: Job, message: str = message) -> Job:
                if current.state != states.QUEUED:
                    return current
                return replace(current, progress=states.moved(current.progress, states.QUEUED, clock.now(), message))

            self._table.amend(job.id, change)


def _claim(job: Job) -> Job:
    """A waiting job's slots are now its own."""
    if job.state != states.QUEUED:
        return job
    progress = job.progress
    if progress["transitions"][-1]["status"] != states.PREPARING:
        progress = states.moved(progress, states.PREPARING, clock.now())
    return replace(job, state=states.PREPARING, progress=progress)
