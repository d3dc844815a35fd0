"""The lineage of jobs: their images and data contribute to their trial components, which produce what they made.

Inputs are recorded with the job, outputs when it has ended well. Called for each row of a job that is written, in that
transaction.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, select

from selfmaker.errors import NotFound
from selfmaker.jobs import states
from selfmaker.sagemaker.experiment_entity import COMPONENT
from selfmaker.sagemaker.lineage import CHECKPOINT, CONTRIBUTED, DATA, IMAGE, MODEL, PRODUCED, Record
from selfmaker.store import resources
from selfmaker.store.jobs import Job

_SUFFIXES = {
    "TrainingJob": "-aws-training-job",
    "ProcessingJob": "-aws-processing-job",
    "TransformJob": "-aws-transform-job",
}
_Source = tuple[str, str]  # a URI and the artifact's type


def record(connection: Connection, job: Job) -> None:
    """Inputs of a job that is new, outputs of one that is complete; nothing of any other."""
    if job.kind not in _SUFFIXES or job.state not in (states.QUEUED, states.COMPLETED):
        return
    component = _component(connection, job)
    if component is None:
        return
    own = Record.beside(connection, job.arn)
    if job.state == states.COMPLETED:
        for uri, kind in _outputs(job):
            own.associate(component, own.artifact(uri, kind), PRODUCED)
        return
    for uri, kind in _inputs(job):
        own.associate(own.artifact(uri, kind), component, CONTRIBUTED)
    if job.kind == "TransformJob":
        _model(own, job, component)


def _component(connection: Connection, job: Job) -> str | None:
    """The ARN of the job's trial component. Where its usual name was taken, its source tells."""
    try:
        row = resources.get(connection, COMPONENT.kind, job.region, (job.name + _SUFFIXES[job.kind]).lower())
        if row.state.get("Source", {}).get("SourceArn") == job.arn:
            return row.arn
    except NotFound:
        pass
    table = resources.resources.c
    source = table.state["Source"]["SourceArn"].as_string()
    query = select(table.arn).where(table.kind == COMPONENT.kind, table.region == job.region, source == job.arn)
    found: str | None = connection.execute(query).scalar()
    return found


def _inputs(job: Job) -> Iterator[_Source]:
    document = job.document
    if job.kind == "TrainingJob":
        yield document.get("AlgorithmSpecification", {}).get("TrainingImage", ""), IMAGE
        for channel in document.get("InputDataConfig", []):
            yield channel.get("DataSource", {}).get("S3DataSource", {}).get("S3Uri", ""), DATA
    elif job.kind == "ProcessingJob":
        yield document["AppSpecification"]["ImageUri"], IMAGE
        for given in document.get("ProcessingInputs", []):
            yield given.get("S3Input", {}).get("S3Uri", ""), DATA
    else:
        yield document["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"], DATA


def _outputs(job: Job) -> Iterator[_Source]:
    document = job.document
    if job.kind == "TrainingJob":
        yield job.progress.get("model") or "", MODEL
        yield document.get("CheckpointConfig", {}).get("S3Uri", ""), CHECKPOINT
    elif job.kind == "ProcessingJob":
        for output in document.get("ProcessingOutputConfig", {}).get("Outputs", []):
            yield output.get("S3Output", {}).get("S3Uri", ""), DATA
    else:
        yield document["TransformOutput"]["S3OutputPath"], DATA


def _model(own: Record, job: Job, component: str) -> None:
    """What a transform job sends its data to: the model, and its containers' data and images."""
    try:
        model = resources.get(own.connection, "Model", job.region, job.document["ModelName"])
    except NotFound:
        return
    own.associate(own.artifact(model.arn, MODEL), component, CONTRIBUTED)
    for container in [*_given(model.document), *model.state.get("Containers", [])]:
        own.associate(own.artifact(container.get("Image", ""), IMAGE), component, CONTRIBUTED)
        own.associate(own.artifact(container.get("ModelDataUrl", ""), MODEL), component, CONTRIBUTED)


def _given(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    primary = [document["PrimaryContainer"]] if "PrimaryContainer" in document else []
    return [*primary, *document.get("Containers", [])]
