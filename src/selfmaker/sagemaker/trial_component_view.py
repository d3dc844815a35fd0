"""What a trial component shows: its own members, those of the job that it stands for, its metrics and its trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from selfmaker.aws import arn
from selfmaker.aws.operation import Call
from selfmaker.errors import NotFound
from selfmaker.jobs.engine import Jobs
from selfmaker.jobs.training import NAMESPACE
from selfmaker.sagemaker import experiment_entity as entity
from selfmaker.sagemaker import processing_job, training_job, transform_job
from selfmaker.sagemaker.experiment_config import TRAINING
from selfmaker.sagemaker.experiment_entity import COMPONENT, TRIAL
from selfmaker.sagemaker.job_component import of_processing_job, of_training_job, of_transform_job
from selfmaker.sagemaker.trial import trials_of
from selfmaker.settings import Settings
from selfmaker.store.jobs import Job, JobTable
from selfmaker.store.resources import Resource
from selfmaker.store.trial_metrics import JobSeries, Summary, TrialMetrics

MOST_NAMED = 200
_MAPS = ("Parameters", "InputArtifacts", "OutputArtifacts")


@dataclass(frozen=True)
class View:
    """What describing components needs to know beside their rows: jobs by ARN, trials by row name."""

    call: Call
    jobs: Mapping[str, Job]
    trials: Mapping[str, Resource] = field(default_factory=dict)

    @classmethod
    def of_one(cls, call: Call, row: Resource) -> "View":
        """For one component."""
        source = row.state.get("Source", {}).get("SourceArn", "")
        job = _job(call, source)
        return cls(call, {} if job is None else {source: job})

    @classmethod
    def of_all(cls, call: Call) -> "View":
        """For all components of the region, by one query of each kind."""
        kinds = (training_job.KIND, processing_job.KIND, transform_job.KIND)
        jobs = {job.arn: job for kind in kinds for job in call.use(Jobs).of_kind(kind, call.region)}
        return cls(call, jobs, {row.name: row for row in entity.rows(call, TRIAL)})

    def described(self, row: Resource) -> dict[str, Any]:
        """In the members of DescribeTrialComponent, but for its metrics."""
        source = row.state.get("Source", {})
        own = entity.described(row, COMPONENT)
        job = self.jobs.get(source.get("SourceArn", ""))
        derived = self._of_job(job) if job is not None else row.state.get("Frozen", {})
        document = {**derived, **own}
        for member in _MAPS:
            document[member] = merged(derived.get(member, {}), own.get(member, {}))
        if job is not None:
            document["LastModifiedTime"] = max(row.modified, job.modified)
        if source:
            document["Source"] = source
        document["Sources"] = [source] if source else row.state.get("Sources", [])
        return document

    def found(self, row: Resource) -> dict[str, Any]:
        """As ``described``, with what Search shows besides: the trials, and the job itself."""
        document = self.described(row)
        trials = [self.trials[name].document for name in trials_of(row) if name in self.trials]
        document["Parents"] = [{k: trial[k] for k in ("TrialName", "ExperimentName")} for trial in trials]
        job = self.jobs.get(document.get("Source", {}).get("SourceArn", ""))
        if job is not None:
            document["SourceDetail"] = {"SourceArn": job.arn, job.kind: self._job_described(job)}
        return document

    def _job_described(self, job: Job) -> dict[str, Any]:
        if job.kind == training_job.KIND:
            return training_job.described(job, self.call.use(Settings).spot_discount)
        return transform_job.described(job) if job.kind == transform_job.KIND else processing_job.described(job)

    def _of_job(self, job: Job) -> dict[str, Any]:
        derive = {training_job.KIND: of_training_job, transform_job.KIND: of_transform_job}
        return derive.get(job.kind, of_processing_job)(self._job_described(job))


def measured(call: Call, documents: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Described components with their metrics: those of the jobs that they stand for, then their own."""
    store, found = call.use(TrialMetrics), []
    own = store.of_components(_few([document[COMPONENT.arn] for document in documents]))
    jobs = {document[COMPONENT.arn]: _training_job_name(document) for document in documents}
    names = [name for name in jobs.values() if name]
    by_job = store.of_jobs(training_series(call), _few(names)) if names else {}
    for document in documents:
        component = document[COMPONENT.arn]
        metrics = _shown(own.get(component, []), component)
        if name := jobs[component]:
            metrics = _shown(by_job.get(name, []), document["Source"]["SourceArn"]) + metrics
        found.append({**document, "Metrics": metrics})
    return found


def training_series(call: Call) -> JobSeries:
    """Where training jobs' metrics are kept."""
    return JobSeries(call.region, NAMESPACE, "TrainingJobName")


def _training_job_name(document: Mapping[str, Any]) -> str:
    source = document.get("Source", {})
    return arn.parse(source["SourceArn"]).name if source.get("SourceType") == TRAINING else ""


def _few(names: Sequence[str]) -> Sequence[str] | None:
    """Names to ask the database for, or None for asking for all, where it is the lesser work."""
    return names if len(names) <= MOST_NAMED else None


def _job(call: Call, job_arn: str) -> Job | None:
    try:
        return call.use(JobTable).by_arn(job_arn)
    except NotFound:
        return None


def merged(derived: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """``own`` over ``derived``; what is None in ``own`` is not there."""
    return {name: value for name, value in {**derived, **own}.items() if value is not None}


def _shown(summaries: list[Summary], source: str) -> list[dict[str, Any]]:
    return [
        {
            "MetricName": summary.name,
            "SourceArn": source,
            "TimeStamp": summary.at,
            "Max": summary.maximum,
            "Min": summary.minimum,
            "Last": summary.last,
            "Count": summary.count,
            "Avg": summary.mean,
            "StdDev": summary.deviation,
        }
        for summary in summaries
    ]
