"""XGBoost: the built-in algorithm and script mode, trained and served."""

import re

import numpy as np
import pytest
from sagemaker import image_uris
from sagemaker.deserializers import CSVDeserializer, JSONDeserializer
from sagemaker.exceptions import UnexpectedStatusException
from sagemaker.inputs import TrainingInput
from sagemaker.serializers import CSVSerializer, LibSVMSerializer
from sagemaker.xgboost import XGBoost
from sklearn.datasets import dump_svmlight_file, load_breast_cancer, load_diabetes, load_wine
from sklearn.model_selection import train_test_split

VERSION = "1.7-1"
METRIC = r".*\[[0-9]+\].*#011validation-{}:([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?).*"


@pytest.fixture(scope="module")
def image(session):
    return image_uris.retrieve("xgboost", session.boto_region_name, VERSION)


@pytest.fixture(scope="module")
def upload(session, tmp_path_factory):
    """``upload(key, write)``: a file that ``write(path)`` makes, stored under a key of its own; returns its URI."""

    def store(key, write):
        path = tmp_path_factory.mktemp("data") / key.rsplit("/", 1)[-1]
        write(path)
        return session.upload_data(str(path), key_prefix=f"v2/xgboost/{key.rsplit('/', 1)[0]}")

    return store


def csv_writer(features, labels):
    """The label first, no header: the built-in algorithm's CSV."""
    return lambda path: np.savetxt(path, np.column_stack([labels, features]), delimiter=",")


@pytest.fixture(scope="module")
def cancer(upload):
    """(train URI, validation URI, held-out features, held-out labels) of a two-class problem, as CSV."""
    features, labels = load_breast_cancer(return_X_y=True)
    rest, held_features, rest_labels, held_labels = train_test_split(features, labels, random_state=0, stratify=labels)
    half = len(rest) * 3 // 4
    train = upload("cancer/train/train.csv", csv_writer(rest[:half], rest_labels[:half]))
    validation = upload("cancer/validation/validation.csv", csv_writer(rest[half:], rest_labels[half:]))
    return train, validation, held_features, held_labels


def channels(train, validation, content_type="text/csv"):
    return {
        "train": TrainingInput(train, content_type=content_type),
        "validation": TrainingInput(validation, content_type=content_type),
    }


def log_of(session, estimator):
    logs = session.boto_session.client("logs")
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{estimator.latest_training_job.name}/"
    )
    return [event["message"] for page in pages for event in page["events"]]


def final_metrics(session, estimator):
    described = session.describe_training_job(estimator.latest_training_job.name)
    return {metric["MetricName"]: metric["Value"] for metric in described.get("FinalMetricDataList", [])}


@pytest.fixture(scope="module")
def trained(session, role, image, cancer):
    """The built-in algorithm, trained on CSV."""
    from sagemaker.estimator import Estimator

    estimator = Estimator(
        image_uri=image,
        role=role,
        instance_count=1,
        instance_type="ml.m5.large",
        sagemaker_session=session,
        hyperparameters={
            "objective": "binary:logistic",
            "num_round": 30,
            "max_depth": 4,
            "eta": 0.3,
            "eval_metric": "auc,logloss",
        },
        metric_definitions=[{"Name": "validation:auc", "Regex": METRIC.format("auc")}],
    )
    estimator.fit(channels(*cancer[:2]))
    return estimator


def test_the_built_in_algorithm_leaves_xgboost_model(trained, s3, archive):
    files = archive(s3, trained.model_data)
    assert list(files) == ["xgboost-model"]
    assert len(files["xgboost-model"]) > 1000


def test_every_round_is_evaluated_in_the_log(trained, session):
    lines = [line for line in log_of(session, trained) if "#011train-" in line]
    rounds = [int(re.search(r"\[(\d+)\]#011train-", line).group(1)) for line in lines]
    assert rounds == list(range(30))
    assert all(f"#011{name}:" in lines[-1] for name in ("train-auc", "train-logloss", "validation-auc"))


def test_metric_definitions_match_the_evaluation_lines(trained, session):
    assert final_metrics(session, trained)["validation:auc"] > 0.95


def test_the_model_predicts_behind_an_endpoint_by_csv_and_libsvm(trained, cancer, tmp_path):
    _, _, features, labels = cancer
    predictor = trained.deploy(
        initial_instance_count=1,
        instance_type="ml.m5.large",
        serializer=CSVSerializer(),
        deserializer=CSVDeserializer(),
    )
    try:
        answers = np.array(predictor.predict(features), dtype=float).reshape(-1)
        assert answers.shape == labels.shape
        assert ((answers > 0.5) == labels).mean() > 0.9
        one = np.array(predictor.predict(features[0]), dtype=float).reshape(-1)
        assert one == pytest.approx(answers[:1], rel=1e-5)
        dump_svmlight_file(features[:5], np.zeros(5), str(tmp_path / "x.libsvm"), zero_based=True)
        predictor.serializer = LibSVMSerializer()
        libsvm = np.array(predictor.predict((tmp_path / "x.libsvm").read_text()), dtype=float).reshape(-1)
        assert libsvm.shape == (5,)
        predictor.serializer, predictor.deserializer = CSVSerializer(), JSONDeserializer()
        told = predictor.predict(features[:3])["predictions"]
        assert [row["score"] for row in told] == pytest.approx(answers[:3], rel=1e-5)
    finally:
        predictor.delete_model()
        predictor.delete_endpoint()


