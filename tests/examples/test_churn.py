"""examples/churn: from raw customers to an endpoint, both ways out of the gate, and what CI calls."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHURN = ROOT / "examples" / "churn"
SDK = ROOT / ".cache" / "sdk-v2" / "bin" / "python"
REAL = ROOT.parent / "shared" / "data" / "churn" / "churn.txt"
MODULE = "pipelines.customer_churn.pipeline"
GROUP = "CustomerChurnPackageGroup"

pytestmark = pytest.mark.frameworks


def environment(home):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SELFMAKER_"))}
    environments = os.environ.get("SELFMAKER_ENVIRONMENTS") or str(ROOT / ".cache" / "environments")
    return {**kept, "SELFMAKER_ENVIRONMENTS": environments, "SELFMAKER_HOME": str(home), "PYTHONWARNINGS": "ignore"}


def ran(command, home):
    """Exit code and output of a command in the example's folder."""
    done = subprocess.run(
        command, cwd=CHURN, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return done.returncode, done.stdout


def finished(folder, *arguments):
    """What ``make examples`` runs; its output."""
    if not SDK.exists():
        pytest.skip("needs the SDK v2's environment: make setup-sdks")
    command = [sys.executable, str(CHURN / "run_demo.py"), "--folder", str(folder), *arguments]
    code, said = ran(command, folder / "home")
    assert code == 0, said
    return said


def accuracies(said):
    """On held-out customers, and on those asked at the endpoint."""
    return [float(number) for number in re.findall(r"^accuracy on .*: ([0-9.]+)$", said, re.MULTILINE)[-2:]]


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    folder = tmp_path_factory.mktemp("churn")
    return folder, finished(folder, "--rows", "3000")


@pytest.fixture(scope="module")
def server(said, server_process):
    """A server on the home that the demo has left behind."""
    running = server_process(said[0] / "home").start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def data(server):
    """Where the demo's customers are."""
    [found] = server.client("s3").list_objects_v2(Bucket=bucket(server), Prefix="CustomerChurn/data/")["Contents"]
    return f"s3://{bucket(server)}/{found['Key']}"


def bucket(server):
    credentials = server.document("credentials")
    return f"sagemaker-{credentials['region']}-{credentials['account']}"


COMMANDS = """
import json, sys
from pipelines import get_pipeline_definition, run_pipeline
for command, arguments in json.loads(sys.argv[1]):
    code = {"run": run_pipeline, "print": get_pipeline_definition}[command].main(arguments)
    print(f"=== {code or 0}", flush=True)
"""


@pytest.fixture(scope="module")
def commands(server, data):
    """Exit code and output of what CI calls, with other arguments each time, one after the other. The SDK's import,
    which takes longer than most of it, is paid for once."""
    strict = {"InputDataUrl": data, "AccuracyThreshold": 1.0}
    flat = {"InputDataUrl": data, "MaxDepth": 4}
    other = json.dumps({"pipeline_name": "Other", "enable_caching": False})
    no_spot = json.dumps({"use_spot_instances": False})
    calls = [
        ("print", ["-n", MODULE, "--kwargs", other, "-f", str(server.home / "definition.json")]),
        ("run", ["-n", MODULE, "--parameters", json.dumps(strict)]),
        ("run", ["-n", MODULE, "--kwargs", no_spot, "--parameters", json.dumps(flat)]),
    ]
    selfmaker = [str(Path(sys.executable).parent / "selfmaker"), "run", "--home", str(server.home), "--"]
    code, said = ran([*selfmaker, str(SDK), "-c", COMMANDS, json.dumps(calls)], server.home)
    assert code == 0, said
    *told, _ = re.split(r"^=== (\d)$", said, flags=re.MULTILINE)
    found = [(int(told[i + 1]), told[i]) for i in range(0, len(told), 2)]
    assert len(found) == len(calls), said
    return dict(zip(("definition", "strict", "flat"), found, strict=True))


def versions(client):
    return client.list_model_packages(ModelPackageGroupName=GROUP, SortOrder="Ascending")["ModelPackageSummaryList"]


def steps(client, said):
    execution = re.search(r"^execution (\S+)$", said, re.MULTILINE)[1]
    found = client.list_pipeline_execution_steps(PipelineExecutionArn=execution)["PipelineExecutionSteps"]
    return {step["StepName"]: step for step in found}


def test_generated_customers_come_to_an_endpoint_that_answers(said):
    _, text = said
    assert "version 1 is PendingManualApproval" in text
    assert f"{GROUP}/1 is Approved (it was PendingManualApproval)" in text
    held_out, asked = accuracies(text)
    assert held_out >= 0.9 and asked >= 0.9


def test_the_version_has_its_metrics_and_lineage(server):
    client = server.client("sagemaker")
    [version] = versions(client)
    described = client.describe_model_package(ModelPackageName=version["ModelPackageArn"])
    uri = described["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
    place, key = uri.removeprefix("s3://").split("/", 1)
    report = json.loads(server.client("s3").get_object(Bucket=place, Key=key)["Body"].read())
    assert report["acceleration"]["largest_difference"]["value"] <= 1e-6  # oneDAL against XGBoost
    assert report["binary_classification_metrics"]["accuracy"]["value"] >= 0.8
    assert described["ApprovalDescription"] == "approved by the demo"
    assert ":pipeline/customerchurn/execution/" in described["MetadataProperties"]["GeneratedBy"].lower()
    endpoint = client.describe_endpoint(EndpointName="customer-churn")["EndpointArn"]
    [context] = client.list_contexts(SourceUri=endpoint)["ContextSummaries"]
    found = client.query_lineage(StartArns=[context["ContextArn"]], Direction="Ascendants")["Vertices"]
    assert {"ProcessingJob", "TrainingJob", "Model", "Image", "DataSet"} <= {vertex["Type"] for vertex in found}


def test_the_training_asked_for_spot_instances(server):
    client = server.client("sagemaker")
    [job] = client.list_training_jobs()["TrainingJobSummaries"]
    described = client.describe_training_job(TrainingJobName=job["TrainingJobName"])
    assert described["EnableManagedSpotTraining"] is True
    assert described["StoppingCondition"]["MaxWaitTimeInSeconds"] == 7200
    assert described["HyperParameters"]["max_depth"] == "5"


def test_a_model_that_is_not_accurate_enough_is_not_registered(server, commands):
    client = server.client("sagemaker")
    code, said = commands["strict"]
    assert code == 1
    found = steps(client, said)
    assert "is below the threshold 1.0" in found["CustomerChurnNotAccurate"]["FailureReason"]
    assert "CustomerChurn-RegisterModel" not in found
    assert found["CustomerChurnAccuracyCond"]["Metadata"]["Condition"]["Outcome"] == "False"
    cached = {name for name, step in found.items() if "CacheHitResult" in step}
    assert cached == {"CustomerChurnProcess", "CustomerChurnTrain", "CustomerChurnEval"}
    assert said.count("(from the cache)") == 3


def test_parameters_reach_the_steps_and_the_api_approves(server, commands):
    """Another depth trains again; the processing comes from the cache. The approval deploys the second version."""
    client = server.client("sagemaker")
    code, said = commands["flat"]
    assert code == 0, said
    assert [package["ModelPackageVersion"] for package in versions(client)] == [1, 2]  # the one too inaccurate is none
    found = steps(client, said)
    assert {name for name, step in found.items() if "CacheHitResult" in step} == {"CustomerChurnProcess"}
    job = client.describe_training_job(
        TrainingJobName=found["CustomerChurnTrain"]["Metadata"]["TrainingJob"]["Arn"].rpartition("/")[2]
    )
    assert (job["HyperParameters"]["max_depth"], job["EnableManagedSpotTraining"]) == ("4", False)
    package = found["CustomerChurn-RegisterModel"]["Metadata"]["RegisterModel"]["Arn"]
    first = client.describe_endpoint(EndpointName="customer-churn")["EndpointConfigName"]
    client.update_model_package(ModelPackageArn=package, ModelApprovalStatus="Approved")
    waiting = f"customer-churn-{package.rpartition('/')[2]}-"
    described = settled(client, lambda d: d["EndpointConfigName"].startswith(waiting))
    assert described["EndpointConfigName"] != first


def settled(client, holds):
    deadline = time.monotonic() + 280  # a call of the function that failed is made again after a minute
    while True:
        described = client.describe_endpoint(EndpointName="customer-churn")
        if described["EndpointStatus"] == "InService" and holds(described):
            return described
        assert time.monotonic() < deadline, described
        time.sleep(0.1)


def test_an_approval_is_deployed_though_the_server_is_killed_at_once(server):
    """The event of the approval is there after the restart, and the function is called then."""
    client = server.client("sagemaker")
    newest = versions(client)[-1]["ModelPackageArn"]
    copy = client.create_model_package(ModelPackageGroupName=GROUP, SourceUri=newest)["ModelPackageArn"]
    client.update_model_package(ModelPackageArn=copy, ModelApprovalStatus="Rejected")
    client.update_model_package(ModelPackageArn=copy, ModelApprovalStatus="Approved")
    server.kill()
    client = server.start().client("sagemaker")
    settled(client, lambda d: d["EndpointConfigName"].startswith(f"customer-churn-{copy.rpartition('/')[2]}-"))


def test_the_definition_is_printed(server, commands):
    code, said = commands["definition"]
    assert code == 0, said
    definition = json.loads((server.home / "definition.json").read_text())
    assert [step["Name"] for step in definition["Steps"]] == [
        "CustomerChurnProcess", "CustomerChurnTrain", "CustomerChurnEval", "CustomerChurnAccuracyCond",
    ]  # fmt: skip
    assert {parameter["Name"] for parameter in definition["Parameters"]} >= {"InputDataUrl", "AccuracyThreshold"}
    assert all(not step.get("CacheConfig", {}).get("Enabled") for step in definition["Steps"])


def test_what_ci_calls_exists():
    """Each command of the buildspec is a script of the project, and takes the options that it is given."""
    if not SDK.exists():
        pytest.skip("needs the SDK v2's environment: make setup-sdks")
    spec = (CHURN / "codebuild-buildspec.yml").read_text()
    project = (CHURN / "pyproject.toml").read_text()
    for command in ("get-pipeline-definition", "run-pipeline"):
        module = re.search(rf'^{command} = "([\w.]+):main"$', project, re.MULTILINE)[1]
        block = spec[spec.index(f"- {command}") :].partition("\n      - ")[0].partition("\n\n")[0]
        given = re.findall(r"--[a-z-]+", block)
        done = subprocess.run([str(SDK), "-m", module, "--help"], cwd=CHURN, capture_output=True, text=True)
        assert given and all(option in done.stdout for option in given), done.stderr


def test_the_dockerfile_and_the_declaration_say_the_same():
    dockerfile, declaration = ((CHURN / "container" / name).read_text() for name in ("Dockerfile", "image.toml"))
    told = dict(re.findall(r'^(\w+) = "([^"]*)"', declaration, re.MULTILINE))
    assert f"python:{told['python']}" in dockerfile
    assert f"COPY {told['programs']} {told['directory']}" in dockerfile
    assert f"WORKDIR {told['directory']}" in dockerfile
    assert told["requirements"] in dockerfile
    for name, value in re.findall(r'^(PYTHON\w+) = "([^"]*)"', declaration, re.MULTILINE):
        assert f"{name}={value}" in dockerfile


@pytest.mark.skipif(not REAL.exists(), reason="the churn data set is not beside the project")
def test_real_customers(tmp_path):
    held_out, asked = accuracies(finished(tmp_path, "--data", str(REAL)))
    assert held_out >= 0.93 and asked >= 0.93
