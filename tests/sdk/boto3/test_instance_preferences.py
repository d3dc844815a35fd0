"""InstancePreferences of training and processing jobs: the first is selected, and Describe tells."""

import time

import pytest
from botocore.exceptions import ClientError

LARGE = {"InstanceType": "ml.m5.large", "InstanceCount": 2}
PREFERENCES = [LARGE, {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1}]
SELECTED = {"SelectedInstanceType": "ml.m5.large", "SelectedInstanceCount": 2}
COUNTS = "InstanceCount must be given either"


def test_a_training_job_runs_on_the_first(account):
    described = account.succeed(
        "print('hello')", ResourceConfig={"VolumeSizeInGB": 1, "InstancePreferences": PREFERENCES}
    )
    assert described["ResourceConfig"] == {"VolumeSizeInGB": 1, "InstancePreferences": PREFERENCES, **SELECTED}
    assert sum("hello" in line for line in account.log(described["TrainingJobName"])) == 2


def test_a_processing_job_runs_on_the_first(account):
    name = account.unique("preferring")
    cluster = {"VolumeSizeInGB": 1, "InstanceCount": 1, "InstancePreferences": [{"InstanceType": "ml.m5.large"}]}
    account.sagemaker.create_processing_job(
        ProcessingJobName=name,
        AppSpecification={"ImageUri": account.sklearn, "ContainerEntrypoint": ["true"]},
        ProcessingResources={"ClusterConfig": cluster},
        RoleArn=account.role,
    )
    deadline = time.monotonic() + 120
    while (found := account.sagemaker.describe_processing_job(ProcessingJobName=name))["ProcessingJobStatus"] in (
        "InProgress",
        "Stopping",
    ):
        assert time.monotonic() < deadline, found
        time.sleep(0.03)
    assert found["ProcessingJobStatus"] == "Completed"
    selected = {"SelectedInstanceType": "ml.m5.large", "SelectedInstanceCount": 1}
    assert found["ProcessingResources"]["ClusterConfig"] == {**cluster, **selected}


@pytest.mark.parametrize(
    ("resources", "told"),
    [
        ({"InstancePreferences": PREFERENCES, "InstanceType": "ml.m5.large"}, "excludes InstanceType"),
        ({"InstancePreferences": PREFERENCES, "InstanceCount": 1}, COUNTS),
        ({"InstancePreferences": [LARGE, {"InstanceType": "ml.c5.xlarge"}]}, COUNTS),
        ({"InstancePreferences": [{"InstanceType": "ml.m5.large"}]}, COUNTS),
        ({"InstancePreferences": [LARGE, LARGE]}, "ml.m5.large appears more than once"),
        ({"InstanceType": "ml.m5.large", "InstanceCount": 1, **SELECTED}, "SelectedInstanceType is read-only"),
    ],
)
def test_contradictions_are_refused(account, resources, told):
    with pytest.raises(ClientError, match=told) as caught:
        account.create("", ResourceConfig={"VolumeSizeInGB": 1, **resources})
    assert caught.value.response["Error"]["Code"] == "ValidationException"
