"""Processing jobs through SDK v2's processors, as its documentation shows them."""

import json
import uuid
from pathlib import Path

import pytest
from sagemaker.exceptions import UnexpectedStatusException
from sagemaker.network import NetworkConfig
from sagemaker.processing import FrameworkProcessor, ProcessingInput, ProcessingJob, ProcessingOutput, ScriptProcessor
from sagemaker.sklearn import SKLearn, SKLearnProcessor

SKLEARN_VERSION = "1.4-2"

SPLIT = """
import argparse, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--share", type=float)
share = parser.parse_args().share
base = pathlib.Path("/opt/ml/processing")
lines = (base / "input" / "data.csv").read_text().split()
cut = int(len(lines) * share)
for name, part in (("train", lines[:cut]), ("test", lines[cut:])):
    (base / name).mkdir(parents=True, exist_ok=True)
    (base / name / "part.csv").write_text("\\n".join(part))
print("split", len(lines), "lines in", os.environ["COLOUR"])
"""

SOURCE = {
    "main.py": "import sys, pathlib\nfrom lib.words import word\n"
    "pathlib.Path('/opt/ml/processing/output/told.txt').write_text(word() + ' ' + ' '.join(sys.argv[1:]))\n",
    "lib/__init__.py": "",
    "lib/words.py": "import tabulate\ndef word():\n    return 'tabulate ' + tabulate.__version__\n",
    "requirements.txt": "tabulate==0.9.0\n",
}


@pytest.fixture
def sklearn_processor(session, role):
    """``sklearn_processor(**arguments)``: an SKLearnProcessor on one small instance."""

    def make(**arguments):
        defaults = {
            "framework_version": SKLEARN_VERSION,
            "role": role,
            "instance_type": "ml.m5.large",
            "instance_count": 1,
            "sagemaker_session": session,
        }
        return SKLearnProcessor(**{**defaults, **arguments})

    return make


@pytest.fixture
def place(session):
    """A prefix of the test's own in S3."""
    return f"s3://{session.default_bucket()}/v2-processing/{uuid.uuid4().hex}"


@pytest.fixture
def text_at(s3):
    """The text of an object, by URI."""

    def read(uri):
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()

    return read


def test_a_script_splits_a_local_file(sklearn_processor, folder, text_at, capsys):
    data = folder({"data.csv": "a\nb\nc\nd\n"})
    processor = sklearn_processor(env={"COLOUR": "blue"}, base_job_name="split", max_runtime_in_seconds=600)
    processor.run(
        code=str(Path(folder({"split.py": SPLIT}), "split.py")),
        inputs=[ProcessingInput(source=str(Path(data, "data.csv")), destination="/opt/ml/processing/input")],
        outputs=[
            ProcessingOutput(output_name="train", source="/opt/ml/processing/train"),
            ProcessingOutput(output_name="test", source="/opt/ml/processing/test"),
        ],
        arguments=["--share", "0.75"],
    )
    assert "split 4 lines in blue" in capsys.readouterr().out
    described = processor.latest_job.describe()
    assert described["ProcessingJobStatus"] == "Completed"
    assert described["AppSpecification"]["ContainerArguments"] == ["--share", "0.75"]
    assert described["StoppingCondition"] == {"MaxRuntimeInSeconds": 600}
    found = {
        output["OutputName"]: text_at(output["S3Output"]["S3Uri"] + "/part.csv")
        for output in described["ProcessingOutputConfig"]["Outputs"]
    }
    assert found == {"train": "a\nb\nc", "test": "d"}


def test_a_framework_processor_installs_requirements_and_imports_its_source(session, role, folder, place, text_at):
    processor = FrameworkProcessor(
        estimator_cls=SKLearn,
        framework_version=SKLEARN_VERSION,
        role=role,
        instance_type="ml.m5.large",
        instance_count=1,
        sagemaker_session=session,
    )
    processor.run(
        code="main.py",
        source_dir=folder(SOURCE),
        arguments=["one", "two words"],
        outputs=[ProcessingOutput(source="/opt/ml/processing/output", destination=place)],
    )
    assert text_at(f"{place}/told.txt") == "tabulate 0.9.0 one two words"


