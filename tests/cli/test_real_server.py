"""The commands against the server that users have."""

import io
import json
import sys
import tarfile
import time
from typing import Any

import pytest

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"


def test_status_and_operations(server: Any) -> None:
    document = json.loads(server.selfmaker("status", "--json").stdout)
    assert (document["running"], document["endpoint_url"]) == (True, server.endpoint)
    operations = json.loads(server.selfmaker("operations", "--json").stdout)
    assert {"CreateTrainingJob", "CreateEndpoint"} <= set(operations["sagemaker"])
    assert operations["sts"] == sorted(operations["sts"])
    only = server.selfmaker("operations", "sts").stdout
    assert "GetCallerIdentity" in only
    assert "CreateTrainingJob" not in only
    assert server.selfmaker("operations", "nosuch").returncode == 2


def test_run_reaches_it(server: Any) -> None:
    code = (
        "import boto3\n"
        "sts = boto3.client('sts', endpoint_url='https://sts.eu-west-1.amazonaws.com', region_name='eu-west-1')\n"
        "print(sts.get_caller_identity()['Arn'])\n"
    )
    result = server.selfmaker("run", "--", sys.executable, "-c", code)
    assert result.returncode == 0, result.stderr
    assert ":assumed-role/" in result.stdout


def test_an_error_of_the_server_is_one_line(server: Any) -> None:
    result = server.selfmaker("jobs", "--status", "Sleeping")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert "Sleeping" in line
    assert "Failed" in line, "AWS names the values that it knows"


def test_wrong_keys_are_said(server: Any, tmp_path: Any) -> None:
    """Somebody changed the credentials' file."""
    run = tmp_path / "run"
    run.mkdir()
    real = server.home / "run"
    (run / "server.json").write_text((real / "server.json").read_text())
    (run / "server.lock").symlink_to(real / "server.lock")
    credentials = json.loads((real / "credentials.json").read_text())
    (run / "credentials.json").write_text(json.dumps({**credentials, "secret_access_key": "wrong"}))
    result = server.selfmaker("jobs", "--home", str(tmp_path))
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "signature" in result.stderr


def submit(server: Any, name: str, program: str) -> None:
    """A scikit-learn job that runs ``program``."""
    s3, sagemaker = server.client("s3"), server.client("sagemaker")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        member = tarfile.TarInfo("train.py")
        member.size = len(program)
        tar.addfile(member, io.BytesIO(program.encode()))
    bucket = "sagemaker-us-east-1-123456789012"
    s3.put_object(Bucket=bucket, Key=f"{name}/sourcedir.tar.gz", Body=archive.getvalue())
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        RoleArn="arn:aws:iam::123456789012:role/SageMakerRole",
        HyperParameters={
            "sagemaker_program": '"train.py"',
            "sagemaker_submit_directory": json.dumps(f"s3://{bucket}/{name}/sourcedir.tar.gz"),
        },
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/{name}"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )


def status(server: Any, name: str) -> str:
    return str(server.client("sagemaker").describe_training_job(TrainingJobName=name)["TrainingJobStatus"])


@pytest.mark.frameworks
def test_logs_follow_a_job_to_its_end(server: Any) -> None:
    submit(server, "cli-logs", "import time\nfor i in range(3): print('tick', i, flush=True); time.sleep(0.3)\n")
    followed = server.selfmaker("logs", "cli-logs", "-f", timeout=300)
    assert followed.returncode == 0, followed.stderr
    ticks = [line for line in followed.stdout.splitlines() if line.startswith("tick")]
    assert ticks == ["tick 0", "tick 1", "tick 2"]
    assert status(server, "cli-logs") == "Completed"
    again = [json.loads(line) for line in server.selfmaker("logs", "cli-logs", "--json").stdout.splitlines()]
    assert [event["message"] for event in again if event["message"].startswith("tick")] == ticks
    assert {event["stream"].partition("-")[0] for event in again} == {"cli"}
    names = [row["name"] for row in json.loads(server.selfmaker("jobs", "--json").stdout)]
    assert "cli-logs" in names
    ended = server.selfmaker("stop", "cli-logs")
    assert (ended.returncode, ended.stderr.split(";")[0]) == (1, "selfmaker: cli-logs has ended already: Completed")


@pytest.mark.frameworks
def test_stop_stops(server: Any) -> None:
    submit(server, "cli-stop", "import time\nprint('started', flush=True)\ntime.sleep(600)\n")
    deadline = time.monotonic() + 240
    while "started" not in server.selfmaker("logs", "cli-stop").stdout:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert server.selfmaker("stop", "cli-stop").returncode == 0
    assert server.selfmaker("logs", "cli-stop", "-f", timeout=240).returncode == 0
    assert status(server, "cli-stop") == "Stopped"
