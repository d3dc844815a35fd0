"""TensorFlow, from a script that trains a Keras model to an endpoint that serves it."""

import json

import pytest

pytestmark = pytest.mark.frameworks

DLC = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
TRAINING = f"{DLC}/tensorflow-training:2.19.0-cpu-py312-ubuntu22.04-sagemaker"
INFERENCE = f"{DLC}/tensorflow-inference:2.19.0-cpu"
TRAIN = """
import argparse, json, os
import numpy
import tensorflow as tf

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
parser.add_argument("--model_dir")
given = parser.parse_args()
rows = numpy.loadtxt(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "rows.csv"), delimiter=",", dtype="float32")
model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dense(1)])
model.compile(optimizer=tf.keras.optimizers.Adam(0.2), loss="mse")
history = model.fit(rows[:, :2], rows[:, 2], epochs=given.epochs, batch_size=32, verbose=0)
print("loss=%.6f" % history.history["loss"][-1])
print("model_dir", given.model_dir, "TF_CONFIG" in os.environ)
model.export(os.path.join(os.environ["SM_MODEL_DIR"], "1"))
model.save(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "model.keras"))
"""
HANDLERS = """
import json
def input_handler(data, context):
    rows = json.loads(data.read())["rows"]
    if not rows:
        raise ValueError("there are no rows")
    return json.dumps({"instances": rows})
def output_handler(response, context):
    return json.dumps({"prices": [row[0] for row in response.json()["predictions"]]}), "application/json"
"""
WORKERS = """
import json, os
import tensorflow as tf
strategy = tf.distribute.MultiWorkerMirroredStrategy()
context = tf.distribute.get_replica_context
total = strategy.run(lambda: context().all_reduce("sum", tf.constant(1.0)))
print("hosts that were counted:", int(strategy.experimental_local_results(total)[0].numpy()))
task = json.loads(os.environ["TF_CONFIG"])["task"]
print("task", task["type"], task["index"])
"""


@pytest.fixture(scope="module")
def trained(account, channel):
    rows = "\n".join(f"{a / 10},{b / 10},{(2 * a - b) / 10 + 1}" for a in range(-8, 8) for b in range(-8, 8))
    account.put("tensorflow/train/rows.csv", rows)
    return account.succeed(
        TRAIN,
        AlgorithmSpecification={
            "TrainingImage": TRAINING,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
        },
        HyperParameters={"epochs": "60", "model_dir": '"s3://bucket/job/model"'},
        InputDataConfig=[channel("train", f"s3://{account.bucket}/tensorflow/train")],
    )


@pytest.fixture(scope="module")
def files(account, trained):
    return account.artifact(trained)


def test_a_keras_model_is_trained_from_a_channel(account, trained, files):
    assert trained["FinalMetricDataList"][0]["Value"] < 0.01
    assert "model_dir s3://bucket/job/model False" in account.log_text(trained["TrainingJobName"])
    assert "1/saved_model.pb" in files


def test_the_saved_model_is_served(account, files):
    endpoint = account.deploy(account.model(files, Image=INFERENCE))
    try:
        answer = json.loads(account.invoke(endpoint, json.dumps({"instances": [[0.5, 0.1]]}), "application/json"))
        assert answer["predictions"][0][0] == pytest.approx(1.9, abs=0.2)
        by_csv = json.loads(account.invoke(endpoint, "0.5,0.1\n0,0\n", "text/csv"))
        assert [row[0] for row in by_csv["predictions"]] == pytest.approx([1.9, 1.0], abs=0.2)
        with pytest.raises(account.runtime.exceptions.ModelError) as caught:
            account.invoke(endpoint, json.dumps({"instances": [[1, 2, 3]]}), "application/json")
        assert caught.value.response["OriginalStatusCode"] == 400
        assert "(1, 3)" in json.loads(caught.value.response["OriginalMessage"])["error"]
    finally:
        account.sagemaker.delete_endpoint(EndpointName=endpoint)


def test_own_handlers_stand_before_and_after(account, files):
    endpoint = account.deploy(account.model({**files, "code/inference.py": HANDLERS}, Image=INFERENCE))
    try:
        answer = json.loads(account.invoke(endpoint, json.dumps({"rows": [[0.5, 0.1]]}), "application/json"))
        assert answer["prices"] == pytest.approx([1.9], abs=0.2)
        with pytest.raises(account.runtime.exceptions.ModelError) as caught:
            account.invoke(endpoint, json.dumps({"rows": []}), "application/json")
        assert json.loads(caught.value.response["OriginalMessage"]) == {"error": "there are no rows"}
    finally:
        account.sagemaker.delete_endpoint(EndpointName=endpoint)


def test_a_keras_file_is_served(account, trained):
    model = account.model({"model.keras": account.output(trained)["model.keras"]}, Image=INFERENCE)
    endpoint = account.deploy(model)
    try:
        answer = json.loads(account.invoke(endpoint, "[0.5, 0.1]", "application/json"))
        assert answer["predictions"][0][0] == pytest.approx(1.9, abs=0.2)
    finally:
        account.sagemaker.delete_endpoint(EndpointName=endpoint)


def test_mirrored_workers_on_two_hosts_count_each_other(account):
    described = account.succeed(
        WORKERS,
        AlgorithmSpecification={"TrainingImage": TRAINING, "TrainingInputMode": "File"},
        HyperParameters={"sagemaker_multi_worker_mirrored_strategy_enabled": "true"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1},
    )
    log = account.log_text(described["TrainingJobName"])
    assert log.count("hosts that were counted: 2") == 2
    assert "task worker 0" in log
    assert "task worker 1" in log
