"""Bias and explanations by Clarify's image, as the SDK runs it."""

import io
import json
import tarfile
import time
import uuid

import pandas as pd
import pytest
from sagemaker import clarify
from sagemaker.processing import ProcessingInput, ProcessingOutput, Processor
from sagemaker.sklearn import SKLearnModel

pytestmark = pytest.mark.frameworks

# The model: men get the credit from an income of 40 on, women from 60 on.
HANDLERS = """
import numpy as np
def model_fn(folder):
    return None
def predict_fn(data, model):
    rows = np.atleast_2d(np.asarray(data, dtype=float))
    return 1 / (1 + np.exp(-(rows[:, 1] - 40 - 20 * rows[:, 0]) / 5))
def output_fn(scores, accept):
    return "\\n".join(repr(float(score)) for score in scores), accept
"""
# A regression, which answers several rows in one line, as XGBoost's images before 1.2-2 do.
LINEAR = """
import numpy as np
def model_fn(folder):
    return None
def predict_fn(data, model):
    return np.atleast_2d(np.asarray(data, dtype=float)) @ np.arange(1, 7)
def output_fn(scores, accept):
    return ",".join(repr(float(score)) for score in scores), accept
"""
HEADERS = ["approved", "woman", "income", "postcode"]
ROWS = [(int(income >= 50), woman, income, income * 7 % 5) for woman in (0, 1) for income in range(30, 70)]
ROWS += [(int(income >= 50), 0, income, income * 3 % 5) for income in range(30, 70)]


@pytest.fixture(scope="module")
def place(session):
    return f"s3://{session.default_bucket()}/v2-clarify/{uuid.uuid4().hex}"


@pytest.fixture(scope="module")
def dataset(session, place):
    return put_rows(session, f"{place}/data/rows.csv", ROWS)


def put_rows(session, uri, rows):
    """Store them as CSV. Returns the URI."""
    bucket, key = uri.removeprefix("s3://").split("/", 1)
    text = "\n".join(",".join(map(str, row)) for row in rows)
    session.boto_session.client("s3").put_object(Bucket=bucket, Key=key, Body=text.encode())
    return uri


@pytest.fixture(scope="module")
def model(session, role, place, tmp_path_factory):
    """The name of a model that answers with a score for each row."""
    return made_of(HANDLERS, session, role, place, tmp_path_factory.mktemp("clarify"))


def made_of(handlers, session, role, place, source):
    (source / "inference.py").write_text(handlers)
    buffer = io.BytesIO()
    tarfile.open(fileobj=buffer, mode="w:gz").close()
    bucket, key = place.removeprefix("s3://").split("/", 1)
    session.boto_session.client("s3").put_object(Bucket=bucket, Key=f"{key}/model.tar.gz", Body=buffer.getvalue())
    made = SKLearnModel(
        model_data=f"{place}/model.tar.gz",
        role=role,
        entry_point=str(source / "inference.py"),
        framework_version="1.4-2",
        sagemaker_session=session,
    )
    made.create(instance_type="ml.m5.large")
    return made.name


@pytest.fixture
def processor(session, role):
    return clarify.SageMakerClarifyProcessor(
        role=role, instance_count=1, instance_type="ml.m5.large", sagemaker_session=session
    )


@pytest.fixture
def data_config(dataset, place):
    """A DataConfig with an output of its own."""
    return clarify.DataConfig(
        s3_data_input_path=dataset,
        s3_output_path=f"{place}/{uuid.uuid4().hex}",
        label="approved",
        headers=HEADERS,
        dataset_type="text/csv",
    )


@pytest.fixture
def model_config(model):
    return clarify.ModelConfig(
        model_name=model, instance_type="ml.m5.large", instance_count=1, accept_type="text/csv", content_type="text/csv"
    )


@pytest.fixture
def files(s3):
    """The objects below a URI, by their names."""

    def read(uri):
        bucket, prefix = uri.removeprefix("s3://").split("/", 1)
        found = s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/").get("Contents", [])
        return {
            item["Key"].removeprefix(f"{prefix}/"): s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
            for item in found
        }

    return read


