"""Training jobs, as a kind of job: how one is laid out, and how what it made is published."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfmaker import clock
from selfmaker.client.environment import Connection
from selfmaker.contract import script_mode
from selfmaker.contract.artifacts import members
from selfmaker.contract.channels import Source, link_channel
from selfmaker.contract.checkpoints import restore, sync
from selfmaker.contract.config import Cluster, input_data_config, write_checkpoint_config, write_config
from selfmaker.contract.distribution import GROUPS, Distribution, distribution, of_entry_point
from selfmaker.contract.layout import ROOT, Layout
from selfmaker.contract.source_directory import bring
from selfmaker.contract.variables import Facts, training_variables
from selfmaker.errors import Invalid, NotFound
from selfmaker.executors.protocol import Access
from selfmaker.jobs import outcome
from selfmaker.jobs.company import equip
from selfmaker.jobs.folder import JobFolder, read_json_lines
from selfmaker.jobs.pipe_channels import pipe_channel
from selfmaker.jobs.spec import JobSpec
from selfmaker.jobs.surroundings import MountRow, Surroundings, gpus_of_host
from selfmaker.objects.uri import join_s3_uri
from selfmaker.runtimes.catalog import has_framework_module, runtime_for, script_programs
from selfmaker.store.jobs import Job
from selfmaker.store.metrics import Metric, Sample

NAMESPACE = "/aws/sagemaker/TrainingJobs"


@dataclass(frozen=True)
class Script:
    """A script-mode job's program: where its source is, and how it is run."""

    source: Path
    settings: script_mode.ScriptSettings
    command: script_mode.ScriptCommand


@dataclass(frozen=True)
class Laying:
    """What the hosts of a job that is being laid out have in common."""

    job: Job
    spec: JobSpec
    folder: JobFolder
    cluster: Cluster
    script: Script | None
    connection: Connection
    distribution: Distribution


