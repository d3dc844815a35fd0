"""SDK v3's resource classes over jobs, and ModelTrainer's less common arguments."""

import json
import uuid

import pytest
from botocore.exceptions import ClientError
from sagemaker.core.resources import ProcessingJob, TrainingJob
from sagemaker.core.shapes import (
    AlgorithmSpecification,
    AppSpecification,
    OutputDataConfig,
    ProcessingClusterConfig,
    ProcessingResources,
    ResourceConfig,
    StoppingCondition,
    Tag,
)
from sagemaker.core.utils.exceptions import FailedStatusError
from sagemaker.train.configs import Compute
from sagemaker.train.distributed import Torchrun

SUFFIX = uuid.uuid4().hex[:8]


@pytest.fixture
def created(session, role, image):
    """``created(name, script)``: a TrainingJob made without ModelTrainer, that runs a line of shell."""

    def make(name, script):
        return TrainingJob.create(
            training_job_name=name,
            role_arn=role,
            algorithm_specification=AlgorithmSpecification(
                training_image=image,
                training_input_mode="File",
                container_entrypoint=["/bin/sh", "-c"],
                container_arguments=[script],
            ),
            output_data_config=OutputDataConfig(s3_output_path=f"s3://{session.default_bucket()}/v3-resources"),
            resource_config=ResourceConfig(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=10),
            stopping_condition=StoppingCondition(max_runtime_in_seconds=300),
        )

    return make


def test_a_training_job_from_creation_to_deletion(created, s3, archive):
    job = created(f"v3-training-{SUFFIX}", "echo made > /opt/ml/model/file")
    job.wait(poll=1, timeout=120)
    job.refresh()
    assert (job.training_job_status, job.secondary_status) == ("Completed", "Completed")
    assert archive(s3, job.model_artifacts.s3_model_artifacts) == {"file": b"made\n"}
    found = TrainingJob.get_all(
        status_equals="Completed", name_contains=f"v3-training-{SUFFIX}", sort_order="Descending"
    )
    assert [item.training_job_name for item in found] == [f"v3-training-{SUFFIX}"]
    assert not list(TrainingJob.get_all(status_equals="Failed", name_contains=f"v3-training-{SUFFIX}"))
    with pytest.raises(ClientError) as caught:
        created(f"v3-training-{SUFFIX}", "true")
    assert caught.value.response["Error"]["Code"] == "ResourceInUse"


def test_a_training_job_that_fails(created):
    job = created(f"v3-failing-{SUFFIX}", "echo no price for 3 > /opt/ml/output/failure; exit 4")
    with pytest.raises(FailedStatusError, match="no price for 3"):
        job.wait(poll=1, timeout=120)
    with pytest.raises(ClientError, match="not found"):
        TrainingJob.get("v3-resource-missing")


def test_a_processing_job_from_creation_to_its_end(session, role, image):
    job = ProcessingJob.create(
        processing_job_name=f"v3-processing-{SUFFIX}",
        processing_resources=ProcessingResources(
            cluster_config=ProcessingClusterConfig(instance_count=1, instance_type="ml.m5.large", volume_size_in_gb=10)
        ),
        app_specification=AppSpecification(
            image_uri=image,
            container_entrypoint=["/bin/sh", "-c", "echo well done > /opt/ml/output/message"],
        ),
        role_arn=role,
        tags=[Tag(key="team", value="a")],
    )
    job.wait(poll=1, timeout=120)
    job.refresh()
    assert job.processing_job_status == "Completed"
    assert job.exit_message == "well done"
    found = ProcessingJob.get_all(name_contains=f"v3-processing-{SUFFIX}")
    assert [item.processing_job_arn for item in found] == [job.processing_job_arn]


def test_a_script_in_a_sub_folder_with_hyperparameters_from_a_file_on_two_instances(trainer, artifact, folder, session):
    values = folder({"values.json": json.dumps({"depth": 3, "rates": [0.1, 0.2], "name": "a b"})})
    script = """
import json, os, pathlib, sys
sys.path.insert(0, ".")
from lib.words import word
host = os.environ["SM_CURRENT_HOST"]
told = {"hps": json.loads(os.environ["SM_HPS"]), "hosts": json.loads(os.environ["SM_HOSTS"]), "word": word()}
pathlib.Path(os.environ["SM_MODEL_DIR"], host + ".json").write_text(json.dumps(told))
"""
    files = {"src/train.py": script, "lib/__init__.py": "", "lib/words.py": "def word():\n    return 'imported'\n"}
    made = trainer(
        files,
        source={"entry_script": "src/train.py"},
        hyperparameters=f"{values}/values.json",
        compute=Compute(instance_type="ml.m5.large", instance_count=2),
        tags=[Tag(key="team", value="a")],
    )
    made.train()
    found = {name: json.loads(text) for name, text in artifact(made).items()}
    assert set(found) >= {"algo-1.json"}
    assert found["algo-1.json"] == {
        "hps": {"depth": 3, "rates": [0.1, 0.2], "name": "a b"},
        "hosts": ["algo-1", "algo-2"],
        "word": "imported",
    }
    arn = made._latest_training_job.training_job_arn
    tags = session.sagemaker_client.list_tags(ResourceArn=arn)["Tags"]
    assert {"Key": "team", "Value": "a"} in tags


def test_torchrun_in_an_image_without_it_fails_and_the_log_says_so(trainer, logged):
    made = trainer({"train.py": "print('never')"}, distributed=Torchrun(process_count_per_node=1))
    with pytest.raises(FailedStatusError):
        made.train()
    log = logged(made)
    assert "torch" in log
    assert "never" not in log.splitlines()