@pytest.fixture
def bias_config():
    return clarify.BiasConfig(label_values_or_threshold=[1], facet_name="woman", facet_values_or_threshold=[1])


def metrics(section):
    [group] = section["facets"]["woman"]
    assert group["value_or_threshold"] == "1"
    return {metric["name"]: metric["value"] for metric in group["metrics"]}


def test_bias_before_and_after_training(processor, session, data_config, bias_config, model_config, files):
    processor.run_bias(
        data_config=data_config,
        bias_config=bias_config,
        model_config=model_config,
        model_predicted_label_config=clarify.ModelPredictedLabelConfig(probability_threshold=0.5),
    )
    made = files(data_config.s3_output_path)
    assert {"analysis.json", "analysis_config.json", "report.html", "report.ipynb"} <= set(made)
    analysis = json.loads(made["analysis.json"])
    before = metrics(analysis["pre_training_bias_metrics"])
    assert before["CI"] == pytest.approx(1 / 3)
    assert before["DPL"] == pytest.approx(0)
    assert before["CDDL"] is None
    after = metrics(analysis["post_training_bias_metrics"])
    assert after["DPPL"] == pytest.approx(29 / 40 - 9 / 40)
    assert after["DI"] == pytest.approx(9 / 29)
    assert after["RD"] == pytest.approx(1 - 9 / 20)
    assert set(after) == {"AD", "CDDPL", "DAR", "DCA", "DCR", "DI", "DPPL", "DRR", "FT", "GE", "RD", "SD", "TE"}
    assert session.sagemaker_client.list_endpoints(NameContains="clarify")["Endpoints"] == []


def test_shap_values_and_partial_dependence(processor, data_config, model_config, files):
    processor.run_explainability(
        data_config=data_config,
        model_config=model_config,
        explainability_config=[
            clarify.SHAPConfig(baseline=[[0, 50, 2]], num_samples=50, agg_method="mean_abs"),
            clarify.PDPConfig(features=["income"], grid_resolution=5),
        ],
    )
    made = files(data_config.s3_output_path)
    explanations = json.loads(made["analysis.json"])["explanations"]
    values = explanations["kernel_shap"]["label0"]["global_shap_values"]
    assert values["income"] > values["woman"] > 0.05
    assert values["postcode"] == pytest.approx(0, abs=1e-9)
    assert explanations["kernel_shap"]["label0"]["expected_value"] == pytest.approx(0.8807970779778823)
    local = pd.read_csv(io.BytesIO(made["explanations_shap/out.csv"]))
    assert list(local.columns) == ["woman_label0", "income_label0", "postcode_label0"]
    assert len(local) == len(ROWS)
    [dependence] = explanations["pdp"]
    assert dependence["feature_values"] == [30, 39.75, 49.5, 59.25, 69]
    assert dependence["model_predictions"][0] == sorted(dependence["model_predictions"][0])


