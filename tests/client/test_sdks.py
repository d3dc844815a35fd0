"""Both SageMaker SDKs, unmodified, against a server that only records: identity, telemetry, and each pause they make.

An SDK takes seconds to import, so one process of each does everything, and the tests look at what it wrote down.
In that process ``time.sleep`` doesn't sleep but notes for how long it was asked to.
"""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from client_processes import Recorder, run_hooked

from selfmaker.client.environment import SITE

CACHE = Path(__file__).resolve().parents[2] / ".cache"
SDKS = {version: CACHE / f"sdk-{version}" for version in ("v2", "v3")}
LONGEST_NAP = 1.0

PROGRAM = """
import importlib, json, logging, sys, threading, time, traceback
naps = []
time.sleep = naps.append
seen = {}

def step(name, work):
    naps.clear()
    value = work()
    seen[name] = {"value": value, "naps": list(naps)}

import requests
sent = []
requests.get = lambda *a, **k: sent.append(a)
%(steps)s
clocks = {}
for name in %(modules)r:
    try:
        clocks[name] = type(importlib.import_module(name).time).__name__
    except ImportError as error:  # needs a package that the SDK doesn't bring
        clocks[name] = repr(error)
seen["clocks"] = clocks
print("\\n" + json.dumps(seen))
"""

STEPS = {
    "v2": """
import sagemaker
from sagemaker.telemetry.constants import Feature
from sagemaker.telemetry.telemetry_logging import _telemetry_emitter
from sagemaker.workflow.pipeline import _PipelineExecution

session = sagemaker.Session()

class Thing:
    sagemaker_session = session
    @_telemetry_emitter(feature=Feature.SDK_DEFAULTS_V2, func_name="x")
    def work(self): return "worked"

step("telemetry", lambda: [Thing().work(), sent])
step("account", session.account_id)
step("job", lambda: session.logs_for_job("job", wait=True))
step("endpoint", lambda: session.wait_for_endpoint("e")["EndpointStatus"])
step("pipeline", lambda: _PipelineExecution("arn", session).wait())
""",
    "v3": """
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.resources import Endpoint, TrainingJob
from sagemaker.core.telemetry.constants import Feature
from sagemaker.core.telemetry.telemetry_logging import _telemetry_emitter
from sagemaker.mlops.workflow.pipeline import PipelineExecution

session = Session()

class Thing:
    sagemaker_session = session
    @_telemetry_emitter(feature=Feature.MODEL_TRAINER, func_name="x")
    def work(self): return "worked"

def telemetry():
    before = threading.active_count()
    return [Thing().work(), sent + [t.name for t in threading.enumerate() if "telemetry" in t.name]]

step("telemetry", telemetry)
step("account", session.account_id)
step("job", lambda: TrainingJob.get("job").wait(logs=True))
step("endpoint", lambda: Endpoint.get("e").wait_for_status("InService"))
step("pipeline", lambda: PipelineExecution("arn", session).wait())
""",
}

JOB = {
    "TrainingJobName": "job",
    "TrainingJobArn": "arn:aws:sagemaker:us-west-2:123456789012:training-job/job",
    "ModelArtifacts": {"S3ModelArtifacts": "s3://b/model.tar.gz"},
    "TrainingJobStatus": "InProgress",
    "SecondaryStatus": "Training",
    "SecondaryStatusTransitions": [],
    "AlgorithmSpecification": {"TrainingImage": "i", "TrainingInputMode": "File"},
    "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    "CreationTime": 1.0,
    "LastModifiedTime": 2.0,
    "TrainingTimeInSeconds": 1,
    "BillableTimeInSeconds": 1,
}
ENDPOINT = {
    "EndpointName": "e",
    "EndpointArn": "arn:aws:sagemaker:us-west-2:123456789012:endpoint/e",
    "EndpointConfigName": "c",
    "EndpointStatus": "Creating",
    "CreationTime": 1.0,
    "LastModifiedTime": 1.0,
}
PAGE = {"events": [{"timestamp": 1, "message": "epoch 1"}], "nextForwardToken": "f/1", "nextBackwardToken": "b/1"}
ANSWERS: dict[str, list[dict[str, Any]]] = {
    "DescribeTrainingJob": [JOB, JOB, JOB, {**JOB, "TrainingJobStatus": "Completed", "SecondaryStatus": "Completed"}],
    "DescribeEndpoint": [ENDPOINT, ENDPOINT, {**ENDPOINT, "EndpointStatus": "InService"}],
    "DescribeLogStreams": [{"logStreams": [{"logStreamName": "job/algo-1-1"}]}],
    "GetLogEvents": [PAGE, {**PAGE, "events": []}],
    "DescribePipelineExecution": [{"PipelineExecutionStatus": s} for s in ("Executing", "Executing", "Succeeded")],
}


