"""Transform jobs, as a kind of job: inputs linked, the model laid out, outputs put into the object store."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from selfmaker.client.environment import SITE, job_environment
from selfmaker.contract.channels import Source, link, named
from selfmaker.contract.layout import Layout
from selfmaker.errors import Invalid
from selfmaker.jobs import outcome
from selfmaker.jobs.folder import JobFolder
from selfmaker.jobs.spec import JobSpec
from selfmaker.jobs.surroundings import SITE_IN_JOB, Surroundings
from selfmaker.objects.uri import join_s3_uri
from selfmaker.runtimes.environments import Environments
from selfmaker.serving.capacity import WORKERS, vcpus
from selfmaker.serving.model_files import ModelFiles
from selfmaker.serving.preparation import Around, Preparation, container_variables
from selfmaker.serving.spec import ModelSpec
from selfmaker.store.jobs import Job
from selfmaker.transform.data_processing import Filters
from selfmaker.transform.execution_parameters import left_open
from selfmaker.transform.host_plan import Container, HostPlan, InputObject, Sending
from selfmaker.transform.splitting import MEGABYTE, MULTI_RECORD, NONE, SINGLE_RECORD, TOGETHER

DEFAULT_PAYLOAD_MB = 6
DEFAULT_TIMEOUT, DEFAULT_RETRIES = 600, 3
_PUBLISHERS = 8  # outputs stored at a time: small objects share their flushes
_AT_A_WORKER = 2  # requests, where the job does not say how many: the second is there when the first is answered
PATIENCE = 1800.0  # seconds for a model to load: as long as AWS goes on asking /ping

_PLAN = "transform.json"
_SOURCE = Path(__file__).resolve().parents[2]
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; "
    "from selfmaker.transform.host import main; sys.exit(main(Path(sys.argv[2])))"
)


@dataclass(frozen=True)
class _Laying:
    """What is laid out for all hosts; ``objects`` by host."""

    job: Job
    spec: JobSpec
    folder: JobFolder
    containers: tuple[Container, ...]
    objects: Mapping[str, Sequence[InputObject]]


class TransformKind:
    """See JobKind."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._around = surroundings

    def prepare(self, job: Job, folder: JobFolder) -> None:
        spec = JobSpec.from_json(job.spec)
        containers = self._containers(job, spec, folder)
        linked: dict[str, list[InputObject]] = {name: [] for name in spec.hosts}
        for index, (bucket, stored, relative) in enumerate(named(self._around.objects, _source(job.document))):
            host = spec.hosts[index % len(spec.hosts)]
            place = folder.host(host) / "inputs" / str(len(linked[host]))
            place.parent.mkdir(parents=True, exist_ok=True)
            link(self._around.objects, bucket, stored, place)
            if place.exists():  # else it was deleted since it was listed
                linked[host].append(InputObject(relative, f"{bucket}/{stored.key}", str(place)))
        laying = _Laying(job, spec, folder, containers, linked)
        hosts = [self._host(laying, index) for index in range(len(spec.hosts))]
        folder.write_plan(
            self._around.plan(spec, hosts, image=None, sandbox="none", directory="/", kind=outcome.TRANSFORM)
        )

    def tick(self, job: Job, folder: JobFolder) -> None:
        """Nothing is stored before the end."""

    def interrupted(self, job: Job, folder: JobFolder) -> None:
        """There are no spot transform jobs."""

    def publish(self, job: Job, folder: JobFolder, ended: Mapping[str, Any]) -> dict[str, Any]:
        """The outputs of the objects that succeeded, also where others failed; of a stopped job none."""
        spec = JobSpec.from_json(job.spec)
        if ended["outcome"] in ("completed", "failed"):
            made = list(_outputs(spec, folder))
            with ThreadPoolExecutor(_PUBLISHERS, thread_name_prefix="selfmaker-publish") as threads:
                list(threads.map(lambda one: self._put(folder, spec, one), made))
            if made:
                self._capture(job, folder, spec, [given for given, _ in made])
        return {}

    def _put(self, folder: JobFolder, spec: JobSpec, made: tuple[InputObject, Path]) -> None:
        given, path = made
        self._around.put(folder, path, join_s3_uri(spec.output, _name(given)))

    # -- laying out

    def _containers(self, job: Job, spec: JobSpec, folder: JobFolder) -> tuple[Container, ...]:
        """The model's containers, with their files in the job's folder: an endpoint's would go with the server."""
        files = ModelFiles(self._around.objects, folder.path / "hosts" / "models")
        around = Around(lambda region: {}, (), ())
        preparation = Preparation(Environments(self._around.settings.environments), files, around)
        ours = job_environment(self._around.connection(job), SITE_IN_JOB, _batch_variables(job.document))
        containers = []
        for model in (ModelSpec.from_json(model) for model in spec.models):
            told = replace(model, environment={**model.environment, **spec.environment})
            try:
                laid = preparation.lay_out(told, {})
            except Invalid as error:
                raise Invalid(f"ClientError: {error.message}") from error
            containers.append(
                Container(
                    image=model.image,
                    model=_text(laid.model),
                    code=_text(laid.code),
                    code_dir=laid.code_dir,
                    program=laid.program,
                    requirements=_text(laid.requirements),
                    variables=container_variables(ours, told.environment),
                    mounts=((str(SITE), SITE_IN_JOB), *((str(m.source), m.target) for m in laid.additional)),
                    network=model.network,
                )
            )
        return tuple(containers)

    def _host(self, laying: "_Laying", index: int) -> dict[str, Any]:
        job, spec, folder = laying.job, laying.spec, laying.folder
        name = spec.hosts[index]
        place = folder.host(name)
        planned = self._around.host_plan(job, spec, folder, index, [], {})
        devices = {"CUDA_VISIBLE_DEVICES": planned["variables"]["CUDA_VISIBLE_DEVICES"]}
        stream = f"{spec.name}/{name}-{int(job.created)}/data-log"
        data_log = folder.logs / f"{name}.data.log"
        self._around.logs.register(spec.region, spec.log_group, stream, data_log, int(job.created * 1000))
        settings = self._around.settings
        workers = _workers(spec, settings.slots)
        given = sending(job.document, workers)
        most = requests_at_most(given, [Path(one.path).stat().st_size for one in laying.objects[name]])
        plan = HostPlan(
            containers=tuple(replace(c, variables={**devices, **c.variables}) for c in laying.containers),
            objects=tuple(laying.objects[name]),
            sending=given,
            workers=min(workers, job.document.get("MaxConcurrentTransforms") or workers, most or workers),
            patience=PATIENCE,
            environments=str(settings.environments),
            images=str(settings.home / "images"),
            sandbox=settings.sandbox,
            hidden=(str(settings.home),),
            outputs=str(place / "outputs"),
            runs=str(place / "runs"),
            failure=str(Layout(place / "ml").failure),
            log=str(folder.log(name)),
            data_log=str(data_log),
            asks=left_open(job.document),
        )
        for made in (plan.outputs, plan.runs):
            Path(made).mkdir(parents=True)
        plan.write(place / _PLAN)
        planned["argv"] = [sys.executable, "-I", "-c", _PROGRAM, str(_SOURCE), str(place / _PLAN)]
        return planned

    # -- data capture

    def _capture(self, job: Job, folder: JobFolder, spec: JobSpec, stored: list[InputObject]) -> None:
        """Manifests of the inputs and of the outputs, below the hour of the capture."""
        config = job.document.get("DataCaptureConfig")
        if config is None:
            return
        hour = datetime.fromtimestamp(job.created, timezone.utc).strftime("%Y/%m/%d/%H")
        prefix = stored[0].title.removesuffix(stored[0].name)
        folder.artifacts.mkdir(exist_ok=True)
        for side, base, names in (
            ("input", f"s3://{prefix}", [given.name for given in stored]),
            ("output", spec.output.rstrip("/") + "/", [_name(given) for given in stored]),
        ):
            manifest = folder.artifacts / f"{side}.json"
            manifest.write_text(json.dumps([{"prefix": base}, *names]))
            self._around.put(folder, manifest, join_s3_uri(config["DestinationS3Uri"], side, hour, f"{spec.name}.json"))