def test_a_threshold_in_floating_point_columns(processor, session, role, place, files, tmp_path):
    """As the check steps of a public pipeline for a regression have it: columns by their places, no headers."""
    rows = [(n % 30 + 0.0, float(n % 3 == 0), *((n * k % 7) / 7.0 for k in range(1, 6))) for n in range(90)]
    data = clarify.DataConfig(
        s3_data_input_path=put_rows(session, f"{place}/floats/rows.csv", rows),
        s3_output_path=f"{place}/of-floats",
        label=0,
        dataset_type="text/csv",
    )
    name = made_of(LINEAR, session, role, place, tmp_path)
    processor.run_bias_and_explainability(
        data_config=data,
        model_config=clarify.ModelConfig(model_name=name, instance_type="ml.m5.large", instance_count=1),
        explainability_config=clarify.SHAPConfig(seed=123, num_samples=3),
        bias_config=clarify.BiasConfig([15.0], facet_name=[1], facet_values_or_threshold=[[0.5]]),
        pre_training_methods=["CI", "DPL"],
        post_training_methods=["DPPL"],
        model_predicted_label_config=clarify.ModelPredictedLabelConfig(),
    )
    made = files(data.s3_output_path)
    analysis = json.loads(made["analysis.json"])
    before = analysis["pre_training_bias_metrics"]
    [group] = before["facets"]["column_1"]
    assert (before["label_value_or_threshold"], group["value_or_threshold"]) == ("(15.0, 29.0]", "(0.5, 1.0]")
    assert {m["name"]: m["value"] for m in group["metrics"]}["CI"] == pytest.approx(1 / 3)
    [after] = analysis["post_training_bias_metrics"]["facets"]["column_1"]
    predicted = [sum((k + 1) * value for k, value in enumerate(row[1:])) > 15 for row in rows]
    share = [sum(v for v, row in zip(predicted, rows, strict=True) if row[1] == facet) for facet in (0.0, 1.0)]
    assert after["metrics"][0]["value"] == pytest.approx(share[0] / 60 - share[1] / 30)
    local = pd.read_csv(io.BytesIO(made["explanations_shap/out.csv"]))
    baseline = pd.read_csv(io.BytesIO(made["explanations_shap/baseline.csv"])).iloc[0]
    difference = pd.DataFrame(rows).iloc[:, 1:].to_numpy() - baseline.to_numpy()
    assert abs(local.to_numpy() - difference * range(1, 7)).max() < 1e-6


def test_a_drift_from_a_baseline_is_told(processor, session, role, dataset, place, data_config, bias_config, files):
    """As a pipeline's ClarifyCheck has it: an earlier analysis.json to check against."""
    processor.run_pre_training_bias(data_config=data_config, data_bias_config=bias_config, methods=["CI", "DPL"])
    made = files(data_config.s3_output_path)
    analysis = json.loads(made["analysis.json"])
    for metric in analysis["pre_training_bias_metrics"]["facets"]["woman"][0]["metrics"]:
        metric["value"] = 0.1 if metric["name"] == "CI" else 0.5
    bucket, key = place.removeprefix("s3://").split("/", 1)
    client = session.boto_session.client("s3")
    client.put_object(Bucket=bucket, Key=f"{key}/baseline/analysis.json", Body=json.dumps(analysis).encode())
    base = "/opt/ml/processing"
    again = Processor(
        role=role,
        image_uri=processor.image_uri,
        instance_count=1,
        instance_type="ml.m5.large",
        sagemaker_session=session,
        env={"baseline_constraints": f"{base}/baseline/constraints/analysis.json"},
    )
    configuration = f"{data_config.s3_output_path}/analysis_config.json"
    again.run(
        inputs=[
            ProcessingInput(input_name="dataset", source=dataset, destination=f"{base}/input/data"),
            ProcessingInput(input_name="analysis_config", source=configuration, destination=f"{base}/input/config"),
            ProcessingInput(
                input_name="baseline_constraints",
                source=f"{place}/baseline/analysis.json",
                destination=f"{base}/baseline/constraints",
            ),
        ],
        outputs=[
            ProcessingOutput(output_name="result", source=f"{base}/output", destination=f"{place}/checked"),
        ],
    )
    [violation] = json.loads(files(f"{place}/checked")["constraint_violations.json"])["violations"]
    assert (violation["facet"], violation["metric_name"]) == ("woman", "CI")
    assert violation["constraint_check_type"] == "bias_drift_check"
    assert "1 violations" in again.latest_job.describe()["ExitMessage"]


def test_a_wrong_column_is_the_jobs_message(processor, session, data_config):
    wrong = clarify.BiasConfig(label_values_or_threshold=[1], facet_name="no-such")
    processor.run_pre_training_bias(data_config=data_config, data_bias_config=wrong, wait=False, logs=False)
    name = processor.latest_job.job_name
    with pytest.raises(Exception, match="terminal failure"):
        session.sagemaker_client.get_waiter("processing_job_completed_or_stopped").wait(ProcessingJobName=name)
    assert "no column 'no-such'" in processor.latest_job.describe()["ExitMessage"]


