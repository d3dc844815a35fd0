"""How jobs end: well, badly, when told to, and when their time is up."""

import json

import pytest

ENDS_BADLY = "raise ValueError('the data is wrong: 42')"

OBEYS = """
import pathlib, signal, sys, time
def end(*_):
    pathlib.Path("/opt/ml/model/half.txt").write_text("as far as it went")
    print("saved on SIGTERM", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
while True:
    time.sleep(0.05)
"""


def statuses(described):
    return [transition["Status"] for transition in described["SecondaryStatusTransitions"]]


def test_a_completed_job_tells_its_whole_story(account):
    described = account.succeed("open('/opt/ml/model/m.txt', 'w').write('x')")
    name = described["TrainingJobName"]
    assert described["SecondaryStatus"] == "Completed"
    assert statuses(described) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    transitions = described["SecondaryStatusTransitions"]
    starts = [transition["StartTime"] for transition in transitions]
    assert starts == sorted(starts)
    assert all("EndTime" in transition for transition in transitions)
    assert described["CreationTime"] <= described["TrainingStartTime"] <= described["TrainingEndTime"]
    assert described["TrainingTimeInSeconds"] >= 1
    assert described["BillableTimeInSeconds"] >= 1
    expected = f"s3://{account.bucket}/output/{name}/output/model.tar.gz"
    assert described["ModelArtifacts"]["S3ModelArtifacts"] == expected
    assert account.artifact(described) == {"m.txt": b"x"}
    assert described["TrainingJobArn"].endswith(f":training-job/{name}")


def test_describe_echoes_the_request(account, channel):
    uri = account.put("echo/data.csv", "1")
    request = account.request(
        account.unique("echo"),
        "pass",
        InputDataConfig=[channel("train", uri, ContentType="text/csv")],
        Environment={"A": "b"},
        EnableInterContainerTrafficEncryption=True,
        DebugHookConfig={"S3OutputPath": f"s3://{account.bucket}/debug", "CollectionConfigurations": []},
        Tags=[{"Key": "team", "Value": "blue"}],
    )
    account.sagemaker.create_training_job(**request)
    described = account.ended(request["TrainingJobName"])
    for member, value in request.items():
        if member not in ("Tags", "DebugHookConfig", "InputDataConfig", "OutputDataConfig"):
            assert described[member] == value, member
    assert described["OutputDataConfig"]["S3OutputPath"] == request["OutputDataConfig"]["S3OutputPath"]
    assert described["OutputDataConfig"]["KmsKeyId"] == ""
    assert described["InputDataConfig"][0]["DataSource"] == request["InputDataConfig"][0]["DataSource"]
    assert "VpcConfig" not in described


def test_output_and_model_are_packed_with_their_folders(account):
    source = """
import os, pathlib
for root in ("/opt/ml/model", "/opt/ml/output/data"):
    pathlib.Path(root, "sub/deeper").mkdir(parents=True)
    pathlib.Path(root, "sub/deeper/file.txt").write_text(root)
    pathlib.Path(root, "run.sh").write_text("#!/bin/sh")
    os.chmod(pathlib.Path(root, "run.sh"), 0o755)
"""
    described = account.succeed(source)
    assert account.artifact(described)["sub/deeper/file.txt"] == b"/opt/ml/model"
    assert account.output(described)["sub/deeper/file.txt"] == b"/opt/ml/output/data"


def test_uncompressed_output_is_a_prefix_of_plain_objects(account):
    source = """
import pathlib
pathlib.Path("/opt/ml/model/sub").mkdir()
pathlib.Path("/opt/ml/model/sub/weights.bin").write_bytes(b"weights")
pathlib.Path("/opt/ml/model/config.json").write_text("{}")
"""
    output = {"S3OutputPath": f"s3://{account.bucket}/plain", "CompressionType": "NONE"}
    described = account.succeed(source, OutputDataConfig=output)
    uri = described["ModelArtifacts"]["S3ModelArtifacts"]
    prefix = uri.removeprefix(f"s3://{account.bucket}/").rstrip("/") + "/"
    assert sorted(account.keys(prefix)) == ["config.json", "sub/weights.bin"]
    assert account.get(f"s3://{account.bucket}/{prefix}sub/weights.bin") == b"weights"


