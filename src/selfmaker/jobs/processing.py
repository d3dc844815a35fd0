"""Processing jobs, as a kind of job: inputs as folders of links, outputs put into the object store."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from selfmaker.contract.artifacts import members
from selfmaker.contract.channels import Source, link_channel
from selfmaker.contract.checkpoints import Known, sync
from selfmaker.contract.config import write_processing_config
from selfmaker.contract.layout import ROOT, Layout
from selfmaker.errors import Invalid, NotFound
from selfmaker.executors.protocol import Access
from selfmaker.jobs import outcome
from selfmaker.jobs.folder import JobFolder
from selfmaker.jobs.spec import JobSpec
from selfmaker.jobs.surroundings import MountRow, Surroundings
from selfmaker.objects.uri import join_s3_uri
from selfmaker.runtimes.catalog import declared_entrypoint
from selfmaker.store.jobs import Job

CONTINUOUS = "Continuous"
_LONGEST_MESSAGE = 1024  # ExitMessage's limit in the API


class ProcessingKind:
    """See JobKind."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._around = surroundings
        self._known: dict[tuple[str, str, int], Known] = {}

    def prepare(self, job: Job, folder: JobFolder) -> None:
        spec = JobSpec.from_json(job.spec)
        hosts = [self._host(job, spec, folder, index) for index in range(len(spec.hosts))]
        entrypoint = spec.entrypoint or declared_entrypoint(spec.image)
        argv = [*entrypoint, *spec.arguments] if entrypoint else None
        folder.write_plan(self._around.plan(spec, hosts, argv=argv, directory="/", kind=outcome.PROCESSING))

    def tick(self, job: Job, folder: JobFolder) -> None:
        spec = JobSpec.from_json(job.spec)
        for host, number, output, place in _outputs(spec, folder):
            if output["S3UploadMode"] == CONTINUOUS:
                self._sync(job, (host, number), output["S3Uri"], place, final=False)

    def interrupted(self, job: Job, folder: JobFolder) -> None:
        """There are no spot processing jobs."""

    def publish(self, job: Job, folder: JobFolder, ended: Mapping[str, Any]) -> dict[str, Any]:
        spec = JobSpec.from_json(job.spec)
        for host, number, output, place in _outputs(spec, folder):
            if output["S3UploadMode"] == CONTINUOUS:
                self._sync(job, (host, number), output["S3Uri"], place, final=True)
                self._known.pop((job.id, host, number), None)
            elif ended["outcome"] != "failed":
                self._put_all(folder, place, output)
        message = _exit_message(spec, folder)
        return {"exit_message": message} if message else {}

    def _host(self, job: Job, spec: JobSpec, folder: JobFolder, index: int) -> dict[str, Any]:
        name = spec.hosts[index]
        place = folder.host(name)
        layout = Layout(place / "ml")
        layout.output.mkdir(parents=True)
        limits = {"StoppingCondition": {"MaxRuntimeInSeconds": spec.max_runtime}}
        write_processing_config(layout, {**limits, **job.document, "ProcessingJobArn": job.arn}, name, spec.hosts)
        mounts: list[MountRow] = [(place / "ml", ROOT, Access.READ_WRITE)]
        for number, given in enumerate(spec.inputs):
            data = given["S3Input"]
            linked = place / "inputs" / str(number)
            link_channel(self._around.objects, _source(data), linked, index, len(spec.hosts))
            mounts.append((linked, data["LocalPath"], Access.COPY_ON_WRITE))
        for _, _, output, target in _outputs(spec, folder, name):
            target.mkdir(parents=True)
            mounts.append((target, output["LocalPath"], Access.READ_WRITE))
        own = {
            "PROCESSING_JOB_NAME": spec.name,
            "PROCESSING_JOB_ARN": spec.arn,
            "AWS_REGION": spec.region,
            **spec.environment,
        }
        variables = self._around.variables(self._around.connection(job), own)
        return self._around.host_plan(job, spec, folder, index, mounts, variables)

    def _put_all(self, folder: JobFolder, place: Path, output: Mapping[str, Any]) -> None:
        for name, path in members([place]):
            source = _file(path, place.resolve(), output["LocalPath"].rstrip("/")) if path.is_symlink() else path
            if source is not None and source.is_file():
                self._around.put(folder, source, join_s3_uri(output["S3Uri"], name))

    def _sync(self, job: Job, output: tuple[str, int], uri: str, place: Path, *, final: bool) -> None:
        key = (job.id, *output)
        try:
            self._known[key] = sync(self._around.objects, place, uri, self._known.get(key, {}), final=final)
        except NotFound as error:
            if final:
                raise Invalid(f"ClientError: Output upload failed: {uri}: {error.message}") from None


def _source(data: Mapping[str, Any]) -> Source:
    return Source(
        uri=data["S3Uri"],
        data_type=data["S3DataType"],
        distribution=data.get("S3DataDistributionType", "FullyReplicated"),
        compression=data.get("S3CompressionType", "None"),
    )


def _outputs(spec: JobSpec, folder: JobFolder, only: str | None = None) -> Iterator[tuple[str, int, Any, Path]]:
    """Host, number, S3Output and folder on disk of every output, of every host or only of one."""
    for host in spec.hosts if only is None else (only,):
        for number, output in enumerate(spec.outputs):
            yield host, number, output["S3Output"], folder.host(host) / "outputs" / str(number)


def _file(link: Path, place: Path, local: str) -> Path | None:
    """Where a link leads that stays in its output, which is at ``place``; the job knows it as ``local``."""
    target = os.readlink(link)  # noqa: PTH115 - as it is written
    path = place / target[len(local) + 1 :] if target.startswith(f"{local}/") else link
    try:
        found = path.resolve(strict=True)
    except (OSError, RuntimeError):  # it leads nowhere, or in a circle
        return None
    return found if found.is_relative_to(place) else None


def _exit_message(spec: JobSpec, folder: JobFolder) -> str:
    """What the first host wrote to /opt/ml/output/message."""
    path = Layout(folder.host(spec.hosts[0]) / "ml").output / "message"
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST_MESSAGE).decode("utf-8", "replace").strip()
    except OSError:
        return ""
