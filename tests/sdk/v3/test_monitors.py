"""AWS's images for monitoring and Clarify, as SDK v3 runs them."""

import json
import uuid

import pytest
from sagemaker.core import clarify
from sagemaker.core.model_monitor import DatasetFormat, DefaultModelMonitor

pytestmark = pytest.mark.frameworks

ROWS = "label,woman,income\n" + "".join(f"{n % 2},{n % 4 // 2},{n % 30}\n" for n in range(300))


@pytest.fixture
def place(session):
    return f"s3://{session.default_bucket()}/v3-monitors/{uuid.uuid4().hex}"


@pytest.fixture
def document(s3):
    def read(uri):
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        return json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    return read


def test_a_baseline_is_suggested(session, role, folder, place, document):
    monitor = DefaultModelMonitor(role=role, instance_type="ml.m5.large", sagemaker_session=session)
    monitor.suggest_baseline(
        baseline_dataset=folder({"rows.csv": ROWS}) + "/rows.csv",
        dataset_format=DatasetFormat.csv(header=True),
        output_s3_uri=place,
    )
    assert document(f"{place}/statistics.json")["dataset"] == {"item_count": 300}
    names = [feature["name"] for feature in document(f"{place}/constraints.json")["features"]]
    assert names == ["label", "woman", "income"]


def test_bias_before_training(session, role, place, s3, document):
    bucket, key = place.removeprefix("s3://").split("/", 1)
    s3.put_object(Bucket=bucket, Key=f"{key}/data/rows.csv", Body=ROWS.encode())
    processor = clarify.SageMakerClarifyProcessor(
        role=role, instance_count=1, instance_type="ml.m5.large", sagemaker_session=session
    )
    processor.run_pre_training_bias(
        data_config=clarify.DataConfig(
            s3_data_input_path=f"{place}/data/rows.csv",
            s3_output_path=f"{place}/out",
            label="label",
            headers=["label", "woman", "income"],
            dataset_type="text/csv",
        ),
        data_bias_config=clarify.BiasConfig(
            label_values_or_threshold=[1], facet_name="woman", facet_values_or_threshold=[1]
        ),
    )
    [group] = document(f"{place}/out/analysis.json")["pre_training_bias_metrics"]["facets"]["woman"]
    assert {metric["name"]: metric["value"] for metric in group["metrics"]}["DPL"] == pytest.approx(0)