class Observed:
    """What the process of one SDK wrote down, printed, and asked the server for."""

    def __init__(self, sdk: str, folder: Path) -> None:
        self.sdk = sdk
        self.modules = sorted(set(sleeping_modules(sdk)) & hooked_modules() - {"sagemaker.serve.deployment_progress"})
        recorder = Recorder()
        recorder.answers = {name: list(outputs) for name, outputs in ANSWERS.items()}
        code = PROGRAM % {"steps": STEPS[sdk], "modules": self.modules}
        try:
            self.printed, self.errors = run_hooked(code, SDKS[sdk] / "bin" / "python", recorder, folder)
        finally:
            recorder.close()
        self.asked = recorder.asked
        self.seen: dict[str, Any] = json.loads(self.printed.splitlines()[-1])


@pytest.fixture(params=sorted(SDKS), scope="module")
def sdk(request: pytest.FixtureRequest) -> str:
    version: str = request.param
    if not (SDKS[version] / "bin" / "python").exists():
        pytest.skip(f"{SDKS[version]} is missing; `make setup-sdks` makes it")
    return version


@pytest.fixture(scope="module")
def observed(sdk: str, tmp_path_factory: pytest.TempPathFactory) -> Observed:
    return Observed(sdk, tmp_path_factory.mktemp(sdk))


def test_account_is_asked_here(observed: Observed) -> None:
    """Through the STS client that both SDKs build with an address of Amazon's."""
    assert observed.seen["account"]["value"] == "123456789012"


def test_telemetry_is_off_and_silent(observed: Observed) -> None:
    assert observed.seen["telemetry"]["value"] == ["worked", []]
    assert observed.asked.count("GetCallerIdentity") == 1, "telemetry asks for the account, too"
    assert "Traceback" not in observed.errors


def test_fit_looks_often_and_shows_the_log(observed: Observed) -> None:
    naps = observed.seen["job"]["naps"]
    assert observed.asked.count("DescribeTrainingJob") >= 4
    assert 2 <= len(naps) <= 6
    assert max(naps) <= LONGEST_NAP
    assert "epoch 1" in observed.printed + observed.errors


def test_deploy_looks_often(observed: Observed) -> None:
    assert observed.asked.count("DescribeEndpoint") >= 3
    assert max(observed.seen["endpoint"]["naps"]) <= LONGEST_NAP


def test_a_pipelines_wait_looks_often(observed: Observed) -> None:
    assert observed.asked.count("DescribePipelineExecution") == 3
    assert observed.seen["pipeline"]["naps"] == [0.05, 0.05]


def test_every_hooked_module_takes_its_clock(observed: Observed) -> None:
    clocks = observed.seen["clocks"]
    assert len(clocks) > 5
    assert {name: clock for name, clock in clocks.items() if not clock.endswith("Clock")} == {}


