"""The SDK's local mode where no Docker is: ``LocalSession``, and instance type ``local``."""

import io
import json
import socket
import tarfile
from pathlib import Path

import pytest
from sagemaker.deserializers import JSONDeserializer
from sagemaker.local import LocalSession
from sagemaker.processing import ProcessingInput, ProcessingOutput
from sagemaker.s3 import S3Downloader
from sagemaker.serializers import JSONSerializer
from sagemaker.sklearn import SKLearn, SKLearnProcessor
from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import ConditionGreaterThan
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.functions import Join, JsonGet
from sagemaker.workflow.parameters import ParameterInteger, ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import LocalPipelineSession
from sagemaker.workflow.properties import PropertyFile
from sagemaker.workflow.steps import ProcessingStep, TrainingStep

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


HANDLERS = """
import json, os, pathlib

def model_fn(folder):
    return json.loads(pathlib.Path(folder, "weights.json").read_text())

def input_fn(body, content_type):
    return json.loads(body)

def predict_fn(data, weights):
    if not data:
        raise ValueError("an empty question")
    return [weights["factor"] * value for value in data]

def output_fn(answer, accept):
    return json.dumps({"answer": answer, "who": os.environ["WHO"]}), "application/json"

if __name__ == "__main__":
    pathlib.Path(os.environ["SM_MODEL_DIR"], "weights.json").write_text('{"factor": 10}')
"""


def test_an_endpoint_answers_until_it_is_deleted(local, session, role, folder):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        local.config = {"local": {**local.config["local"], "serving_port": probe.getsockname()[1]}}
    estimator = SKLearn(
        "train.py",
        source_dir=folder({"train.py": HANDLERS}),
        framework_version="1.4-2",
        role=role,
        instance_type="local",
        sagemaker_session=local,
    )
    estimator.fit()
    predictor = estimator.deploy(
        1, "local", env={"WHO": "it"}, serializer=JSONSerializer(), deserializer=JSONDeserializer()
    )
    found = session.sagemaker_client.list_endpoints(NameContains="local-mode")["Endpoints"]
    assert len(found) == 1
    try:
        assert predictor.predict([1, 2]) == {"answer": [10, 20], "who": "it"}
    finally:
        predictor.delete_endpoint()
    assert session.sagemaker_client.list_endpoints(NameContains="local-mode")["Endpoints"] == []


COUNT = """
import json, sys
json.dump({"rows": int(sys.argv[1])}, open("/opt/ml/processing/report/report.json", "w"))
"""


def test_a_local_pipeline_takes_each_branch(role, folder):
    session = LocalPipelineSession()
    rows, least = ParameterString("Rows", default_value="5"), ParameterInteger("Least", default_value=3)
    processor = SKLearnProcessor(
        framework_version="1.4-2", role=role, instance_type="local", instance_count=1, sagemaker_session=session
    )
    report = PropertyFile("Report", output_name="report", path="report.json")
    count = ProcessingStep(
        "Count",
        step_args=processor.run(
            code=str(Path(folder({"count.py": COUNT}), "count.py")),
            arguments=[rows],
            outputs=[ProcessingOutput(output_name="report", source="/opt/ml/processing/report")],
        ),
        property_files=[report],
    )
    estimator = SKLearn(
        "train.py",
        source_dir=folder({"train.py": "open('/opt/ml/model/made', 'w').write('by a local pipeline')"}),
        framework_version="1.4-2",
        role=role,
        instance_type="local",
        sagemaker_session=session,
    )
    counted = JsonGet(step_name="Count", property_file=report, json_path="rows")
    enough = ConditionStep(
        "Enough",
        conditions=[ConditionGreaterThan(counted, least)],
        if_steps=[TrainingStep("Train", step_args=estimator.fit())],
        else_steps=[FailStep("TooFew", error_message=Join(" ", ["fewer than", least]))],
    )
    pipeline = Pipeline("local", parameters=[rows, least], steps=[count, enough], sagemaker_session=session)
    pipeline.upsert(role_arn=role)
    execution = pipeline.start()
    assert execution.describe()["PipelineExecutionStatus"] == "Succeeded"
    trained = execution.list_steps()["PipelineExecutionSteps"][-1]["Metadata"]["TrainingJob"]["Arn"]
    uri = session.sagemaker_client.describe_training_job(trained)["ModelArtifacts"]["S3ModelArtifacts"]
    with tarfile.open(fileobj=io.BytesIO(S3Downloader.read_bytes(uri))) as archive:
        assert archive.extractfile("made").read() == b"by a local pipeline"

    execution = pipeline.start(parameters={"Rows": "2"})
    assert execution.describe()["FailureReason"] == "Step 'TooFew' failed with message: fewer than 3"
