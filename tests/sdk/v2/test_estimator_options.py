"""Options of the estimators that change what is sent or where things lie."""

import json

import numpy as np
import pytest

PREDICTS_SUMS = """
import json, os, pathlib
import numpy as np

def model_fn(model_dir):
    return json.loads(pathlib.Path(model_dir, "model.json").read_text())

def predict_fn(data, model):
    return np.asarray(data).sum(axis=1) * model["factor"]

if __name__ == "__main__":
    channel = os.environ.get("SM_CHANNEL_TRAIN")
    print("channel files:", sorted(os.listdir(channel)) if channel else None)
    pathlib.Path(os.environ["SM_MODEL_DIR"], "model.json").write_text('{"factor": 2}')
"""


def test_network_isolation_brings_the_code_as_a_channel_and_repacks_it_for_the_endpoint(sklearn, folder, session):
    uri = session.upload_string_as_file_body("1,2", session.default_bucket(), "v2/isolated/data.csv")
    source = folder({"train.py": PREDICTS_SUMS})
    estimator = sklearn("train.py", source_dir=source, enable_network_isolation=True)
    estimator.fit({"train": uri})
    described = session.describe_training_job(estimator.latest_training_job.name)
    assert described["EnableNetworkIsolation"] is True
    assert "code" in [channel["ChannelName"] for channel in described["InputDataConfig"]]
    predictor = estimator.deploy(initial_instance_count=1, instance_type="ml.m5.large")
    try:
        assert predictor.predict(np.array([[1.0, 2.0], [3.0, 4.0]])).tolist() == [6.0, 14.0]
    finally:
        predictor.delete_model()
        predictor.delete_endpoint()


def test_spot_training_with_checkpoints(sklearn, folder, session, capsys):
    uri = f"s3://{session.default_bucket()}/v2/spot"
    source = folder({"train.py": "open('/opt/ml/checkpoints/epoch-1', 'w').write('x')"})
    estimator = sklearn(
        "train.py", source_dir=source, use_spot_instances=True, max_run=600, max_wait=900, checkpoint_s3_uri=uri
    )
    estimator.fit()
    assert "Managed Spot Training savings" in capsys.readouterr().out
    listed = session.list_s3_files(session.default_bucket(), "v2/spot")
    assert listed == ["v2/spot/epoch-1"]


def test_two_instances_write_two_streams_and_know_each_other(generic, folder, session, capsys, s3):
    from sagemaker import image_uris

    image = image_uris.retrieve("sklearn", session.boto_region_name, "1.4-2", instance_type="ml.m5.large")
    source = folder(
        {
            "train.py": """
import json, os
hosts = json.loads(os.environ["SM_HOSTS"])
me = os.environ["SM_CURRENT_HOST"]
print(f"{me} of {hosts}")
open(f"/opt/ml/model/{me}", "w").write(me)
"""
        }
    )
    estimator = generic(image, entry_point="train.py", source_dir=source, instance_count=2)
    estimator.fit()
    printed = capsys.readouterr().out
    assert "algo-1 of ['algo-1', 'algo-2']" in printed
    assert "algo-2 of ['algo-1', 'algo-2']" in printed


def test_two_hosts_reach_each_other_by_name(generic, folder, session):
    from sagemaker import image_uris

    image = image_uris.retrieve("sklearn", session.boto_region_name, "1.4-2", instance_type="ml.m5.large")
    source = folder(
        {
            "train.py": """
import os, socket, time
if os.environ["SM_CURRENT_HOST"] == "algo-1":
    server = socket.create_server(("0.0.0.0", 17777))
    connection, _ = server.accept()
    assert connection.recv(5) == b"hello"
    connection.sendall(b"world")
else:
    for _ in range(200):
        try:
            connection = socket.create_connection(("algo-1", 17777), timeout=5)
            break
        except OSError:
            time.sleep(0.1)
    connection.sendall(b"hello")
    assert connection.recv(5) == b"world"
"""
        }
    )
    estimator = generic(image, entry_point="train.py", source_dir=source, instance_count=2)
    estimator.fit()
    assert session.describe_training_job(estimator.latest_training_job.name)["TrainingJobStatus"] == "Completed"


def test_logs_can_be_read_again_later(sklearn, folder, capsys):
    estimator = sklearn("train.py", source_dir=folder({"train.py": "print('to be read twice')"}))
    estimator.fit(logs="None")
    assert "to be read twice" not in capsys.readouterr().out
    estimator.logs()
    assert "to be read twice" in capsys.readouterr().out


def test_code_location_and_base_job_name(sklearn, folder, session, s3):
    bucket = session.default_bucket()
    estimator = sklearn(
        "train.py",
        source_dir=folder({"train.py": "pass"}),
        base_job_name="named-by-me",
        code_location=f"s3://{bucket}/v2/code",
    )
    estimator.fit()
    name = estimator.latest_training_job.name
    assert name.startswith("named-by-me-")
    assert session.list_s3_files(bucket, f"v2/code/{name}") == [f"v2/code/{name}/source/sourcedir.tar.gz"]


def test_a_generic_estimator_without_code_sends_its_hyperparameters_as_they_are(generic, session):
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
    estimator = generic(
        image,
        container_entry_point=["/bin/sh", "-c"],
        container_arguments=["cat /opt/ml/input/config/hyperparameters.json > /opt/ml/model/seen"],
        hyperparameters={"n": 3, "name": "plain", "list": [1, 2]},
    )
    estimator.fit()
    described = session.describe_training_job(estimator.latest_training_job.name)
    assert described["HyperParameters"]["n"] == "3"
    assert described["HyperParameters"]["name"] == "plain"


def test_boto3_in_the_job_reaches_the_same_account(sklearn, folder, session, s3):
    source = folder(
        {
            "train.py": """
import os
import boto3
bucket = os.environ["BUCKET"]
s3 = boto3.client("s3")
s3.put_object(Bucket=bucket, Key="v2/from-the-job", Body=b"hello from inside")
print("I am", boto3.client("sts").get_caller_identity()["Arn"])
"""
        }
    )
    bucket = session.default_bucket()
    estimator = sklearn("train.py", source_dir=source, environment={"BUCKET": bucket})
    estimator.fit()
    assert s3.get_object(Bucket=bucket, Key="v2/from-the-job")["Body"].read() == b"hello from inside"


@pytest.mark.parametrize("kind", ["pickle", "json"])
def test_artifacts_of_a_model_can_be_downloaded(sklearn, folder, session, tmp_path, kind):
    import tarfile

    from sagemaker.s3 import S3Downloader

    write = {
        "pickle": "import pickle; pickle.dump({'a': 1}, open('/opt/ml/model/m', 'wb'))",
        "json": "import json; json.dump({'a': 1}, open('/opt/ml/model/m', 'w'))",
    }[kind]
    estimator = sklearn("train.py", source_dir=folder({"train.py": write}))
    estimator.fit()
    S3Downloader.download(estimator.model_data, str(tmp_path), sagemaker_session=session)
    with tarfile.open(tmp_path / "model.tar.gz") as archive:
        file = archive.extractfile("m")
        data = file.read()
    if kind == "json":
        assert json.loads(data) == {"a": 1}
    else:
        assert data.startswith(b"\x80")
