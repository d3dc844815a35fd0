"""QualityCheck and ClarifyCheck steps of a pipeline, with the images' own programs."""

import json
import uuid

import pytest
from sagemaker.clarify import BiasConfig, DataConfig
from sagemaker.model_monitor import DatasetFormat
from sagemaker.workflow.check_job_config import CheckJobConfig
from sagemaker.workflow.clarify_check_step import ClarifyCheckStep, DataBiasCheckConfig
from sagemaker.workflow.parameters import ParameterBoolean, ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.quality_check_step import DataQualityCheckConfig, QualityCheckStep

pytestmark = pytest.mark.frameworks

GOOD = "label,woman,income\n" + "".join(f"{n % 2},{n % 4 // 2},{n % 30}\n" for n in range(300))
OTHER = "label,woman,income\n" + "".join(f"{int(n % 4 < 2)},{n % 4 // 2},{n % 30 + 500}\n" for n in range(300))


@pytest.fixture
def place(session):
    return f"s3://{session.default_bucket()}/v2-checks/{uuid.uuid4().hex}"


@pytest.fixture
def put(s3):
    def write(uri, text):
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        s3.put_object(Bucket=bucket, Key=key, Body=text.encode())
        return uri

    return write


@pytest.fixture
def document(s3):
    def read(uri):
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        return json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    return read


@pytest.fixture
def pipeline(role, place):
    """A pipeline that checks a dataset's quality and its bias; the dataset and the baselines are parameters."""
    session = PipelineSession()
    data = ParameterString(name="Data")
    skip = ParameterBoolean(name="Skip", default_value=True)
    statistics, constraints = (
        ParameterString("Statistics", default_value=""),
        ParameterString("Constraints", default_value=""),
    )
    bias = ParameterString("Bias", default_value="")
    job = CheckJobConfig(role=role, instance_count=1, instance_type="ml.m5.large", sagemaker_session=session)
    quality = QualityCheckStep(
        name="Quality",
        check_job_config=job,
        quality_check_config=DataQualityCheckConfig(
            baseline_dataset=data, dataset_format=DatasetFormat.csv(header=True), output_s3_uri=f"{place}/quality"
        ),
        skip_check=skip,
        fail_on_violation=False,
        register_new_baseline=False,
        supplied_baseline_statistics=statistics,
        supplied_baseline_constraints=constraints,
    )
    data_bias = ClarifyCheckStep(
        name="Bias",
        check_job_config=job,
        clarify_check_config=DataBiasCheckConfig(
            data_config=DataConfig(
                s3_data_input_path=data,
                s3_output_path=f"{place}/bias",
                s3_analysis_config_output_path=f"{place}/bias-config",
                label="label",
                headers=["label", "woman", "income"],
                dataset_type="text/csv",
            ),
            data_bias_config=BiasConfig(
                label_values_or_threshold=[1], facet_name="woman", facet_values_or_threshold=[1]
            ),
            methods=["DPL", "CI"],
        ),
        skip_check=skip,
        fail_on_violation=True,
        register_new_baseline=False,
        supplied_baseline_constraints=bias,
        depends_on=[quality],
    )
    made = Pipeline(
        name=f"checks-{uuid.uuid4().hex[:8]}",
        parameters=[data, skip, statistics, constraints, bias],
        steps=[quality, data_bias],
        sagemaker_session=session,
    )
    made.upsert(role)
    return made


def finished(execution):
    """The steps of an execution, once it has ended, by name."""
    try:
        execution.wait(delay=1, max_attempts=300)
    except Exception as error:  # noqa: BLE001 - a failed execution is one that has ended
        print(error)
    return {step["StepName"]: step for step in execution.list_steps()}


def test_a_baseline_is_made_and_another_dataset_checked_against_it(pipeline, place, put, document):
    steps = finished(pipeline.start({"Data": put(f"{place}/good.csv", GOOD)}))
    assert {name: step["StepStatus"] for name, step in steps.items()} == {"Quality": "Succeeded", "Bias": "Succeeded"}
    quality = steps["Quality"]["Metadata"]["QualityCheck"]
    assert document(quality["CalculatedBaselineStatistics"])["dataset"] == {"item_count": 300}
    bias = steps["Bias"]["Metadata"]["ClarifyCheck"]["CalculatedBaselineConstraints"]
    kept = put(f"{place}/kept/analysis.json", json.dumps(document(bias)))
    for name in ("Statistics", "Constraints"):
        text = json.dumps(document(quality[f"CalculatedBaseline{name}"]))
        put(f"{place}/kept/{name.lower()}.json", text)
    again = finished(
        pipeline.start(
            {
                "Data": put(f"{place}/other.csv", OTHER),
                "Skip": False,
                "Statistics": f"{place}/kept/statistics.json",
                "Constraints": f"{place}/kept/constraints.json",
                "Bias": kept,
            }
        )
    )
    assert again["Quality"]["StepStatus"] == "Succeeded"
    report = document(again["Quality"]["Metadata"]["QualityCheck"]["ViolationReport"])
    found = {(violation["feature_name"], violation["constraint_check_type"]) for violation in report["violations"]}
    assert found == {("income", "baseline_drift_check")}
    assert again["Bias"]["StepStatus"] == "Failed"
    report = document(again["Bias"]["Metadata"]["ClarifyCheck"]["ViolationReport"])
    assert [violation["metric_name"] for violation in report["violations"]] == ["DPL"]