def sending(document: Mapping[str, Any], workers: int) -> Sending:
    """How the data goes to the model, from a CreateTransformJob request."""
    given, output = document["TransformInput"], document["TransformOutput"]
    concurrency = document.get("MaxConcurrentTransforms") or _AT_A_WORKER * workers
    client, processing = document.get("ModelClientConfig", {}), document.get("DataProcessing", {})
    return Sending(
        content_type=given.get("ContentType", ""),
        accept=output.get("Accept", ""),
        split_type=given.get("SplitType", NONE),
        strategy=document.get("BatchStrategy", MULTI_RECORD),
        assemble_with=output.get("AssembleWith", NONE),
        gzip=given.get("CompressionType", NONE) == "Gzip",
        limit=document.get("MaxPayloadInMB", DEFAULT_PAYLOAD_MB) * MEGABYTE,
        concurrency=concurrency,
        timeout=client.get("InvocationsTimeoutInSeconds", DEFAULT_TIMEOUT) * max(1, concurrency // workers),
        retries=client.get("InvocationsMaxRetries", DEFAULT_RETRIES),
        filters=Filters(
            input_filter=processing.get("InputFilter") or "$",
            output_filter=processing.get("OutputFilter") or "$",
            join_source=processing.get("JoinSource", NONE),
            inference_id=document.get("DataCaptureConfig", {}).get("GenerateInferenceId", False),
        ),
    )


def requests_at_most(given: Sending, sizes: Sequence[int]) -> int | None:
    """How many requests so large objects can become at a time, about: none of more workers would have anything to do.
    None: nobody knows."""
    if given.split_type == NONE:
        return max(1, len(sizes))
    if given.strategy == SINGLE_RECORD or given.gzip:
        return None
    return max(1, sum(-(-size // (given.limit or TOGETHER)) for size in sizes))


def _batch_variables(document: Mapping[str, Any]) -> dict[str, str]:
    """What tells a container that it serves a transform job; the last three only where the request has them."""
    variables = {"SAGEMAKER_BATCH": "true"}
    if "MaxPayloadInMB" in document:
        variables["SAGEMAKER_MAX_PAYLOAD_IN_MB"] = str(document["MaxPayloadInMB"])
    if "BatchStrategy" in document:
        single = document["BatchStrategy"] == SINGLE_RECORD
        variables["SAGEMAKER_BATCH_STRATEGY"] = "SINGLE_RECORD" if single else "MULTI_RECORD"
    if document.get("MaxConcurrentTransforms"):
        variables["SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"] = str(document["MaxConcurrentTransforms"])
    return variables


def _workers(spec: JobSpec, cores: int) -> int:
    """How many a host gets: as many as its container asks for, else one for each virtual CPU, if there are cores."""
    asked = spec.environment.get(WORKERS) or spec.models[0].get("environment", {}).get(WORKERS, "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    return max(1, min(vcpus(spec.instance_type), cores // len(spec.hosts)))


def _source(document: Mapping[str, Any]) -> Source:
    data = document["TransformInput"]["DataSource"]["S3DataSource"]
    return Source(uri=data["S3Uri"], data_type=data["S3DataType"])


def _outputs(spec: JobSpec, folder: JobFolder) -> Iterator[tuple[InputObject, Path]]:
    """Each input whose output is whole, and that."""
    for host in spec.hosts:
        path = folder.host(host) / _PLAN
        if not path.is_file():
            continue
        plan = HostPlan.read(path)
        for number, given in enumerate(plan.objects):
            if plan.output(number).is_file():
                yield given, plan.output(number)


def _name(given: InputObject) -> str:
    """The output's key, relative to the output path."""
    return f"{given.name}.out"


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
