"""The line of waiting jobs: strictly in the order of submission, so that a large job is never passed for ever."""

from dataclasses import dataclass, replace
from functools import partial

from selfmaker import clock
from selfmaker.jobs import states
from selfmaker.jobs.gpus import gpus_of
from selfmaker.store.jobs import Job, JobTable


@dataclass(frozen=True)
class Turn:
    """What one advance of the line came to: jobs that have their slots now, and jobs that have waited too long."""

    started: list[Job]
    expired: list[Job]


class Line:
    """Gives out ``slots`` and ``gpus`` (their indexes). For one thread at a time; the rows alone say who has what, so
    nothing is lost by a crash. A job that asks for more than there is gets all there is."""

    def __init__(self, table: JobTable, slots: int, gpus: tuple[int, ...]) -> None:
        self._table = table
        self._slots = slots
        self._gpus = gpus

    def advance(self) -> Turn:
        """Let every job start whose turn it is; say in the record of the others why they wait."""
        turn = Turn([], [])
        waiting = self._table.in_states([states.QUEUED])
        if not waiting:
            return turn
        active = self._table.in_states(states.ACTIVE)
        used = sum(job.slots for job in active)
        taken = {gpu for job in active for gpu in job.progress.get("gpus", ())}
        for index, job in enumerate(waiting):
            if job.spec["max_wait"] and clock.now() > job.created + job.spec["max_wait"]:
                turn.expired.append(job)
                continue
            free = [gpu for gpu in self._gpus if gpu not in taken]
            wanted = min(gpus_of(job.spec["instance_type"]) * len(job.spec["hosts"]), len(self._gpus))
            if used + job.slots > self._slots or wanted > len(free):
                lack = f"{used} of {self._slots} slots in use"
                if wanted > len(free):
                    lack += f", {len(taken)} of {len(self._gpus)} GPUs in use, {wanted} wanted"
                self._keep_waiting(waiting[index:], lack)
                break
            used += job.slots
            taken.update(free[:wanted])
            claimed = self._table.amend(job.id, partial(_claim, gpus=free[:wanted]))
            if claimed.state == states.PREPARING:
                turn.started.append(claimed)
        return turn

    def _keep_waiting(self, waiting: list[Job], lack: str) -> None:
        for ahead, job in enumerate(waiting):
            if job.progress["transitions"][-1]["status"] == states.QUEUED:
                continue
            message = f"Waiting for capacity: {lack}, {ahead} job{'' if ahead == 1 else 's'} ahead in line"

            def change(current: Job, message: str = message) -> Job:
                if current.state != states.QUEUED:
                    return current
                return replace(current, progress=states.moved(current.progress, states.QUEUED, clock.now(), message))

            self._table.amend(job.id, change)


def _claim(job: Job, gpus: list[int]) -> Job:
    """A waiting job's slots and GPUs are now its own."""
    if job.state != states.QUEUED:
        return job
    progress = {**job.progress, "gpus": gpus}
    if progress["transitions"][-1]["status"] != states.PREPARING:
        progress = states.moved(progress, states.PREPARING, clock.now())
    return replace(job, state=states.PREPARING, progress=progress)