def test_an_exception_becomes_the_failure_reason(account):
    described = account.train(f"print('before')\n{ENDS_BADLY}")
    assert described["TrainingJobStatus"] == "Failed"
    assert described["SecondaryStatus"] == "Failed"
    assert "ValueError: the data is wrong: 42" in described["FailureReason"]
    assert "exit code: 1" in described["FailureReason"].lower()
    log = account.log(described["TrainingJobName"])
    assert "before" in log
    assert any("Traceback (most recent call last)" in line for line in log)


def test_the_failure_file_wins_over_the_traceback(account):
    source = f"open('/opt/ml/output/failure', 'w').write('out of luck, says the script')\n{ENDS_BADLY}"
    described = account.train(source)
    assert "out of luck, says the script" in described["FailureReason"]


def test_the_exit_code_is_told(account):
    described = account.train("import sys; sys.exit(17)")
    assert described["TrainingJobStatus"] == "Failed"
    assert "17" in described["FailureReason"]


def test_a_script_that_is_not_there_fails_with_its_name(account):
    described = account.train({"train.py": "pass"}, HyperParameters={"sagemaker_program": "nosuch.py"})
    assert described["TrainingJobStatus"] == "Failed"
    assert "nosuch.py" in described["FailureReason"] + account.log_text(described["TrainingJobName"])


def test_what_a_failed_job_wrote_to_output_is_kept(account):
    source = f"open('/opt/ml/output/data/notes.txt', 'w').write('clue')\n{ENDS_BADLY}"
    described = account.train(source)
    assert described["TrainingJobStatus"] == "Failed"
    assert account.output(described) == {"notes.txt": b"clue"}


def test_stop_sends_sigterm_and_keeps_the_artifacts(account):
    name = account.create(OBEYS)
    account.until_logged(name, "ready")
    account.sagemaker.stop_training_job(TrainingJobName=name)
    described = account.ended(name)
    assert described["TrainingJobStatus"] == "Stopped"
    assert described["SecondaryStatus"] == "Stopped"
    assert "Stopping" in statuses(described)
    assert "saved on SIGTERM" in account.log(name)
    assert account.artifact(described) == {"half.txt": b"as far as it went"}


def test_a_job_that_ignores_sigterm_is_killed_after_the_grace(new_server, account_on):
    account = account_on(new_server(stop_grace_seconds="1"))
    source = """
import pathlib, signal, time
signal.signal(signal.SIGTERM, lambda *_: print("not I", flush=True))
pathlib.Path("/opt/ml/model/kept.txt").write_text("kept")
print("ready", flush=True)
while True:
    time.sleep(0.05)
"""
    name = account.create(source)
    account.until_logged(name, "ready")
    account.sagemaker.stop_training_job(TrainingJobName=name)
    described = account.ended(name)
    assert described["TrainingJobStatus"] == "Stopped"
    assert "not I" in account.log(name)
    assert account.artifact(described) == {"kept.txt": b"kept"}