LEFT_ALONE = {
    "v2": {
        "sagemaker.aws_batch.training_queued_job": "AWS Batch is not answered",
        "sagemaker.lambda_helper": "back-offs, bounded in number",
        "sagemaker.local.entities": "local mode: containers of the SDK's own",
        "sagemaker.modules.train.container_drivers.distributed_drivers.mpi_utils": "runs inside jobs",
        "sagemaker.remote_function.runtime_environment.mpi_utils_remote": "runs inside jobs",
        "sagemaker.serve.mode.in_process_mode": "waits for a process, not for us",
        "sagemaker.serve.mode.local_container_mode": "waits for a container, not for us",
        "sagemaker.spark.processing": "waits for a history server in a container",
        "sagemaker.utils": "retries and back-offs, bounded in number",
        "sagemaker_core.tools.templates": "the text of code",
    },
    "v3": {
        "sagemaker.ai_registry.air_hub_entity": "the hub is not answered",
        "sagemaker.core.lambda_helper": "back-offs, bounded in number",
        "sagemaker.core.local.entities": "local mode: containers of the SDK's own",
        "sagemaker.core.modules.train.container_drivers.distributed_drivers.mpi_utils": "runs inside jobs",
        "sagemaker.core.remote_function.runtime_environment.mpi_utils_remote": "runs inside jobs",
        "sagemaker.core.spark.processing": "waits for a history server in a container",
        "sagemaker.core.tools.templates": "the text of code",
        "sagemaker.serve.bedrock_model_builder": "Bedrock is not answered",
        "sagemaker.serve.mode.in_process_mode": "waits for a process, not for us",
        "sagemaker.serve.mode.local_container_mode": "waits for a container, not for us",
        "sagemaker.serve.model_reuse": "adds up its pauses to a limit",
        "sagemaker.train.aws_batch.training_queued_job": "AWS Batch is not answered",
        "sagemaker.train.common_utils.finetune_utils": "MLflow apps are not answered",
        "sagemaker.train.common_utils.job_wait": "prints a table at each look",
        "sagemaker.train.common_utils.log_streamer": "bounded in number",
        "sagemaker.train.common_utils.trainer_wait": "prints a table at each look",
        "sagemaker.train.container_drivers.distributed_drivers.mpi_utils": "runs inside jobs",
        "sagemaker.train.evaluate.base_evaluator": "model evaluation is not answered",
        "sagemaker.train.evaluate.execution": "prints a table at each look",
        "sagemaker.train.remote_function.runtime_environment.mpi_utils_remote": "runs inside jobs",
        "sagemaker.train.training_session.service_client": "training sessions are not answered",
    },
}


def sleeping_modules(sdk: str) -> Iterator[str]:
    """The modules of the SDK that call ``sleep`` of ``time``, by name."""
    (packages,) = (SDKS[sdk] / "lib").glob("python3*/site-packages")
    for top in ("sagemaker", "sagemaker_core"):
        for path in (packages / top).rglob("*.py"):
            text = path.read_text(encoding="utf-8", errors="replace")
            if "time.sleep(" in text and not path.relative_to(packages).parts[1].startswith("test"):
                yield ".".join(path.relative_to(packages).with_suffix("").parts)


def hooked_modules() -> set[str]:
    """The modules whose pauses the stand-alone package shortens, by its table, which is read and not run."""
    tree = ast.parse((SITE / "_selfmaker" / "__init__.py").read_text())
    (table,) = (n.value for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "CHANGES")
    found: dict[str, str] = ast.literal_eval(table)
    return {name for name, change in found.items() if change.startswith("waits:hasten") or "short_waits" in change}


def test_every_pause_of_the_sdk_is_known(sdk: str) -> None:
    """A new version's new pause shows here: hook the module, or say why it is left alone."""
    found = set(sleeping_modules(sdk))
    assert found <= hooked_modules() | set(LEFT_ALONE[sdk]), found - hooked_modules() - set(LEFT_ALONE[sdk])
    assert set(LEFT_ALONE[sdk]) <= found