def test_libsvm_channels(generic, image, upload, s3, archive, session):
    features, labels = load_diabetes(return_X_y=True)
    train = upload("svm/train/a.libsvm", lambda p: dump_svmlight_file(features[:300], labels[:300], str(p)))
    validation = upload("svm/validation/b.libsvm", lambda p: dump_svmlight_file(features[300:], labels[300:], str(p)))
    estimator = generic(
        image,
        hyperparameters={"objective": "reg:squarederror", "num_round": 10},
        metric_definitions=[{"Name": "validation:rmse", "Regex": METRIC.format("rmse")}],
    )
    estimator.fit(channels(train, validation, "text/libsvm"))
    assert list(archive(s3, estimator.model_data)) == ["xgboost-model"]
    assert 30 < final_metrics(session, estimator)["validation:rmse"] < 90


def test_parquet_channels(generic, image, upload, s3, archive, session):
    import pandas as pd

    features, labels = load_wine(return_X_y=True)
    table = pd.DataFrame(np.column_stack([labels, features])).sample(frac=1, random_state=0)
    table.columns = [str(name) for name in table.columns]
    train = upload("parquet/train/a.parquet", lambda path: table[:130].to_parquet(path, index=False))
    validation = upload("parquet/validation/b.parquet", lambda path: table[130:].to_parquet(path, index=False))
    estimator = generic(
        image,
        hyperparameters={"objective": "multi:softmax", "num_class": 3, "num_round": 10},
        metric_definitions=[{"Name": "validation:mlogloss", "Regex": METRIC.format("mlogloss")}],
    )
    estimator.fit(channels(train, validation, "application/x-parquet"))
    assert list(archive(s3, estimator.model_data)) == ["xgboost-model"]
    assert final_metrics(session, estimator)["validation:mlogloss"] < 0.6


def test_early_stopping_ends_before_the_last_round(generic, image, cancer, session):
    estimator = generic(
        image,
        hyperparameters={
            "objective": "binary:logistic",
            "num_round": 500,
            "eta": 0.9,
            "early_stopping_rounds": 3,
            "eval_metric": "logloss",
        },
    )
    estimator.fit(channels(*cancer[:2]))
    rounds = [line for line in log_of(session, estimator) if "#011validation-logloss:" in line]
    assert 3 < len(rounds) < 400


def test_a_hyperparameter_out_of_range_fails_with_its_name(generic, image, cancer):
    estimator = generic(image, hyperparameters={"objective": "binary:logistic", "num_round": 5, "eta": 7})
    with pytest.raises(UnexpectedStatusException) as caught:
        estimator.fit(channels(*cancer[:2]))
    assert "eta" in str(caught.value)


def test_without_num_round_the_reason_names_it(generic, image, cancer):
    estimator = generic(image, hyperparameters={"objective": "binary:logistic"})
    with pytest.raises(UnexpectedStatusException) as caught:
        estimator.fit(channels(*cancer[:2]))
    assert "num_round" in str(caught.value)


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_channels_in_pipe_mode_give_the_model_that_files_give(generic, image, upload, session, form):
    import pandas as pd

    features, labels = load_diabetes(return_X_y=True)
    table = pd.DataFrame(np.column_stack([labels, features]).round(4))
    table.columns = [str(name) for name in table.columns]
    how = {"parquet": lambda t, path: t.to_parquet(path), "csv": lambda t, p: t.to_csv(p, header=False, index=False)}
    for number in (1, 2):  # one pipe has both
        half = table[number - 1 :: 2]
        train = upload(f"piped/{form}/train/{number}.{form}", lambda path, half=half: how[form](half, path))
    folder = train.rsplit("/", 1)[0]
    scores = []
    for mode in ("File", "Pipe"):
        estimator = generic(image, hyperparameters={"objective": "reg:squarederror", "num_round": 3}, input_mode=mode)
        kind = {"parquet": "application/x-parquet", "csv": "text/csv"}[form]
        estimator.fit({channel: TrainingInput(folder, content_type=kind) for channel in ("train", "validation")})
        assert any("Train matrix has 442 rows and 10 columns" in line for line in log_of(session, estimator))
        scores.append(final_metrics(session, estimator))
    assert scores[0] == scores[1]


