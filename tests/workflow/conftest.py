"""Executions on a database of their own, with jobs that end when the test says so."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name

from selfmaker import clock
from selfmaker.errors import NotFound
from selfmaker.store.database import Database
from selfmaker.store.executions import Execution, ExecutionTable, StepRow, add_version
from selfmaker.store.migrate import bring_up_to_date
from selfmaker.workflow import engine
from selfmaker.workflow.engine import Executions
from selfmaker.workflow.port import CallError

REGION = "eu-west-1"
PIPELINE = f"arn:aws:sagemaker:{REGION}:123456789012:pipeline/p"


class Jobs:
    """A port whose processing jobs run until ``end``. ``refuse`` makes creations fail; ``calls`` counts operations."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.calls: Counter[str] = Counter()
        self.requests: list[tuple[str, Mapping[str, Any]]] = []
        self.objects: dict[str, bytes] = {}
        self.refusals: list[CallError] = []
        self.ended: Callable[[str, str, str], None] = lambda region, noun, name: None
        self.gate = threading.Event()  # creations wait for it
        self.gate.set()
        self.lock = threading.Lock()

    def call(self, service: str, operation: str, request: Mapping[str, Any], region: str) -> dict[str, Any]:
        self.calls[operation] += 1
        self.requests.append((operation, request))
        answer: dict[str, Any] = getattr(self, xform_name(operation), self._unknown)(request)
        return answer

    def read(self, uri: str) -> bytes:
        try:
            return self.objects[uri]
        except KeyError:
            raise NotFound(uri) from None

    def write(self, uri: str, data: bytes) -> None:
        self.objects[uri] = data

    def below(self, uri: str) -> list[str]:
        return [name for name in self.objects if name.startswith(uri)]

    def delete(self, uri: str) -> None:
        self.objects.pop(uri, None)

    def end(self, step: str, status: str = "Completed", **members: Any) -> None:
        """The newest job of a step ends."""
        name = self.name(step)
        self.jobs[name] |= {"ProcessingJobStatus": status, **members}
        self.ended(REGION, "ProcessingJob", name)

    def name(self, step: str) -> str:
        return [name for name in self.jobs if f"-{step}-" in name][-1]

    def steps(self) -> list[str]:
        """The steps whose jobs have been made, in order."""
        return [name.split("-")[2] for name in self.jobs]

    def create_processing_job(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self.gate.wait(30)
        with self.lock:
            if self.refusals:
                raise self.refusals.pop(0)
            name = request["ProcessingJobName"]
            if name in self.jobs:
                raise CallError("sagemaker:CreateProcessingJob", "ResourceInUse", "the name is taken")
            arn = f"arn:aws:sagemaker:{REGION}:123456789012:processing-job/{name}"
            self.jobs[name] = {**request, "ProcessingJobArn": arn, "ProcessingJobStatus": "InProgress"}
            return {"ProcessingJobArn": arn}

    def describe_processing_job(self, request: Mapping[str, Any]) -> dict[str, Any]:
        job = self.jobs.get(request["ProcessingJobName"])
        if job is None:
            raise CallError("sagemaker:DescribeProcessingJob", "ValidationException", "not found")
        return dict(job)

    def stop_processing_job(self, request: Mapping[str, Any]) -> dict[str, Any]:
        name = request["ProcessingJobName"]
        self.jobs[name]["ProcessingJobStatus"] = "Stopped"
        self.ended(REGION, "ProcessingJob", name)
        return {}

    def send_message(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return {}

    def _unknown(self, request: Mapping[str, Any]) -> dict[str, Any]:
        raise CallError("sagemaker:Nothing", "NotImplemented", "not answered", 501)


class Bench:
    """A table, an engine upon it, and jobs."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(f"sqlite:///{folder / 'test.sqlite3'}")
        bring_up_to_date(self.database)
        self.table = ExecutionTable(self.database)
        self.jobs = Jobs()
        self.engines: list[Executions] = []
        self.count = 0
        self.restart()

    @property
    def engine(self) -> Executions:
        return self.engines[-1]

    def restart(self) -> None:
        """Another server on the same rows; what the one before was doing is forgotten, as by ``kill -9``."""
        if self.engines:
            self.engine._closed = True  # it does nothing more
        self.engines.append(Executions(self.table))
        self.jobs.ended = self.engine.job_ended
        self.engine.start(self.jobs)

    def begin(self, *steps: Mapping[str, Any], token: str = "", **document: Any) -> str:
        """Start an execution of a new version with these steps; returns its id."""
        members = document.pop("definition", {})
        definition = {"Version": "2020-12-01", "Steps": list(steps), **members}
        number = self.database.write(lambda c: add_version(c, PIPELINE, json.dumps(definition), {}))
        self.count += 1
        name, now = f"e{self.count:011}", clock.now()
        base = {"parameters": {}, "pipeline_name": "p", "role": "arn:aws:iam::123456789012:role/r", "tags": {}}
        arn = f"{PIPELINE}/execution/{name}"
        row = Execution(name, REGION, PIPELINE, arn, token or name, number, "Executing", now, now, {**base, **document})
        return self.engine.begin(row).id

    def close(self) -> None:
        self.jobs.gate.set()
        for each in self.engines:
            each.close()
        self.database.close()

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.005)

    def ended(self, execution: str) -> str:
        """The status in which it ends."""
        self.until(lambda: self.table.get(execution).status not in ("Executing", "Stopping"))
        return self.table.get(execution).status

    def rows(self, execution: str) -> dict[str, StepRow]:
        return {row.name: row for row in self.table.steps(execution)}

    def statuses(self, execution: str) -> dict[str, str]:
        return {name: row.status for name, row in self.rows(execution).items()}

    def run(self, execution: str) -> str:
        """Let every job end well as soon as it is there."""

        def over() -> bool:
            for name, job in list(self.jobs.jobs.items()):
                if job["ProcessingJobStatus"] == "InProgress":
                    job["ProcessingJobStatus"] = "Completed"
                    self.engine.job_ended(REGION, "ProcessingJob", name)
            return self.table.get(execution).status not in ("Executing", "Stopping")

        self.until(over)
        return self.table.get(execution).status


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(engine, "DOUBT", 3600)  # ends are told, not found
    made = Bench(tmp_path)
    yield made
    made.close()


def processing(name: str, *needs: str, **members: Any) -> dict[str, Any]:
    arguments = members.pop("arguments", {"AppSpecification": {"ImageUri": "i"}})
    return {"Name": name, "Type": "Processing", "Arguments": arguments, "DependsOn": list(needs), **members}


@pytest.fixture(name="step")
def step_fixture() -> Callable[..., dict[str, Any]]:
    """``step(name, *needs, **members)``: a Processing step."""
    return processing