def test_another_command_than_python(session, role, folder, place, text_at):
    processor = ScriptProcessor(
        image_uri=f"sagemaker-scikit-learn:{SKLEARN_VERSION}-cpu-py3",
        command=["/bin/sh", "-e"],
        role=role,
        instance_type="ml.m5.large",
        instance_count=1,
        sagemaker_session=session,
    )
    script = folder(
        {"run.sh": 'cat /opt/ml/processing/a/one.txt "/opt/ml/processing/b/two.txt" > /opt/ml/processing/out/both\n'}
    )
    session.upload_string_as_file_body("1", session.default_bucket(), f"{place.split('/', 3)[3]}/in/one.txt")
    processor.run(
        code=str(Path(script, "run.sh")),
        inputs=[
            ProcessingInput(input_name="a", source=f"{place}/in", destination="/opt/ml/processing/a"),
            ProcessingInput(input_name="b", source=folder({"two.txt": "2"}), destination="/opt/ml/processing/b"),
        ],
        outputs=[
            ProcessingOutput(
                output_name="out",
                source="/opt/ml/processing/out",
                destination=f"{place}/out",
                s3_upload_mode="Continuous",
            )
        ],
    )
    assert text_at(f"{place}/out/both") == "12"


def test_a_failing_script_raises_with_the_reason(sklearn_processor, folder):
    processor = sklearn_processor(network_config=NetworkConfig(enable_network_isolation=True))
    code = (
        "import pathlib\n"
        "pathlib.Path('/opt/ml/output/message').write_text('the price is missing')\n"
        "raise SystemExit(3)\n"
    )
    with pytest.raises(UnexpectedStatusException) as caught:
        processor.run(code=str(Path(folder({"fails.py": code}), "fails.py")))
    assert caught.value.actual_status == "Failed"
    described = processor.latest_job.describe()
    assert described["NetworkConfig"]["EnableNetworkIsolation"] is True
    assert described["ExitMessage"] == "the price is missing"


def test_shards_on_two_instances(sklearn_processor, folder, session, place, s3):
    prefix = place.split("/", 3)[3]
    for number in range(4):
        session.upload_string_as_file_body(str(number), session.default_bucket(), f"{prefix}/in/{number}.txt")
    code = (
        "import json, os\n"
        "host = json.load(open('/opt/ml/config/resourceconfig.json'))['current_host']\n"
        "names = sorted(os.listdir('/opt/ml/processing/in'))\n"
        "json.dump(names, open(f'/opt/ml/processing/out/{host}.json', 'w'))\n"
    )
    processor = sklearn_processor(instance_count=2)
    processor.run(
        code=str(Path(folder({"shard.py": code}), "shard.py")),
        inputs=[
            ProcessingInput(
                source=f"{place}/in",
                destination="/opt/ml/processing/in",
                s3_data_distribution_type="ShardedByS3Key",
            )
        ],
        outputs=[ProcessingOutput(source="/opt/ml/processing/out", destination=f"{place}/out")],
    )
    listed = s3.list_objects_v2(Bucket=session.default_bucket(), Prefix=f"{prefix}/out/")["Contents"]
    shards = [json.load(s3.get_object(Bucket=session.default_bucket(), Key=item["Key"])["Body"]) for item in listed]
    assert [item["Key"].rsplit("/", 1)[1] for item in listed] == ["algo-1.json", "algo-2.json"]
    assert all(len(shard) == 2 for shard in shards)
    assert sorted(name for shard in shards for name in shard) == ["0.txt", "1.txt", "2.txt", "3.txt"]


def test_a_job_is_stopped_and_attached_to(sklearn_processor, folder, session):
    processor = sklearn_processor()
    processor.run(
        code=str(Path(folder({"waits.py": "import time\ntime.sleep(600)\n"}), "waits.py")), wait=False, logs=False
    )
    name = processor.latest_job.job_name
    processor.latest_job.stop()
    session.sagemaker_client.get_waiter("processing_job_completed_or_stopped").wait(ProcessingJobName=name)
    attached = ProcessingJob.from_processing_name(session, name)
    assert attached.describe()["ProcessingJobStatus"] == "Stopped"
    assert [item.destination for item in attached.inputs] == ["/opt/ml/processing/input/code"]
