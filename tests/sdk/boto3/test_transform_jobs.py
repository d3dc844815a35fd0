"""The life of a transform job: what is refused, listed, stopped, waited for, and what a restart finds."""

import os
import signal
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

SLOW = """
import time
def model_fn(model_dir):
    return None
def input_fn(body, content_type):
    return body
def predict_fn(data, model):
    print("predicting", flush=True)
    time.sleep(0.1)
    return data
def output_fn(prediction, accept):
    return prediction, "text/csv"
"""

SINGLE = {"TransformInput": {"SplitType": "Line"}, "TransformOutput": {"AssembleWith": "Line"}}
SINGLE["BatchStrategy"] = "SingleRecord"


@pytest.fixture(scope="module")
def slow(account):
    """A model that takes a tenth of a second for each request."""
    return account.model({"x": "y"}, SLOW)


@pytest.fixture
def data(account):
    return account.put(f"{account.unique('data')}/in.csv", "".join(f"{n}\n" for n in range(600)))


def until_predicting(transforms, name, seconds=60):
    deadline = time.monotonic() + seconds
    while "predicting" not in transforms.log(name):
        assert time.monotonic() < deadline, transforms.log(name)
        time.sleep(0.05)


def refused(account, request):
    with pytest.raises(ClientError) as caught:
        account.sagemaker.create_transform_job(**request)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"ModelName": "no-such-model"}, 'Could not find model "arn:aws:sagemaker:'),
        ({"TransformInput": {"S3": {"S3Uri": "s3://no-such-bucket/x"}}}, "No S3 objects found under S3 URL"),
        ({"TransformInput": {"S3": {"S3DataType": "AugmentedManifestFile"}}}, "S3DataType"),
        ({"TransformOutput": {"S3OutputPath": "s3://no-such-bucket/x"}}, "TransformOutput.S3OutputPath"),
        ({"MaxPayloadInMB": 101}, "MaxPayloadInMB"),
        ({"MaxPayloadInMB": 60, "MaxConcurrentTransforms": 2}, "MaxConcurrentTransforms * MaxPayloadInMB"),
        ({"DataProcessing": {"InputFilter": "$[a]"}}, "DataProcessing.InputFilter: the path '$[a]'"),
        ({"DataProcessing": {"OutputFilter": "x"}}, "DataProcessing.OutputFilter"),
        ({"DataProcessing": {"JoinSource": "Input"}, "TransformInput": {"ContentType": "image/png"}}, "ContentType"),
        ({"DataProcessing": {"JoinSource": "Input"}, "TransformInput": {"SplitType": "TFRecord"}}, "SplitType"),
        ({"BatchStrategy": "Some"}, "batchStrategy"),
        ({"DataCaptureConfig": {"DestinationS3Uri": "s3://no-such-bucket/x"}}, "DataCaptureConfig.DestinationS3Uri"),
    ],
)
def test_what_cannot_be_run_is_refused_by_its_member(transforms, account, slow, data, members, message):
    request = {**transforms.request(slow, data, **members)}
    request["ModelName"] = members.get("ModelName", slow)
    code, text = refused(account, request)
    assert code == "ValidationException"
    assert message in text
    with pytest.raises(ClientError):
        account.sagemaker.describe_transform_job(TransformJobName=request["TransformJobName"])


def test_a_name_is_used_once(transforms, account, slow):
    uri = account.put(f"{account.unique('data')}/in.csv", "1\n")
    described = transforms.run(slow, uri)
    again = transforms.request(slow, uri, TransformJobName=described["TransformJobName"])
    assert refused(account, again)[0] == "ResourceInUse"