def test_stopping_an_ended_job_is_refused(account):
    described = account.succeed("pass")
    with pytest.raises(account.sagemaker.exceptions.ClientError) as caught:
        account.sagemaker.stop_training_job(TrainingJobName=described["TrainingJobName"])
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_job_whose_time_is_up_is_stopped(account):
    described = account.train(OBEYS, StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert described["TrainingJobStatus"] == "Stopped"
    assert described["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert account.artifact(described) == {"half.txt": b"as far as it went"}


def test_checkpoints_are_restored_and_synced(account):
    uri = f"s3://{account.bucket}/checkpoints/run-1"
    source = """
import pathlib
folder = pathlib.Path("/opt/ml/checkpoints")
done = sorted(p.name for p in folder.rglob("*.ckpt"))
print("found:", done)
(folder / "deep").mkdir(exist_ok=True)
(folder / "deep" / f"epoch-{len(done) + 1}.ckpt").write_text(f"state {len(done) + 1}")
"""
    first = account.succeed(source, CheckpointConfig={"S3Uri": uri})
    assert account.keys("checkpoints/run-1/") == ["deep/epoch-1.ckpt"]
    assert account.get(f"{uri}/deep/epoch-1.ckpt") == b"state 1"
    second = account.succeed(source, CheckpointConfig={"S3Uri": uri})
    assert "found: []" in account.log(first["TrainingJobName"])
    assert "found: ['epoch-1.ckpt']" in account.log(second["TrainingJobName"])
    assert account.keys("checkpoints/run-1/") == ["deep/epoch-1.ckpt", "deep/epoch-2.ckpt"]


def test_checkpoints_appear_in_s3_while_the_job_runs(account):
    source = OBEYS.replace('print("ready"', 'pathlib.Path("/opt/ml/ckpt/step-1").write_text("s")\nprint("ready"')
    name = account.create(
        source, CheckpointConfig={"S3Uri": f"s3://{account.bucket}/live-checkpoints/", "LocalPath": "/opt/ml/ckpt"}
    )
    account.until(name, lambda _: account.keys("live-checkpoints/") == ["step-1"])
    assert account.sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] == "InProgress"
    account.sagemaker.stop_training_job(TrainingJobName=name)
    account.ended(name)


def test_a_source_archive_that_climbs_out_of_its_folder_fails_the_job(account):
    import io
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("../../../../tmp/escaped.py")
        member.size = 4
        archive.addfile(member, io.BytesIO(b"pass"))
    uri = account.put("bad/sourcedir.tar.gz", buffer.getvalue())
    described = account.train(
        HyperParameters={"sagemaker_program": "train.py", "sagemaker_submit_directory": uri}, base="climber"
    )
    assert described["TrainingJobStatus"] == "Failed"
    assert described["FailureReason"]


def test_a_job_without_program_or_algorithm_is_told_what_is_missing(account):
    described = account.train(base="nothing")
    assert described["TrainingJobStatus"] == "Failed"
    assert "sagemaker_program" in described["FailureReason"]


def test_container_entrypoint_and_arguments_replace_the_images_own(account):
    algorithm = {
        "TrainingImage": account.sklearn,
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["/bin/bash", "-c"],
        "ContainerArguments": [
            'echo "$TRAINING_JOB_NAME" > /opt/ml/model/name && python3 -c "import sklearn" && echo ok'
        ],
    }
    described = account.succeed(AlgorithmSpecification=algorithm, HyperParameters={"x": "1"})
    assert account.artifact(described)["name"].decode().strip() == described["TrainingJobName"]
    assert "ok" in account.log(described["TrainingJobName"])


def test_an_image_that_is_not_known_is_refused_with_what_there_is(account):
    algorithm = {"TrainingImage": "example.com/nobody/knows:1", "TrainingInputMode": "File"}
    with pytest.raises(account.sagemaker.exceptions.ClientError) as caught:
        account.create(AlgorithmSpecification=algorithm, HyperParameters={})
    error = caught.value.response["Error"]
    assert error["Code"] == "ValidationException"
    assert "example.com/nobody/knows:1" in error["Message"]
    assert "sagemaker-scikit-learn" in error["Message"]


def test_the_same_name_again_is_in_use(account):
    described = account.succeed("pass")
    with pytest.raises(account.sagemaker.exceptions.ResourceInUse) as caught:
        account.create("pass", TrainingJobName=described["TrainingJobName"])
    assert described["TrainingJobName"] in caught.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    ("member", "value", "named"),
    [
        ("TrainingJobName", "no spaces please", "trainingJobName"),
        ("RoleArn", "not-an-arn-but-long-enough", "roleArn"),
        ("StoppingCondition", {"MaxRuntimeInSeconds": 0}, "maxRuntimeInSeconds"),
        ("ResourceConfig", {"InstanceType": "ml.m5.large", "InstanceCount": 0, "VolumeSizeInGB": 1}, "InstanceCount"),
        ("ResourceConfig", {"InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}, "InstanceCount"),
        ("AlgorithmSpecification", {"TrainingImage": "x", "TrainingInputMode": "Carrier pigeon"}, "trainingInputMode"),
    ],
)
def test_bad_members_are_refused_by_name(account, member, value, named):
    from botocore.config import Config

    lenient = account.server.client("sagemaker", config=Config(parameter_validation=False))
    request = account.request(account.unique("bad"), "pass")
    with pytest.raises(lenient.exceptions.ClientError) as caught:
        lenient.create_training_job(**{**request, member: value})
    error = caught.value.response
    assert error["Error"]["Code"] == "ValidationException"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert named in error["Error"]["Message"]
    if member != "TrainingJobName":
        with pytest.raises(account.sagemaker.exceptions.ClientError, match="not found"):
            account.sagemaker.describe_training_job(TrainingJobName=request["TrainingJobName"])


def test_numbers_and_lists_written_by_the_job_survive(account):
    described = account.succeed("import json; json.dump({'n': [1, 2.5]}, open('/opt/ml/model/x.json', 'w'))")
    assert json.loads(account.artifact(described)["x.json"]) == {"n": [1, 2.5]}
