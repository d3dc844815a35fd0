"""The SDKs' local mode without Docker: runs what a ``docker-compose.yaml`` of theirs describes, in our sandboxes.

    python -m selfmaker.jobs.local_mode -f FOLDER/docker-compose.yaml up ...

Under ``selfmaker run``, where no Docker is, the SDK is given this in the place of ``docker compose`` (see
``client/site/_selfmaker/local_mode.py``, which also writes the same document as JSON beside the file). A service is a
host of a job: its image is an environment, its volumes are mounts, and the command ``train`` is what the image's
toolkit would do. What the hosts print goes to standard output, a line at a time; the exit code is the first that is
not 0.
"""

import json
import os
import shutil
import signal
import sys
import tarfile
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import botocore.session

from selfmaker.client.environment import Connection, job_environment
from selfmaker.contract import script_mode
from selfmaker.contract.artifacts import unpack
from selfmaker.contract.config import Cluster
from selfmaker.contract.distribution import Distribution, distribution, of_entry_point
from selfmaker.contract.variables import Facts, training_variables
from selfmaker.errors import Invalid, SelfmakerError
from selfmaker.executors.protocol import Access, RunHandle
from selfmaker.jobs import run_plan
from selfmaker.jobs.company import equip
from selfmaker.jobs.folder import JobFolder
from selfmaker.jobs.local_endpoint import LocalEndpoint
from selfmaker.jobs.local_service import Service
from selfmaker.jobs.surroundings import BASE_VARIABLES, COMMON_MOUNTS, SITE_IN_JOB
from selfmaker.runtimes.catalog import runtime_for, use_images
from selfmaker.settings import Settings, inherited_environment, load

_OURS = ("SELFMAKER_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")


@dataclass(frozen=True)
class Script:
    """What the toolkit of the image would run."""

    source: Path
    settings: script_mode.ScriptSettings
    command: script_mode.ScriptCommand