def test_describe_echoes_the_request_with_its_defaults_and_the_times(transforms, account, slow):
    uri = account.put(f"{account.unique('data')}/in.csv", "1\n")
    described = transforms.run(slow, uri, Tags=[{"Key": "team", "Value": "blue"}], Environment={"A": "b"})
    assert described["DataProcessing"] == {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"}
    assert described["TransformInput"]["CompressionType"] == described["TransformInput"]["SplitType"] == "None"
    assert described["TransformOutput"]["AssembleWith"] == "None"
    assert described["Environment"] == {"A": "b"}
    assert described["TransformJobArn"].endswith(":transform-job/" + described["TransformJobName"])
    assert described["CreationTime"] <= described["TransformStartTime"] <= described["TransformEndTime"]
    tags = account.sagemaker.list_tags(ResourceArn=described["TransformJobArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "blue"}]


def test_jobs_are_listed_newest_first_and_by_what_is_asked(transforms, account, slow):
    uri = account.put(f"{account.unique('data')}/in.csv", "1\n")
    base = account.unique("listed")
    names = [transforms.create(slow, uri, TransformJobName=f"{base}-{letter}") for letter in "abc"]
    for name in names:
        transforms.ended(name)
    pages = account.sagemaker.get_paginator("list_transform_jobs").paginate(
        NameContains=base, PaginationConfig={"PageSize": 2}
    )
    found = [row for page in pages for row in page["TransformJobSummaries"]]
    assert [row["TransformJobName"] for row in found] == names[::-1]
    assert {row["TransformJobStatus"] for row in found} == {"Completed"}
    assert all(row["TransformEndTime"] >= row["CreationTime"] for row in found)
    failed = account.sagemaker.list_transform_jobs(NameContains=base, StatusEquals="Failed")
    assert failed["TransformJobSummaries"] == []


def test_a_stopped_job_stores_nothing_and_cannot_be_stopped_again(transforms, account, slow, data):
    name = transforms.create(slow, data, **SINGLE)
    until_predicting(transforms, name)
    account.sagemaker.stop_transform_job(TransformJobName=name)
    described = account.sagemaker.describe_transform_job(TransformJobName=name)
    assert described["TransformJobStatus"] in ("Stopping", "Stopped")
    waiter = account.sagemaker.get_waiter("transform_job_completed_or_stopped")
    waiter.wait(TransformJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    described = transforms.ended(name)
    assert described["TransformJobStatus"] == "Stopped"
    assert transforms.outputs(described) == {}
    with pytest.raises(ClientError, match="rejected because the transform job is in status Stopped"):
        account.sagemaker.stop_transform_job(TransformJobName=name)
    with pytest.raises(ClientError, match="Requested resource not found"):
        account.sagemaker.stop_transform_job(TransformJobName="no-such-job")


def test_a_job_is_a_trial_component_of_its_experiment(transforms, account, slow):
    uri = account.put(f"{account.unique('data')}/in.csv", "1\n")
    experiment = account.unique("experiment")
    account.sagemaker.create_experiment(ExperimentName=experiment)
    described = transforms.run(slow, uri, ExperimentConfig={"ExperimentName": experiment})
    assert described["ExperimentConfig"] == {"ExperimentName": experiment}
    found = account.sagemaker.list_trial_components(SourceArn=described["TransformJobArn"])["TrialComponentSummaries"]
    shown = account.sagemaker.describe_trial_component(TrialComponentName=found[0]["TrialComponentName"])
    assert shown["TrialComponentName"] == described["TransformJobName"] + "-aws-transform-job"
    assert shown["Source"]["SourceType"] == "SageMakerTransformJob"
    assert shown["Status"]["PrimaryStatus"] == "Completed"
    assert shown["InputArtifacts"]["SageMaker.TransformInput"] == {"Value": uri, "MediaType": "text/csv"}
    assert shown["Parameters"]["SageMaker.ModelName"]["StringValue"] == slow


def test_a_deleted_model_or_object_does_not_disturb_a_job_that_runs(transforms, account):
    model = account.model({"x": "y"}, SLOW)
    key = f"{account.unique('data')}/in.csv"
    uri = account.put(key, "".join(f"{n}\n" for n in range(20)))
    name = transforms.create(model, uri, **SINGLE)
    until_predicting(transforms, name)
    account.sagemaker.delete_model(ModelName=model)
    account.s3.delete_object(Bucket=account.bucket, Key=key)
    described = transforms.ended(name)
    assert described["TransformJobStatus"] == "Completed", described.get("FailureReason")
    assert len(transforms.outputs(described)["in.csv.out"].splitlines()) == 20


def test_a_job_outlives_the_server(new_server, account_on, transforms_of):
    server = new_server()
    account = account_on(server)
    transforms = transforms_of(account)
    uri = account.put("data/in.csv", "".join(f"{n}\n" for n in range(60)))
    name = transforms.create(account.model({"x": "y"}, SLOW), uri, **SINGLE)
    until_predicting(transforms, name)
    server.kill()
    time.sleep(1)
    server.start()
    account.connect()
    described = transforms.ended(name)
    assert described["TransformJobStatus"] == "Completed", described.get("FailureReason")
    lines = transforms.outputs(described)["in.csv.out"].decode().splitlines()
    assert lines == [str(n) for n in range(60)]
    assert transforms.log(name).count("predicting") == 60


@pytest.fixture
def at_work(new_server, account_on, transforms_of):
    """A server, its transforms, and the name of a job that predicts for minutes."""
    server = new_server()
    account = account_on(server)
    transforms = transforms_of(account)
    uri = account.put("data/in.csv", "".join(f"{n}\n" for n in range(6000)))
    name = transforms.create(account.model({"x": "y"}, SLOW), uri, **SINGLE)
    until_predicting(transforms, name)
    return server, transforms, name


def test_a_job_whose_supervisor_is_killed_fails_and_leaves_no_process(at_work):
    server, transforms, name = at_work
    held = processes_of(server)
    supervisors = [pid for pid in held if holds_a_lock(pid)]
    assert supervisors
    for pid in supervisors:
        os.kill(pid, signal.SIGKILL)
    described = transforms.ended(name)
    assert described["TransformJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("InternalServerError: ")
    deadline = time.monotonic() + 20
    while any("selfmaker.transform.host" in text for text in processes_of(server).values()):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_job_whose_own_program_is_killed_fails_with_the_reason(at_work):
    server, transforms, name = at_work
    programs = [pid for pid, text in processes_of(server).items() if "selfmaker.transform.host" in text]
    os.kill(min(programs), signal.SIGKILL)  # the first; the others are its sandboxes' keepers, which end with it
    described = transforms.ended(name)
    assert described["TransformJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("InternalServerError: the process was killed (SIGKILL)")


def processes_of(server):
    """The processes that work in the server's home, with their command lines."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            if str(server.home) in text or holds_a_lock(int(entry.name), server.home):
                found[int(entry.name)] = text
        except OSError:
            continue
    return found


def holds_a_lock(pid, home=None):
    """Whether the process has a job's lock file open: it is a supervisor."""
    try:
        names = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return False
    return any(name.endswith("supervisor.lock") and (home is None or name.startswith(str(home))) for name in names)


def test_a_model_whose_data_are_gone_or_broken_fails_the_job(transforms, account):
    uri = account.put(f"{account.unique('data')}/in.csv", "1\n")
    gone, broken = account.model({"x": "y"}, SLOW), account.model({"x": "y"}, SLOW)
    account.s3.delete_object(Bucket=account.bucket, Key=f"{gone}/model.tar.gz")
    account.put(f"{broken}/model.tar.gz", b"no archive")
    described = transforms.run(gone, uri)
    assert described["FailureReason"].startswith("ClientError: Could not find model data at s3://")
    described = transforms.run(broken, uri)
    assert described["FailureReason"].startswith("ClientError: Failed to extract model data archive")