SCRIPT = """
import argparse, json, os, pathlib, pickle
import xgboost
from sagemaker_xgboost_container.data_utils import get_dmatrix
parser = argparse.ArgumentParser()
parser.add_argument("--rounds", type=int)
parser.add_argument("--objective")
args = parser.parse_args()
train = get_dmatrix(os.environ["SM_CHANNEL_TRAIN"], "csv")
results = {}
model = xgboost.train({"objective": args.objective}, train, args.rounds, evals=[(train, "train")], evals_result=results)
print("rows", train.num_row(), "features", train.num_col(), "xgboost", xgboost.__version__)
with open(pathlib.Path(os.environ["SM_MODEL_DIR"], "xgboost-model"), "wb") as file:
    pickle.dump(model, file)

def model_fn(model_dir):
    with open(os.path.join(model_dir, "xgboost-model"), "rb") as file:
        return pickle.load(file)
"""


def test_script_mode_with_the_containers_own_helpers(session, role, folder, cancer, s3, archive):
    train, _, features, _ = cancer
    source = folder({"train.py": SCRIPT})
    estimator = XGBoost(
        entry_point="train.py",
        source_dir=source,
        framework_version=VERSION,
        role=role,
        instance_count=1,
        instance_type="ml.m5.large",
        sagemaker_session=session,
        hyperparameters={"rounds": 5, "objective": "binary:logistic"},
    )
    estimator.fit({"train": train})
    assert list(archive(s3, estimator.model_data)) == ["xgboost-model"]
    log = "\n".join(log_of(session, estimator))
    assert f"features {features.shape[1]} xgboost 1.7" in log


TOGETHER = """
import json, os, pathlib
import xgboost
from sagemaker_xgboost_container import distributed
from sagemaker_xgboost_container.data_utils import get_dmatrix

def fit(train, is_master):
    model = xgboost.train({"objective": "binary:logistic"}, train, 3, evals=[(train, "train")])
    if is_master:
        model.save_model(os.environ["SM_MODEL_DIR"] + "/xgboost-model")
        print("rows of the first", train.num_row())

hosts = json.loads(os.environ["SM_HOSTS"])
train = get_dmatrix(os.environ["SM_CHANNEL_TRAIN"], "csv")
distributed.rabit_run(exec_fun=fit, args={"train": train}, include_in_training=train is not None, hosts=hosts,
                      current_host=os.environ["SM_CURRENT_HOST"], update_rabit_args=True)
"""


def test_two_hosts_train_one_model(session, role, folder, generic, image, cancer, s3, archive):
    train, _, _, _ = cancer
    bucket, key = train.removeprefix("s3://").split("/", 1)
    lines = s3.get_object(Bucket=bucket, Key=key)["Body"].read().splitlines(keepends=True)
    for number in (1, 2):
        s3.put_object(Bucket=bucket, Key=f"v2/halves/{number}.csv", Body=b"".join(lines[number::2]))
    halves = TrainingInput(f"s3://{bucket}/v2/halves", content_type="text/csv", distribution="ShardedByS3Key")
    by_script = XGBoost(
        entry_point="train.py",
        source_dir=folder({"train.py": TOGETHER}),
        framework_version=VERSION,
        role=role,
        instance_count=2,
        instance_type="ml.m5.large",
        sagemaker_session=session,
    )
    by_script.fit({"train": halves})
    assert list(archive(s3, by_script.model_data)) == ["xgboost-model"]
    assert f"rows of the first {len(lines[1::2])}" in "\n".join(log_of(session, by_script))
    built_in = generic(
        image, instance_count=2, hyperparameters={"objective": "binary:logistic", "num_round": 4, "eval_metric": "auc"}
    )
    built_in.fit({"train": halves})
    assert list(archive(s3, built_in.model_data)) == ["xgboost-model"]
    assert built_in.training_job_analytics.dataframe()["value"].max() > 0.9


SERVING = """
import json, os, pickle
import xgboost

def model_fn(model_dir):
    with open(os.path.join(model_dir, "xgboost-model"), "rb") as file:
        return pickle.load(file)

def predict_fn(data, model):
    return model.predict(data, validate_features=False)

def output_fn(prediction, accept):
    return json.dumps({"scores": [float(p) for p in prediction]}), "application/json"
"""


def test_a_script_mode_model_is_served_with_its_handlers(session, role, folder, cancer):
    train, _, features, labels = cancer
    source = folder({"train.py": SCRIPT, "inference.py": SERVING})
    estimator = XGBoost(
        entry_point="train.py",
        source_dir=source,
        framework_version=VERSION,
        role=role,
        instance_count=1,
        instance_type="ml.m5.large",
        sagemaker_session=session,
        hyperparameters={"rounds": 10, "objective": "binary:logistic"},
    )
    estimator.fit({"train": train})
    model = estimator.create_model(entry_point="inference.py", source_dir=source)
    predictor = model.deploy(1, "ml.m5.large", serializer=CSVSerializer(), deserializer=JSONDeserializer())
    try:
        scores = np.array(predictor.predict(features)["scores"])
        assert ((scores > 0.5) == labels).mean() > 0.9
    finally:
        predictor.delete_model()
        predictor.delete_endpoint()