class LocalJob:
    """All services of one document. ``folder`` is for what the run needs beside them."""

    def __init__(self, services: Sequence[Service], folder: Path) -> None:
        self._services = services
        self._folder = JobFolder(folder)
        self._settings: Settings = load()
        self._own = inherited_environment(_OURS)
        self._handles: dict[str, RunHandle] = {}
        self._codes: dict[str, int] = {}

    def run(self) -> int:
        """Raises SelfmakerError."""
        if self._services[0].command == "serve":
            return LocalEndpoint(self._services[0], self._folder.path, self._settings, self._own).run()
        use_images(self._settings.home / "images")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _frame: self._signal(number))
        runs = run_plan.load(self._plan(), self._say)
        threads = []
        for host, spec in runs:
            read, write = os.pipe()
            self._handles[host] = run_plan.executor(self._settings.sandbox).start(spec, write)
            os.close(write)
            threads.append(threading.Thread(target=self._follow, args=(host, read)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return next((code for code in self._codes.values() if code), 0)

    def _follow(self, host: str, read: int) -> None:
        with os.fdopen(read, "r", errors="replace") as lines:
            for line in lines:
                sys.stdout.write(f"{host}  | {line}")
                sys.stdout.flush()
        ended = self._handles[host].wait()
        self._codes[host] = ended.code if ended is not None else 1
        if ended is not None and ended.launch_error:
            self._say(ended.launch_error)
        if self._codes[host]:
            self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        for host, handle in self._handles.items():
            if host not in self._codes:
                handle.signal(number)

    def _say(self, line: str) -> None:
        print(line, flush=True)

    # -- the plan

    def _plan(self) -> dict[str, Any]:
        first = self._services[0]
        script = self._script(first) if not first.entrypoint else None
        hosts, framework = tuple(service.name for service in self._services), runtime_for(first.image).name
        job = str(self._folder.path)
        spread = of_entry_point(framework, hosts, job)
        if script is not None:
            spread = distribution(framework, script.settings, script.command, hosts, job)
        return {
            "image": first.image,
            "environments": str(self._settings.environments),
            "images": str(self._settings.home / "images"),
            "source": str(script.source) if script else None,
            "installs": script.command.installs if script else False,
            "argv": list(script.command.argv) if script else list(first.entrypoint) or None,
            "directory": script_mode.CODE_DIRECTORY if script else "/",
            "sandbox": self._settings.sandbox,
            "hosts": [self._host(index, script, spread) for index in range(len(self._services))],
            "hidden": [str(self._settings.home)],
            "network": True,
        }

    def _host(self, index: int, script: Script | None, spread: Distribution) -> dict[str, Any]:
        service = self._services[index]
        scratch = self._folder.path / "hosts" / service.name
        scratch.mkdir(parents=True)
        for source, _ in service.volumes:
            if not source.exists():  # as Docker does
                source.mkdir(parents=True)
        mounts = [[str(source), target, Access.READ_WRITE.value] for source, target in service.volumes]
        mounts += [[str(source), target, access.value] for source, target, access in COMMON_MOUNTS]
        if script is not None and service.path(script_mode.CODE_DIRECTORY) is None:
            mounts.append([str(script.source), script_mode.CODE_DIRECTORY, Access.COPY_ON_WRITE.value])
        plan: dict[str, Any] = {
            "name": service.name,
            "address": f"127.0.0.{index + 1}",
            "scratch": str(scratch),
            "mounts": mounts,
            "variables": self._variables(service, script, spread),
        }
        if script is not None:
            plan["argv"] = list(spread.argv(service.name, script.command, 1))
        equip(plan, spread, self._folder, service.path("/opt/ml/input/data") or scratch)
        return plan

    def _variables(self, service: Service, script: Script | None, spread: Distribution) -> dict[str, str]:
        own = dict(BASE_VARIABLES)
        if script is not None:
            hosts = tuple(service.name for service in self._services)
            facts = Facts(
                job_name=service.environment.get("TRAINING_JOB_NAME", "local"),
                job_arn="",
                region=self._own.get("AWS_REGION", self._settings.region),
                resources=Cluster(hosts, "local").resource_config(service.name),
                inputs=service.config("inputdataconfig.json"),
                hyperparameters=script.settings.hyperparameters,
                cpus=os.cpu_count() or 1,
                gpus=0,
                script=script.settings,
                framework_module=f"sagemaker_{runtime_for(service.image).name}_container.training:main",
            )
            own |= training_variables(facts)
            own["PYTHONPATH"] = script_mode.CODE_DIRECTORY
        own |= spread.variables(service.name, "lo")
        return job_environment(self._connection(), SITE_IN_JOB, {**own, **service.environment})

    def _connection(self) -> Connection:
        own = self._own
        region = own.get("AWS_REGION", self._settings.region)
        keys = (own.get("AWS_ACCESS_KEY_ID", ""), own.get("AWS_SECRET_ACCESS_KEY", ""))
        return Connection(own.get("SELFMAKER_ENDPOINT_URL", ""), *keys, region, self._settings.account)

    def _script(self, service: Service) -> Script | None:
        """None where the image's own algorithm is to run."""
        hyperparameters = service.config("hyperparameters.json")
        settings = script_mode.settings(hyperparameters, service.environment)
        if settings is None:
            return None
        source = service.path(script_mode.CODE_DIRECTORY)
        if settings.submit_directory.startswith("s3://"):
            source = self._download(settings.submit_directory)
        if source is None:
            raise Invalid(f"the source directory {settings.submit_directory} is not there")
        return Script(source, settings, script_mode.command(settings, source))

    def _download(self, uri: str) -> Path:
        """An archive in S3, unpacked."""
        place = urlsplit(uri)
        target = self._folder.path / "source"
        target.mkdir(parents=True)
        archive = self._folder.path / "source.tar.gz"
        client = botocore.session.get_session().create_client("s3", endpoint_url=self._own["SELFMAKER_ENDPOINT_URL"])
        body = client.get_object(Bucket=place.netloc, Key=place.path.lstrip("/"))["Body"]
        with archive.open("wb") as file:
            shutil.copyfileobj(body, file)
        if not tarfile.is_tarfile(archive):
            raise Invalid(f"{uri} is no archive")
        unpack(archive, target, uri)
        return target


def main(arguments: Sequence[str]) -> int:
    """The exit code, as docker compose has it."""
    if "-f" not in arguments[:-1]:
        print("usage: -f FOLDER/docker-compose.yaml up", file=sys.stderr)
        return 2
    document = json.loads(Path(arguments[arguments.index("-f") + 1]).with_suffix(".json").read_text())
    services = [Service.of(name, service) for name, service in document["services"].items()]
    with tempfile.TemporaryDirectory(prefix="selfmaker-local-", ignore_cleanup_errors=True) as folder:
        try:
            return LocalJob(services, Path(folder)).run()
        except SelfmakerError as error:
            print(f"selfmaker: {error.message}", flush=True)
            return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
