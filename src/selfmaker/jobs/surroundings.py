"""What the kinds of jobs share: the parts of the server that they use, and what every job is given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection as Transaction

from selfmaker import ids
from selfmaker.client.environment import SITE, Connection, job_environment
from selfmaker.errors import Invalid, NotFound
from selfmaker.executors.protocol import Access
from selfmaker.jobs import named_places, states
from selfmaker.jobs.folder import JobFolder
from selfmaker.jobs.gpus import gpus_of
from selfmaker.jobs.spec import JobSpec
from selfmaker.objects.store import ObjectStore
from selfmaker.objects.uri import parse_s3_uri
from selfmaker.settings import Settings, inherited_environment
from selfmaker.store.credentials import Credentials
from selfmaker.store.jobs import Job, JobTable
from selfmaker.store.log_streams import LogStreams
from selfmaker.store.metrics import Metrics

SITE_IN_JOB = "/opt/selfmaker/site"

INHERITED = (
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
)
INHERITED_PREFIXES = ("PIP_", "UV_INDEX", "UV_DEFAULT_INDEX")

BASE_VARIABLES = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "OMP_WAIT_POLICY": "PASSIVE",  # jobs share the cores: threads that spin for work take it from others
    "PYTHONUNBUFFERED": "1",
}

MountRow = tuple[Path, str, Access]

COMMON_MOUNTS: tuple[MountRow, ...] = ((SITE, SITE_IN_JOB, Access.READ_ONLY),)


@dataclass(frozen=True)
class Surroundings:
    """The parts of the server that jobs use. ``endpoint`` tells where jobs reach the server."""

    settings: Settings
    objects: ObjectStore
    logs: LogStreams
    metrics: Metrics
    credentials: Credentials
    endpoint: Callable[[], str]

    def connection(self, job: Job) -> Connection:
        """How the job reaches the server, with credentials of its own."""
        owned = self.credentials.owned(job.arn)
        access_key, secret = owned[0] if owned else self.credentials.create(job.arn)
        return Connection(self.endpoint(), access_key, secret, job.region, self.settings.account)

    def revoke_at_the_end(self, table: JobTable) -> None:
        """Have the credentials of each job revoked in the transaction that ends it, however it ends."""

        def revoke(transaction: Transaction, job: Job) -> None:
            if job.state in states.FINAL:
                self.credentials.revoke(transaction, job.arn)

        def forget(job: Job) -> None:
            if job.state in states.FINAL:
                self.credentials.forget(job.arn)

        table.record(revoke)
        table.watch(forget)

    def variables(self, connection: Connection, own: Mapping[str, str], code: str = "") -> dict[str, str]:
        """A host's environment: what every job gets, with ``own`` on top. ``code``: a folder to import from first."""
        given = {**inherited_environment(INHERITED, INHERITED_PREFIXES), **BASE_VARIABLES, **own}
        given["PYTHONPATH"] = ":".join(path for path in (code, own.get("PYTHONPATH", "")) if path)
        return job_environment(connection, SITE_IN_JOB, given)

    def host_plan(
        self, job: Job, spec: JobSpec, folder: JobFolder, index: int, mounts: list[MountRow], variables: dict[str, str]
    ) -> dict[str, Any]:
        """One host's entry in the plan (see ``run_plan``); its log stream is made known."""
        name = spec.hosts[index]
        gpus = gpus_of_host(job, index, len(spec.hosts))
        wanted = gpus_of(spec.instance_type)
        remarks = []
        if len(gpus) < wanted:
            have = f"{len(gpus)} of its {wanted} GPUs" if gpus else "no GPU: this machine has none, the CPU is used"
            remarks.append(f"selfmaker: instance type {spec.instance_type}: the job gets {have}")
        scratch = folder.host(name) / "scratch"
        scratch.mkdir(parents=True)
        stream = f"{spec.name}/{name}-{int(job.created)}"
        named = named_places.mounts(inherited_environment(INHERITED, INHERITED_PREFIXES))
        every = (*COMMON_MOUNTS, *named, *mounts)
        self.logs.register(spec.region, spec.log_group, stream, folder.log(name), int(job.created * 1000))
        return {
            "name": name,
            "address": f"127.0.0.{index + 1}",
            "scratch": str(scratch),
            "mounts": [[str(source), target, access.value] for source, target, access in every],
            "variables": {**variables, "CUDA_VISIBLE_DEVICES": ",".join(map(str, gpus))},
            "remarks": remarks,
        }

    def plan(self, spec: JobSpec, hosts: list[dict[str, Any]], **members: Any) -> dict[str, Any]:
        """A plan with what is the same for every kind; ``members`` are the kind's own (see ``run_plan``)."""
        return {
            "image": spec.image,
            "environments": str(self.settings.environments),
            "images": str(self.settings.home / "images"),
            "source": None,
            "command": None,
            "sandbox": self.settings.sandbox,
            "hosts": hosts,
            "hidden": [str(self.settings.home)],
            "network": spec.network,
            "max_runtime": spec.max_runtime,
            "grace": self.settings.stop_grace_seconds,
            "metric_definitions": [list(pair) for pair in spec.metric_definitions],
            "compressed": spec.compressed,
            **members,
        }

    def put(self, folder: JobFolder, path: Path, uri: str) -> None:
        """Store a file of the job's by a second name of it, which the store takes over: it may be stored again.

        That name is not beside the file: a server that is killed leaves it, and the next publishes all that is there.
        """
        bucket, key = parse_s3_uri(uri)
        second = folder.path / "hosts" / f".{ids.unique_id()}"
        second.hardlink_to(path)
        try:
            self.objects.put_file(bucket, key, second, move=True)
        except NotFound as error:
            raise Invalid(f"ClientError: Artifact upload failed: {uri}: {error.message}") from None
        finally:
            second.unlink(missing_ok=True)


def gpus_of_host(job: Job, index: int, hosts: int) -> list[int]:
    """Those of the job's GPUs that host number ``index`` gets."""
    gpus: list[int] = job.progress.get("gpus", [])
    return gpus[index * len(gpus) // hosts : (index + 1) * len(gpus) // hosts]