def test_labels_of_json_lines_by_jmespath_whatever_the_headers_are(processor, session, place, bias_config, files):
    bucket, key = place.removeprefix("s3://").split("/", 1)
    lines = [json.dumps({"x": [woman, income], "was": {"right": right}}) for right, woman, income, _ in ROWS]
    session.boto_session.client("s3").put_object(Bucket=bucket, Key=f"{key}/lines/rows.jsonl", Body="\n".join(lines))
    config = clarify.DataConfig(
        s3_data_input_path=f"{place}/lines/rows.jsonl",
        s3_output_path=f"{place}/{uuid.uuid4().hex}",
        label="was.right",
        features="x",
        headers=["woman", "income", "approved"],
        dataset_type="application/jsonlines",
    )
    processor.run_pre_training_bias(config, bias_config, logs=False)
    analysis = json.loads(files(config.s3_output_path)["analysis.json"])["pre_training_bias_metrics"]
    assert analysis["label"] == "approved"
    values = metrics(analysis)
    rows = pd.DataFrame(ROWS, columns=HEADERS)
    shares = rows.groupby("woman").approved.mean()
    assert values["DPL"] == pytest.approx(shares[0] - shares[1])
    assert values["CI"] == pytest.approx((rows.woman == 0).mean() - rows.woman.mean())


def test_groups_without_the_one_or_the_other_outcome(processor, session, place, files):
    """As AWS's container has it: nothing by nothing is nothing, labels that one side lacks are left out."""
    rows = [(1, 0, 1), (1, 0, 1), (0, 0, 0), (0, 0, 1), (1, 1, 1), (1, 1, 0), (1, 1, 0), (1, 1, 1)]
    names = ["y", "woman", "p"]
    config = clarify.DataConfig(
        s3_data_input_path=put_rows(session, f"{place}/few/rows.csv", [names, *rows]),
        s3_output_path=f"{place}/{uuid.uuid4().hex}",
        label="y",
        predicted_label="p",
        dataset_type="text/csv",
    )
    facet = clarify.BiasConfig(label_values_or_threshold=[1], facet_name="woman", facet_values_or_threshold=[1])
    processor.run_bias(config, facet, model_config=None, logs=False)
    analysis = json.loads(files(config.s3_output_path)["analysis.json"])
    before, after = (metrics(analysis[f"{when}_training_bias_metrics"]) for when in ("pre", "post"))
    assert (before["TVD"], before["KS"], before["LP"]) == (0.25, 0.5, 0.5)
    assert (after["TE"], after["RD"], after["SD"], after["DCR"]) == ("Infinity", 0.5, -0.5, -2.0)
    [group] = analysis["post_training_bias_metrics"]["facets"]["woman"]
    [flips] = [metric for metric in group["metrics"] if metric["name"] == "FT"]
    assert flips["value"] is None and "no features" in flips["error"]


def test_a_baseline_is_a_record_of_the_dataset(processor, session, place, model, files):
    bucket, key = place.removeprefix("s3://").split("/", 1)
    lines = [json.dumps({"x": [woman, income]}) for _, woman, income, _ in ROWS[:3]]
    session.boto_session.client("s3").put_object(Bucket=bucket, Key=f"{key}/some/rows.jsonl", Body="\n".join(lines))
    config = clarify.DataConfig(
        s3_data_input_path=f"{place}/some/rows.jsonl",
        s3_output_path=f"{place}/{uuid.uuid4().hex}",
        features="x",
        headers=["woman", "income"],
        dataset_type="application/jsonlines",
    )
    served = clarify.ModelConfig(model, 1, "ml.m5.large", accept_type="text/csv", content_type="text/csv")
    shap = clarify.SHAPConfig(baseline=[{"x": [0, 40]}], num_samples=20, agg_method="mean_abs")
    processor.run_explainability(config, served, shap, logs=False)
    [explained] = json.loads(files(config.s3_output_path)["analysis.json"])["explanations"]["kernel_shap"].values()
    assert explained["expected_value"] == pytest.approx(0.5)
    assert explained["global_shap_values"]["woman"] == pytest.approx(0.0)  # all of these are men, as the baseline