class TrainingKind:
    """See JobKind."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._around = surroundings
        self._checkpoints: dict[str, dict[str, tuple[int, int]]] = {}
        self._metric_counts: dict[str, int] = {}

    def prepare(self, job: Job, folder: JobFolder) -> None:
        spec = JobSpec.from_json(job.spec)
        script = self._script(spec, folder)
        cluster = Cluster(spec.hosts, spec.instance_type, spec.groups)
        spread = _distribution(job.id, spec, script, cluster)
        laying = Laying(job, spec, folder, cluster, script, self._around.connection(job), spread)
        entry = [*spec.entrypoint, *spec.arguments] if spec.entrypoint else None
        folder.write_plan(
            self._around.plan(
                spec,
                [self._host(job, laying, index) for index in range(len(spec.hosts))],
                source=str(script.source) if script else None,
                installs=script.command.installs if script else False,
                argv=list(script.command.argv) if script else entry,
                command=script.command.text if script else None,
                directory=script_mode.CODE_DIRECTORY if script else ROOT,
                kind=outcome.TRAINING,
                max_runtime=_seconds_left(job, spec),
            )
        )

    def tick(self, job: Job, folder: JobFolder) -> None:
        spec = JobSpec.from_json(job.spec)
        self._sync_checkpoints(job, spec, folder, final=False)
        self._keep_metrics(job, spec, folder)

    def interrupted(self, job: Job, folder: JobFolder) -> None:
        spec = JobSpec.from_json(job.spec)
        self._sync_checkpoints(job, spec, folder, final=True)
        self._keep_metrics(job, spec, folder)

    def publish(self, job: Job, folder: JobFolder, ended: Mapping[str, Any]) -> dict[str, Any]:
        spec = JobSpec.from_json(job.spec)
        self._sync_checkpoints(job, spec, folder, final=True)
        learnt: dict[str, Any] = {"metrics": _last_values(folder)}
        base = join_s3_uri(spec.output, spec.name, "output")
        model = self._publish(folder, outcome.MODEL, base)
        if model is not None or ended["outcome"] == "completed":  # AWS names the place even when nothing is there
            learnt["model"] = model or join_s3_uri(base, "model.tar.gz" if spec.compressed else "model/")
        self._publish(folder, outcome.OUTPUT, base)
        learnt["metrics_kept"] = self._keep_metrics(job, spec, folder)
        self._checkpoints.pop(job.id, None)
        self._metric_counts.pop(job.id, None)
        return learnt

    # -- laying out

    def _script(self, spec: JobSpec, folder: JobFolder) -> Script | None:
        """The user's program, unpacked; None where an entry point or the image itself says what to run."""
        if spec.entrypoint or spec.arguments or has_framework_module(spec.image):
            return None
        own = script_programs(spec.image)
        variables = {**(own.variables if own else {}), **spec.environment}
        settings = script_mode.settings(spec.hyperparameters, variables)
        if settings is None:
            return None
        source = folder.path / "hosts" / "source"
        if own is not None and own.directory == script_mode.CODE_DIRECTORY:
            shutil.copytree(own.folder, source, dirs_exist_ok=True)
        bring(self._around.objects, settings.submit_directory, spec.channels, source)
        return Script(source, settings, script_mode.command(settings, source))

    def _host(self, job: Job, laying: "Laying", index: int) -> dict[str, Any]:
        """One host's part of the plan; its folders are made."""
        spec, name = laying.spec, laying.spec.hosts[index]
        place = laying.folder.host(name)
        layout = Layout(place / "ml")
        layout.create()
        inputs = input_data_config(spec.channels, spec.input_mode)
        resources = laying.cluster.resource_config(name)
        write_config(layout, spec.hyperparameters, inputs, resources)
        mounts: list[MountRow] = [(place / "ml", ROOT, Access.READ_WRITE)]
        if laying.script is not None:
            mounts.append((laying.script.source, script_mode.CODE_DIRECTORY, Access.COPY_ON_WRITE))
        pipes = []
        for channel in spec.channels:
            folder = place / "channels" / channel["ChannelName"]
            if channel.get("InputMode", spec.input_mode) == "Pipe":
                pipes.append(pipe_channel(self._around.objects, channel, folder, index, len(spec.hosts)))
                continue
            link_channel(self._around.objects, Source.of_channel(channel), folder, index, len(spec.hosts))
            mounts.append((folder, f"{ROOT}/input/data/{channel['ChannelName']}", Access.COPY_ON_WRITE))
        if spec.checkpoint_uri:
            write_checkpoint_config(layout, spec.checkpoint_uri, spec.checkpoint_path)
            mounts += self._restore(job, spec, place, layout, first=index == 0)
        variables = self._variables(laying, index, inputs, resources)
        plan = self._around.host_plan(job, spec, laying.folder, index, mounts, variables)
        plan["pipes"] = pipes
        if laying.script is not None:
            gpus = gpus_of_host(job, index, len(spec.hosts))
            plan["argv"] = list(laying.distribution.argv(name, laying.script.command, len(gpus) or 1))
        equip(plan, laying.distribution, laying.folder, place / "channels")
        return plan

    def _restore(self, job: Job, spec: JobSpec, place: Path, layout: Layout, *, first: bool) -> list[MountRow]:
        """Checkpoints are restored on every host, and kept from the first."""
        try:
            folder = layout.at(spec.checkpoint_path)
            mounts = []
        except ValueError:
            folder = place / "checkpoints"
            mounts = [(folder, spec.checkpoint_path, Access.READ_WRITE)]
        known = restore(self._around.objects, spec.checkpoint_uri, folder)
        if first:
            self._checkpoints[job.id] = known
        return mounts

    def _variables(self, laying: "Laying", index: int, inputs: Any, resources: Any) -> dict[str, str]:
        spec, script = laying.spec, laying.script
        facts = Facts(
            job_name=spec.name,
            job_arn=spec.arn,
            region=spec.region,
            resources=resources,
            inputs=inputs,
            hyperparameters=script.settings.hyperparameters if script else dict(spec.hyperparameters),
            cpus=os.cpu_count() or 1,
            gpus=len(gpus_of_host(laying.job, index, len(spec.hosts))),
            script=script.settings if script else None,
            framework_module=f"sagemaker_{runtime_for(spec.image).name}_container.training:main",
        )
        spread = laying.distribution.variables(spec.hosts[index], resources["network_interface_name"])
        own = {**training_variables(facts), **spread, **spec.environment}
        return self._around.variables(laying.connection, own, script_mode.CODE_DIRECTORY if script else "")

    # -- publishing

    def _publish(self, folder: JobFolder, name: str, uri: str) -> str | None:
        """Store an artifact: an archive as NAME.tar.gz, or a folder as the objects NAME/...; where it is then, or None.

        What is on disk stays until the job's row says that it has ended: this may be repeated.
        """
        made, archive = folder.artifacts / name, folder.artifacts / f"{name}.tar.gz"
        if archive.exists():
            self._around.put(folder, archive, join_s3_uri(uri, archive.name))
            return join_s3_uri(uri, archive.name)
        if not made.is_dir():
            return None
        for member, path in members([made]):
            if path.is_file():
                self._around.put(folder, path, join_s3_uri(uri, name, member))
        return join_s3_uri(uri, name) + "/"

    def _sync_checkpoints(self, job: Job, spec: JobSpec, folder: JobFolder, *, final: bool) -> None:
        if not spec.checkpoint_uri:
            return
        place = folder.host(spec.hosts[0])
        try:
            source = Layout(place / "ml").at(spec.checkpoint_path)
        except ValueError:
            source = place / "checkpoints"
        known = self._checkpoints.get(job.id, {})
        try:
            self._checkpoints[job.id] = sync(self._around.objects, source, spec.checkpoint_uri, known, final=final)
        except NotFound as error:
            if final:
                uri = spec.checkpoint_uri
                raise Invalid(f"ClientError: Checkpoint upload failed: {uri}: {error.message}") from None

    def _keep_metrics(self, job: Job, spec: JobSpec, folder: JobFolder) -> int:
        """Store the metric values that are new; how many there are in all."""
        values = read_json_lines(folder.metrics)
        kept = self._metric_counts.get(job.id, job.progress.get("metrics_kept", 0))
        series: dict[str, list[Sample]] = {}
        for value in values[kept:]:
            series.setdefault(value["name"], []).append(Sample.value(value["time"], value["value"]))
        if series:
            dimensions = {"TrainingJobName": spec.name}
            self._around.metrics.put_all(
                [(Metric(spec.region, NAMESPACE, name, dimensions), samples) for name, samples in series.items()]
            )
        self._metric_counts[job.id] = len(values)
        return len(values)


def _distribution(job: str, spec: JobSpec, script: Script | None, cluster: Cluster) -> Distribution:
    framework = runtime_for(spec.image).name
    if script is None:
        return of_entry_point(framework, spec.hosts, job)
    hosts = cluster.members(script.settings.framework.get(GROUPS))
    return distribution(framework, script.settings, script.command, hosts, job)


def _seconds_left(job: Job, spec: JobSpec) -> float:
    """How long the job may still run: what is left of its time to run, and, for a spot job, of its time to wait."""
    limits = []
    if spec.max_runtime:
        limits.append(spec.max_runtime - job.progress.get("ran", 0.0))
    if spec.max_wait:
        limits.append(job.created + spec.max_wait - clock.now())
    return max(0.1, min(limits)) if limits else 0.0


def _last_values(folder: JobFolder) -> list[dict[str, Any]]:
    """The last value of each metric, in the order in which they first came."""
    last: dict[str, dict[str, Any]] = {}
    for value in read_json_lines(folder.metrics):
        last[value["name"]] = value
    return list(last.values())
