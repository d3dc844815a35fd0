"""Baselines and checks by AWS's image for monitoring, as the SDK runs it."""

import json
import uuid

import pytest
from sagemaker.model_monitor import DatasetFormat, DefaultModelMonitor, ModelQualityMonitor
from sagemaker.processing import ProcessingInput, ProcessingOutput, Processor

pytestmark = pytest.mark.frameworks

ROWS = "age,price,colour\n" + "".join(
    f"{n % 50},{n * 0.5 + 0.25},{['red', 'green', 'blue'][n % 3]}\n" for n in range(300)
)
DRIFTED = "age,price,taste\n" + "".join(f"{'?' if n % 2 else n % 50},{n * 5 + 0.25},sour\n" for n in range(300))
ANSWERS = "label,prediction,probability\n" + "".join(
    f"{n % 2},{int(n % 2 == 1 or n % 10 == 0)},{0.9 if n % 2 == 1 else 0.6 if n % 10 == 0 else 0.2}\n"
    for n in range(400)
)


@pytest.fixture
def place(session):
    return f"s3://{session.default_bucket()}/v2-monitor/{uuid.uuid4().hex}"


@pytest.fixture
def document(s3):
    """A JSON document by its URI."""

    def read(uri):
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        return json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    return read


def given(role, session, **arguments):
    return {"role": role, "instance_type": "ml.m5.large", "sagemaker_session": session, **arguments}


def test_a_datas_baseline_is_suggested(session, role, folder, place):
    monitor = DefaultModelMonitor(**given(role, session))
    monitor.suggest_baseline(
        baseline_dataset=folder({"rows.csv": ROWS}) + "/rows.csv",
        dataset_format=DatasetFormat.csv(header=True),
        output_s3_uri=place,
    )
    statistics = monitor.baseline_statistics().body_dict
    assert statistics["dataset"] == {"item_count": 300}
    age, price, colour = statistics["features"]
    assert (age["name"], age["inferred_type"]) == ("age", "Integral")
    numbers = price["numerical_statistics"]
    assert price["inferred_type"] == "Fractional"
    assert numbers["common"] == {"num_present": 300, "num_missing": 0}
    assert (numbers["min"], numbers["max"], numbers["mean"]) == (0.25, 149.75, 75.0)
    assert [bucket["count"] for bucket in numbers["distribution"]["kll"]["buckets"]] == [30.0] * 10
    assert colour["string_statistics"]["distinct_count"] == 3
    constraints = monitor.suggested_constraints()
    assert constraints.body_dict["features"][0]["num_constraints"] == {"is_non_negative": True}
    assert constraints.body_dict["features"][2]["string_constraints"] == {"domains": ["blue", "green", "red"]}
    assert constraints.body_dict["monitoring_config"]["distribution_constraints"]["comparison_threshold"] == 0.1
    assert "no violations" in monitor.latest_baselining_job.describe()["ExitMessage"]


def checked(session, role, folder, place, data, baseline, environment):
    """A job as the monitoring of a schedule or a pipeline's check runs it; where its results are."""
    monitor = DefaultModelMonitor(**given(role, session))
    base = "/opt/ml/processing"
    processor = Processor(
        image_uri=monitor.image_uri,
        instance_count=1,
        env={
            "dataset_source": f"{base}/input/data",
            "dataset_format": json.dumps(DatasetFormat.csv(header=True)),
            "output_path": f"{base}/output",
            "baseline_constraints": f"{base}/baseline/constraints/constraints.json",
            "baseline_statistics": f"{base}/baseline/stats/statistics.json",
            **environment,
        },
        **given(role, session),
    )
    processor.run(
        inputs=[
            ProcessingInput(source=folder({"rows.csv": data}), destination=f"{base}/input/data"),
            ProcessingInput(
                input_name="c", source=f"{baseline}/constraints.json", destination=f"{base}/baseline/constraints"
            ),
            ProcessingInput(input_name="s", source=f"{baseline}/statistics.json", destination=f"{base}/baseline/stats"),
        ],
        outputs=[ProcessingOutput(source=f"{base}/output", destination=f"{place}/check")],
    )
    return processor.latest_job


def test_other_data_violates_the_baseline(session, role, folder, place, document):
    monitor = DefaultModelMonitor(**given(role, session))
    monitor.suggest_baseline(
        baseline_dataset=folder({"rows.csv": ROWS}) + "/rows.csv",
        dataset_format=DatasetFormat.csv(header=True),
        output_s3_uri=place,
    )
    job = checked(session, role, folder, place, DRIFTED, place, {})
    found = document(f"{place}/check/constraint_violations.json")["violations"]
    kinds = {(violation["feature_name"], violation["constraint_check_type"]) for violation in found}
    assert kinds == {
        ("age", "data_type_check"),
        ("price", "baseline_drift_check"),
        ("colour", "missing_column_check"),
        ("taste", "extra_column_check"),
    }
    assert job.describe()["ExitMessage"] == "CompletedWithViolations: Job completed successfully with 4 violations."
    checked(session, role, folder, place, ROWS, place, {})
    assert document(f"{place}/check/constraint_violations.json") == {"violations": []}