def test_predictions_in_a_dataset_of_their_own(processor, session, place, dataset, bias_config, files):
    bucket, key = place.removeprefix("s3://").split("/", 1)
    predicted = [int(income >= 45) for _, _, income, _ in ROWS]
    text = "\n".join(map(str, predicted))
    session.boto_session.client("s3").put_object(Bucket=bucket, Key=f"{key}/predicted.csv", Body=text.encode())
    config = clarify.DataConfig(
        s3_data_input_path=dataset,
        s3_output_path=f"{place}/{uuid.uuid4().hex}",
        label="approved",
        headers=HEADERS,
        dataset_type="text/csv",
        predicted_label_dataset_uri=f"{place}/predicted.csv",
        predicted_label_headers=["guess"],
        predicted_label="guess",
    )
    processor.run_post_training_bias(config, bias_config, logs=False)
    analysis = json.loads(files(config.s3_output_path)["analysis.json"])
    rows = pd.DataFrame(ROWS, columns=HEADERS).assign(guess=predicted)
    shares = rows.groupby("woman").guess.mean()
    assert metrics(analysis["post_training_bias_metrics"])["DPPL"] == pytest.approx(shares[0] - shares[1])


def test_a_stopped_job_takes_its_endpoint_along(processor, session, data_config, model):
    client, prefix = session.sagemaker_client, f"shadow-{uuid.uuid4().hex[:8]}"

    def endpoints():
        return [found["EndpointName"] for found in client.list_endpoints(NameContains=prefix)["Endpoints"]]

    def until(holds, seconds=120):
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.1)

    served = clarify.ModelConfig(
        model, 1, "ml.m5.large", accept_type="text/csv", content_type="text/csv", endpoint_name_prefix=prefix
    )
    shap = clarify.SHAPConfig(num_samples=2000, agg_method="mean_abs")
    processor.run_explainability(data_config, served, shap, wait=False, logs=False)
    job = processor.latest_job.job_name
    until(endpoints)
    client.stop_processing_job(ProcessingJobName=job)
    until(lambda: client.describe_processing_job(ProcessingJobName=job)["ProcessingJobStatus"] == "Stopped")
    until(lambda: not endpoints())
    assert client.list_endpoint_configs(NameContains=prefix)["EndpointConfigs"] == []


def test_truth_values_and_scores_beside_them(processor, session, place, files):
    rows = [(income >= 50, woman == 1, (income * 3 % 10) / 10) for _, woman, income, _ in ROWS]
    names = ["y", "woman", "score"]
    config = clarify.DataConfig(
        s3_data_input_path=put_rows(session, f"{place}/truth/rows.csv", [names, *rows]),
        s3_output_path=f"{place}/{uuid.uuid4().hex}",
        label="y",
        predicted_label="score",
        dataset_type="text/csv",
    )
    facet = clarify.BiasConfig(["True"], facet_name="woman", facet_values_or_threshold=["True"])
    threshold = clarify.ModelPredictedLabelConfig(probability_threshold=0.5)
    processor.run_bias(config, facet, model_config=None, model_predicted_label_config=threshold, logs=False)
    analysis = json.loads(files(config.s3_output_path)["analysis.json"])
    table = pd.DataFrame(rows, columns=names).assign(guess=lambda t: t.score > 0.5)
    for when, name, column in (("pre", "DPL", "y"), ("post", "DPPL", "guess")):
        [group] = analysis[f"{when}_training_bias_metrics"]["facets"]["woman"]
        shares = table.groupby("woman")[column].mean()
        found = {metric["name"]: metric["value"] for metric in group["metrics"]}
        assert found[name] == pytest.approx(shares[False] - shares[True])
