"""The jobs and endpoints of a server, over all kinds of job that it answers for."""

from dataclasses import dataclass
from typing import Any

from selfmaker.cli.calls import Caller, CallError
from selfmaker.errors import NotFound

Row = dict[str, Any]


@dataclass(frozen=True)
class JobKind:
    """A kind of job: its noun in AWS's operations, and its log group (None: its jobs have no log of their own)."""

    noun: str
    log_group: str | None

    @property
    def plural(self) -> str:
        return self.noun + "s"


KINDS = (
    JobKind("TrainingJob", "/aws/sagemaker/TrainingJobs"),
    JobKind("ProcessingJob", "/aws/sagemaker/ProcessingJobs"),
    JobKind("TransformJob", "/aws/sagemaker/TransformJobs"),
    JobKind("HyperParameterTuningJob", None),
)
UNFINISHED = ("InProgress", "Stopping")


def jobs(caller: Caller, limit: int | None = None, status: str | None = None) -> list[Row]:
    """The newest ``limit`` jobs of all kinds, newest first. A kind that the server doesn't answer for has none."""
    rows: list[Row] = []
    for kind in KINDS:
        rows += _jobs_of(caller, kind, limit, {"StatusEquals": status} if status else {})
    rows.sort(key=lambda row: row["created"], reverse=True)
    return rows[:limit]


def jobs_in_progress(caller: Caller) -> list[Row]:
    """The jobs that have not ended, newest first."""
    found = {(job["kind"], job["name"]): job for status in UNFINISHED for job in jobs(caller, status=status)}
    return sorted(found.values(), key=lambda job: -float(job["created"]))


def endpoints(caller: Caller) -> list[Row]:
    """All endpoints, newest first."""
    try:
        found = list(caller.pages("sagemaker", "ListEndpoints", "Endpoints", SortBy="CreationTime", MaxResults=100))
    except CallError as error:
        if error.status != 501:
            raise
        return []
    return [
        {
            "name": item["EndpointName"],
            "status": item["EndpointStatus"],
            "created": item["CreationTime"],
            "modified": item["LastModifiedTime"],
        }
        for item in found
    ]


def find_job(caller: Caller, name: str) -> tuple[JobKind, dict[str, Any]]:
    """The kind of the job called ``name``, and its description. Raises NotFound."""
    for kind in KINDS:
        description = describe(caller, kind.noun, name)
        if description is not None:
            return kind, description
    raise NotFound(f"no job is called {name}; `selfmaker jobs` lists them")


def describe(caller: Caller, noun: str, name: str) -> dict[str, Any] | None:
    """The description, or None where there is no such thing (or no such kind of thing, or the name cannot be one's)."""
    try:
        return caller.call("sagemaker", f"Describe{noun}", **{f"{noun}Name": name})
    except CallError as error:
        if error.code in ("ResourceNotFound", "ValidationException", "ValidationError") or error.status == 501:
            return None
        raise


def _jobs_of(caller: Caller, kind: JobKind, limit: int | None, filters: dict[str, str]) -> list[Row]:
    request = {"SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": min(limit or 100, 100), **filters}
    rows: list[Row] = []
    try:
        for item in caller.pages("sagemaker", f"List{kind.plural}", f"{kind.noun}Summaries", **request):
            rows.append(_job_row(kind, item))
            if limit is not None and len(rows) >= limit:
                break
    except CallError as error:
        if error.status != 501:
            raise
    return rows


def _job_row(kind: JobKind, item: dict[str, Any]) -> Row:
    ended = ("TrainingEndTime", "ProcessingEndTime", "TransformEndTime", "HyperParameterTuningEndTime")
    return {
        "name": item[f"{kind.noun}Name"],
        "kind": kind.noun,
        "status": item[f"{kind.noun}Status"],
        "detail": item.get("SecondaryStatus"),
        "created": item["CreationTime"],
        "ended": next((item[name] for name in ended if item.get(name)), None),
    }