def test_numbers_where_texts_were_are_of_another_type(session, role, folder, place, document):
    """As the SDK's own integration tests want it of a QualityCheck step."""
    constraints = {
        "version": 0.0,
        "features": [
            {"name": "_c0", "inferred_type": "Fractional", "completeness": 1.0},
            {"name": "_c1", "inferred_type": "String", "completeness": 1.0},
            {"name": "_c2", "inferred_type": "String", "completeness": 1.0},
        ],
        "monitoring_config": {"evaluate_constraints": "Enabled", "datatype_check_threshold": 1.0},
    }
    kept = folder({"constraints.json": json.dumps(constraints), "statistics.json": '{"version": 0.0, "features": []}'})
    rows = "".join(f"{n}.5,{n}.25,{'a' if n == 3 else n}\n" for n in range(20))
    checked(session, role, folder, place, rows, kept, {"dataset_format": json.dumps(DatasetFormat.csv(header=False))})
    [found] = document(f"{place}/check/constraint_violations.json")["violations"]
    assert (found["feature_name"], found["constraint_check_type"]) == ("_c1", "data_type_check")
    assert "Observed: Only 0.00% of data is String" in found["description"]


def test_a_models_baseline_is_suggested_and_checked(session, role, folder, place, document):
    monitor = ModelQualityMonitor(**given(role, session))
    monitor.suggest_baseline(
        baseline_dataset=folder({"answers.csv": ANSWERS}) + "/answers.csv",
        dataset_format=DatasetFormat.csv(header=True),
        problem_type="BinaryClassification",
        inference_attribute="prediction",
        probability_attribute="probability",
        ground_truth_attribute="label",
        output_s3_uri=place,
        wait=True,
    )
    measured = monitor.baseline_statistics().body_dict["binary_classification_metrics"]
    assert measured["confusion_matrix"] == {"0": {"0": 160, "1": 40}, "1": {"0": 0, "1": 200}}
    assert measured["accuracy"]["value"] == 0.9
    assert measured["recall"] == {"value": 1.0, "standard_deviation": 0.0}
    assert measured["auc"]["value"] == 1.0
    constraints = monitor.suggested_constraints().body_dict["binary_classification_constraints"]
    assert constraints["accuracy"] == {"threshold": 0.9, "comparison_operator": "LessThanThreshold"}
    assert constraints["false_positive_rate"]["comparison_operator"] == "GreaterThanThreshold"
    worse = ANSWERS.replace("1,1,0.9\n", "1,0,0.1\n", 100)
    names = {
        "analysis_type": "MODEL_QUALITY",
        "problem_type": "BinaryClassification",
        "inference_attribute": "prediction",
        "ground_truth_attribute": "label",
    }
    checked(session, role, folder, place, worse, place, names)
    found = document(f"{place}/check/constraint_violations.json")["violations"]
    assert {"accuracy", "recall", "f1"} <= {violation["metric_name"] for violation in found}
    assert "false_positive_rate" not in {violation["metric_name"] for violation in found}


@pytest.mark.parametrize(
    ("problem", "metric", "expected"),
    [("Regression", "mae", 0.5), ("MulticlassClassification", "accuracy", 0.75)],
)
def test_the_other_kinds_of_models_have_a_baseline_too(session, role, folder, place, problem, metric, expected):
    """Without a header, as a transform job joins inputs and predictions."""
    monitor = ModelQualityMonitor(**given(role, session))
    monitor.suggest_baseline(
        baseline_dataset=folder({"answers.csv": "".join(f"{n % 4},{max(n % 4, 1) + 0.0}\n" for n in range(400))})
        if problem != "Regression"
        else folder({"answers.csv": "".join(f"{n}.0,{n + n % 2}\n" for n in range(400))}),
        dataset_format=DatasetFormat.csv(header=False),
        problem_type=problem,
        inference_attribute="_c1",
        ground_truth_attribute="_c0",
        output_s3_uri=place,
        wait=True,
    )
    member = {"Regression": "regression", "MulticlassClassification": "multiclass_classification"}[problem]
    measured = monitor.baseline_statistics().body_dict[f"{member}_metrics"]
    assert measured[metric]["value"] == expected
    assert monitor.suggested_constraints().body_dict[f"{member}_constraints"][metric]["threshold"] == expected


def test_what_is_wrong_with_the_data_is_the_jobs_message(session, role, folder, place):
    monitor = ModelQualityMonitor(**given(role, session))
    monitor.suggest_baseline(
        baseline_dataset=folder({"answers.csv": ANSWERS}) + "/answers.csv",
        dataset_format=DatasetFormat.csv(header=True),
        problem_type="BinaryClassification",
        inference_attribute="no-such",
        ground_truth_attribute="label",
        output_s3_uri=place,
    )
    waiter = session.sagemaker_client.get_waiter("processing_job_completed_or_stopped")
    name = monitor.latest_baselining_job_name
    with pytest.raises(Exception, match="terminal failure"):
        waiter.wait(ProcessingJobName=name)
    described = session.sagemaker_client.describe_processing_job(ProcessingJobName=name)
    assert "no column 'no-such'" in described["ExitMessage"]
