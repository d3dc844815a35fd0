"""The SDK's local mode where no Docker is: ``LocalSession``, and instance type ``local``."""

import json
import tarfile
from pathlib import Path

import pytest
from sagemaker.local import LocalSession
from sagemaker.processing import ProcessingInput, ProcessingOutput
from sagemaker.sklearn import SKLearn, SKLearnProcessor

pytestmark = pytest.mark.skipif(Path("/var/run/docker.sock").exists(), reason="Docker is there, and runs local mode")

TRAIN = """
import argparse, json, os, pathlib
import tabulate
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
given = parser.parse_args()
rows = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "rows.csv").read_text().split()
print("epochs", given.epochs, "rows", len(rows), "host", os.environ["SM_CURRENT_HOST"])
pathlib.Path(os.environ["SM_MODEL_DIR"], "told.json").write_text(json.dumps([given.epochs, rows, os.environ["COLOUR"]]))
"""


@pytest.fixture(params=[True, False], ids=["local code", "code in S3"])
def local(request):
    session = LocalSession()
    session.config = {"local": {"local_code": request.param}}
    return session


def test_training(local, role, folder, tmp_path, capfd):
    estimator = SKLearn(
        "train.py",
        source_dir=folder({"train.py": TRAIN, "requirements.txt": "tabulate==0.9.0\n"}),
        framework_version="1.4-2",
        role=role,
        instance_type="local",
        hyperparameters={"epochs": 3},
        environment={"COLOUR": "blue"},
        output_path=f"file://{tmp_path}",
        sagemaker_session=local,
    )
    data = folder({"rows.csv": "a\nb\n"})
    estimator.fit({"train": f"file://{data}"})
    assert "epochs 3 rows 2 host algo-1" in capfd.readouterr().out
    with tarfile.open(estimator.model_data.removeprefix("file://")) as archive:  # local mode leaves it on this machine
        assert json.load(archive.extractfile("told.json")) == [3, ["a", "b"], "blue"]


def test_a_failing_script_raises(local, role, folder, capfd):
    estimator = SKLearn(
        "train.py",
        source_dir=folder({"train.py": "raise KeyError('the price is missing')"}),
        framework_version="1.4-2",
        role=role,
        instance_type="local",
        sagemaker_session=local,
    )
    with pytest.raises(RuntimeError, match="exited with code: 1"):
        estimator.fit()
    assert "the price is missing" in capfd.readouterr().out


def test_processing(local, role, folder, s3):
    processor = SKLearnProcessor(
        framework_version="1.4-2", role=role, instance_type="local", instance_count=1, sagemaker_session=local
    )
    place = f"s3://{local.default_bucket()}/v2-local/{id(local)}"
    code = (
        "import pathlib, sys\n"
        "text = pathlib.Path('/opt/ml/processing/in/data.txt').read_text()\n"
        "pathlib.Path('/opt/ml/processing/out/made.txt').write_text(text.upper() + sys.argv[1])\n"
    )
    processor.run(
        code=str(Path(folder({"upper.py": code}), "upper.py")),
        arguments=["!"],
        inputs=[ProcessingInput(source=folder({"data.txt": "as it was"}), destination="/opt/ml/processing/in")],
        outputs=[ProcessingOutput(source="/opt/ml/processing/out", destination=place)],
    )
    bucket, key = place.removeprefix("s3://").split("/", 1)
    assert s3.get_object(Bucket=bucket, Key=f"{key}/made.txt")["Body"].read() == b"AS IT WAS!"


def test_local_endpoints_are_refused_with_what_to_do(local, role, folder):
    estimator = SKLearn(
        "train.py",
        source_dir=folder({"train.py": "open('/opt/ml/model/m', 'w').write('m')"}),
        framework_version="1.4-2",
        role=role,
        instance_type="local",
        sagemaker_session=local,
    )
    estimator.fit()
    with pytest.raises(RuntimeError, match=r"ml\.m5\.large"):
        estimator.deploy(1, "local")
