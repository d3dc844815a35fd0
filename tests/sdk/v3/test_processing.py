"""Processing jobs through SDK v3: its processors, and ProcessingJob as a resource."""

import itertools
import json
import uuid
from pathlib import Path

import pytest
from sagemaker.core.processing import FrameworkProcessor, Processor, ScriptProcessor
from sagemaker.core.resources import ProcessingJob
from sagemaker.core.shapes import ProcessingInput, ProcessingOutput, ProcessingS3Input, ProcessingS3Output
from sagemaker.core.utils.exceptions import FailedStatusError

NUMBERS = itertools.count(1)

SOURCE = {
    "main.py": "import sys, pathlib\nimport tabulate\n"
    "out = pathlib.Path('/opt/ml/processing/output')\n"
    "out.joinpath('told.txt').write_text(tabulate.__version__ + ' ' + ' '.join(sys.argv[1:]))\n",
    "requirements.txt": "tabulate==0.9.0\n",
}


def source(name, uri, path, **options):
    kept = {"s3_data_type": "S3Prefix", "s3_input_mode": "File", "s3_data_distribution_type": "FullyReplicated"}
    return ProcessingInput(
        input_name=name, s3_input=ProcessingS3Input(s3_uri=uri, local_path=path, **{**kept, **options})
    )


def output(name, uri, path, mode="EndOfJob"):
    place = ProcessingS3Output(s3_uri=uri, local_path=path, s3_upload_mode=mode)
    return ProcessingOutput(output_name=name, s3_output=place)


@pytest.fixture
def place(session):
    """A prefix of the test's own in S3."""
    return f"s3://{session.default_bucket()}/v3-processing/{uuid.uuid4().hex}"


@pytest.fixture
def text_at(s3):
    """The text of an object, by URI."""

    def read(uri):
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()

    return read


@pytest.fixture
def processor(session, role, image):
    """``processor(kind, **arguments)``: one on one small instance."""

    def make(kind, **arguments):
        defaults = {
            "image_uri": image,
            "role": role,
            "instance_type": "ml.m5.large",
            "instance_count": 1,
            "base_job_name": f"v3-processing-{next(NUMBERS)}",
            "sagemaker_session": session,
        }
        return kind(**{**defaults, **arguments})

    return make


def test_a_script_reads_its_inputs_and_writes_its_outputs(processor, folder, place, session, text_at):
    session.upload_string_as_file_body("1,2\n", session.default_bucket(), f"{place.split('/', 3)[3]}/in/a.csv")
    code = (
        "import os, pathlib, sys\n"
        "base = pathlib.Path('/opt/ml/processing')\n"
        "text = (base / 'in' / 'a.csv').read_text() + os.environ['COLOUR'] + sys.argv[1]\n"
        "(base / 'out' / 'b.csv').write_text(text)\n"
    )
    made = processor(ScriptProcessor, command=["python3"], env={"COLOUR": "blue"}, tags=[{"Key": "team", "Value": "a"}])
    made.run(
        code=str(Path(folder({"copy.py": code}), "copy.py")),
        inputs=[source("data", f"{place}/in", "/opt/ml/processing/in")],
        outputs=[output("copied", f"{place}/out", "/opt/ml/processing/out")],
        arguments=["--now"],
    )
    assert text_at(f"{place}/out/b.csv") == "1,2\nblue--now"
    found = ProcessingJob.get(made.latest_job.processing_job_name)
    assert found.processing_job_status == "Completed"
    assert found.environment == {"COLOUR": "blue"}
    tags = session.sagemaker_client.list_tags(ResourceArn=found.processing_job_arn)["Tags"]
    assert {"Key": "team", "Value": "a"} in tags


def test_a_framework_processor_brings_a_folder_and_its_requirements(processor, folder, place, text_at):
    made = processor(FrameworkProcessor)
    made.run(
        code="main.py",
        source_dir=folder(SOURCE),
        requirements="requirements.txt",
        outputs=[output("told", place, "/opt/ml/processing/output")],
        arguments=["one", "two"],
    )
    assert text_at(f"{place}/told.txt") == "0.9.0 one two"


def test_an_entry_point_of_ones_own_on_two_instances(processor, place, s3, session):
    made = processor(
        Processor,
        instance_count=2,
        entrypoint=["/bin/sh", "-c", "cp /opt/ml/config/resourceconfig.json /opt/ml/processing/out/$(hostname).json"],
    )
    made.run(outputs=[output("out", place, "/opt/ml/processing/out", mode="Continuous")])
    bucket, prefix = place.removeprefix("s3://").split("/", 1)
    found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
    configs = [json.load(s3.get_object(Bucket=bucket, Key=item["Key"])["Body"]) for item in found]
    assert [config["current_host"] for config in configs] == ["algo-1", "algo-2"]
    assert all(config["hosts"] == ["algo-1", "algo-2"] for config in configs)


def test_a_failure_raises_and_is_described(processor, folder):
    made = processor(ScriptProcessor, command=["python3"])
    made.run(code=str(Path(folder({"fails.py": "raise LookupError('no price')"}), "fails.py")), wait=False, logs=False)
    job = ProcessingJob.get(made.latest_job.processing_job_name)
    with pytest.raises(FailedStatusError):
        job.wait(poll=1, timeout=120)
    job.refresh()
    assert job.processing_job_status == "Failed"
    assert job.failure_reason


def test_a_job_is_found_and_stopped_as_a_resource(processor):
    made = processor(Processor, entrypoint=["sleep", "600"])
    made.run(wait=False, logs=False)
    name = made.latest_job.processing_job_name
    assert name in [job.processing_job_name for job in ProcessingJob.get_all(name_contains=name)]
    job = ProcessingJob.get(name)
    job.stop()
    job.wait(poll=1, timeout=120)
    assert ProcessingJob.get(name).processing_job_status == "Stopped"
