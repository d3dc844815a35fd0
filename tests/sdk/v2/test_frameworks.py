"""The SDK's own estimators and processors of the deep learning frameworks, from fit to predict."""

import json
import uuid
from pathlib import Path

import numpy as np
import pytest
from botocore.exceptions import ClientError
from sagemaker.huggingface import HuggingFace, HuggingFaceModel
from sagemaker.mxnet import MXNet
from sagemaker.processing import FrameworkProcessor, ProcessingInput, ProcessingOutput
from sagemaker.pytorch import PyTorch, PyTorchProcessor
from sagemaker.spark import PySparkProcessor
from sagemaker.tensorflow import TensorFlow, TensorFlowModel, TensorFlowProcessor

pytestmark = pytest.mark.frameworks

PYTORCH = {"framework_version": "2.6.0", "py_version": "py312"}
TENSORFLOW = {"framework_version": "2.19.0", "py_version": "py312"}
HUGGINGFACE = {"transformers_version": "4.49.0", "pytorch_version": "2.5.1", "py_version": "py311"}
SERVED = {"transformers_version": "4.51.3", "pytorch_version": "2.6.0", "py_version": "py312"}

TENSORFLOW_TRAIN = """
import argparse, os
import numpy as np
import tensorflow as tf
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
parser.add_argument("--model_dir")
given = parser.parse_args()
rows = np.load(os.path.join(os.environ["SM_CHANNEL_TRAINING"], "rows.npy"))
model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dense(1)])
model.compile(optimizer=tf.keras.optimizers.Adam(0.2), loss="mse")
model.fit(rows[:, :2], rows[:, 2], epochs=given.epochs, batch_size=32, verbose=2)
print("model_dir is", given.model_dir)
model.export(os.path.join(os.environ["SM_MODEL_DIR"], "00000001"))
"""
PYTORCH_TRAIN = """
import argparse, os
import numpy as np
import torch

def model_fn(model_dir):
    model = torch.nn.Linear(2, 1)
    model.load_state_dict(torch.load(os.path.join(model_dir, "model.pth")))
    return model

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int)
    parser.add_argument("--rate", type=float)
    given = parser.parse_args()
    rows = torch.from_numpy(np.load(os.path.join(os.environ["SM_CHANNEL_TRAINING"], "rows.npy")))
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.Adam(model.parameters(), given.rate)
    for step in range(given.steps):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(rows[:, :2]), rows[:, 2:])
        loss.backward()
        optimizer.step()
    print("loss=%.6f;" % loss.item())
    torch.save(model.state_dict(), os.path.join(os.environ["SM_MODEL_DIR"], "model.pth"))
"""
RANKS = """
import json, os, pathlib, sys
from mpi4py import MPI
world = MPI.COMM_WORLD
total = world.allreduce(world.Get_rank())
if world.Get_rank() == 0:
    told = {"size": world.Get_size(), "total": total, "argv": sys.argv[1:]}
    pathlib.Path(os.environ["SM_MODEL_DIR"], "told.json").write_text(json.dumps(told))
"""
TRANSFORMERS_TRAIN = """
import argparse, os
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast
parser = argparse.ArgumentParser()
parser.add_argument("--hidden", type=int)
given = parser.parse_args()
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]
folder = os.environ["SM_MODEL_DIR"]
with open(os.path.join(folder, "vocab.txt"), "w") as file:
    file.write("\\n".join(words))
tokenizer = BertTokenizerFast(os.path.join(folder, "vocab.txt"))
labels = ["NEGATIVE", "POSITIVE"]
config = BertConfig(vocab_size=len(words), hidden_size=given.hidden, num_hidden_layers=1, num_attention_heads=2,
                    intermediate_size=16, id2label=dict(enumerate(labels)), label2id={"NEGATIVE": 0, "POSITIVE": 1})
BertForSequenceClassification(config).save_pretrained(folder)
tokenizer.save_pretrained(folder)
"""
TOLD = """
import importlib, pathlib, sys
module = importlib.import_module(sys.argv[1])
read = pathlib.Path("/opt/ml/processing/in/data.txt").read_text()
pathlib.Path("/opt/ml/processing/out/told.txt").write_text(module.__name__ + " " + module.__version__ + " " + read)
"""


@pytest.fixture(scope="module")
def rows(session):
    """The URI of an array of x, y and 2x - y + 1."""
    grid = [(a / 10, b / 10, (2 * a - b) / 10 + 1) for a in range(-8, 8) for b in range(-8, 8)]
    path = Path(f"/tmp/{uuid.uuid4().hex}")
    path.mkdir()
    np.save(path / "rows.npy", np.array(grid, dtype="float32"))
    return session.upload_data(str(path), key_prefix=f"v2-frameworks/{uuid.uuid4().hex}")


@pytest.fixture
def made(session, role):
    """``made(kind, entry_point, **arguments)``: an estimator on one small instance."""

    def make(kind, entry_point, **arguments):
        defaults = {"role": role, "instance_count": 1, "instance_type": "ml.m5.large", "sagemaker_session": session}
        return kind(entry_point=entry_point, disable_profiler=True, **{**defaults, **arguments})

    return make


def written(folder, text, name="train.py"):
    return str(Path(folder({name: text}), name))


def test_tensorflow_from_fit_to_predict(made, folder, rows, s3, archive):
    estimator = made(TensorFlow, written(folder, TENSORFLOW_TRAIN), hyperparameters={"epochs": 60}, **TENSORFLOW)
    estimator.fit(rows)
    files = archive(s3, estimator.model_data)
    assert "00000001/saved_model.pb" in files
    predictor = estimator.deploy(initial_instance_count=1, instance_type="ml.m5.large")
    try:
        answer = predictor.predict({"instances": [[0.5, 0.1], [0, 0]]})
        assert [row[0] for row in answer["predictions"]] == pytest.approx([1.9, 1.0], abs=0.2)
        assert predictor.predict([[0.5, 0.1]])["predictions"][0][0] == pytest.approx(1.9, abs=0.2)
    finally:
        predictor.delete_model()
        predictor.delete_endpoint()
    model = TensorFlowModel(
        model_data=estimator.model_data,
        role=estimator.role,
        framework_version="2.19",
        sagemaker_session=estimator.sagemaker_session,
    )
    again = model.deploy(initial_instance_count=1, instance_type="ml.m5.large")
    try:
        assert again.predict({"inputs": [[0, 0]]})["outputs"][0][0] == pytest.approx(1.0, abs=0.2)
    finally:
        again.delete_model()
        again.delete_endpoint()


def test_pytorch_from_fit_to_predict(made, folder, rows, s3, archive):
    estimator = made(
        PyTorch,
        written(folder, PYTORCH_TRAIN),
        hyperparameters={"steps": 200, "rate": 0.1},
        metric_definitions=[{"Name": "loss", "Regex": "loss=(.*?);"}],
        **PYTORCH,
    )
    estimator.fit({"training": rows})
    assert set(archive(s3, estimator.model_data)) == {"model.pth"}
    assert estimator.training_job_analytics.dataframe()["value"][0] < 0.01
    predictor = estimator.deploy(initial_instance_count=1, instance_type="ml.m5.large")
    try:
        answer = predictor.predict(np.array([[0.5, 0.1], [0, 0]], dtype="float32"))
        assert answer[:, 0].tolist() == pytest.approx([1.9, 1.0], abs=0.1)
    finally:
        predictor.delete_model()
        predictor.delete_endpoint()


def test_pytorch_by_mpi(made, folder, s3, archive):
    mpi = {"mpi": {"enabled": True, "processes_per_host": 2, "custom_mpi_options": "--NCCL_DEBUG INFO"}}
    estimator = made(
        PyTorch, written(folder, RANKS), instance_count=2, distribution=mpi, hyperparameters={"rate": 0.5}, **PYTORCH
    )
    estimator.fit()
    told = json.loads(archive(s3, estimator.model_data)["told.json"])
    assert told == {"size": 4, "total": 6, "argv": ["--rate", "0.5"]}


def test_huggingface_from_fit_to_predict(made, folder, s3, archive):
    estimator = made(
        HuggingFace,
        written(folder, TRANSFORMERS_TRAIN),
        instance_type="ml.g5.xlarge",
        hyperparameters={"hidden": 8},
        **HUGGINGFACE,
    )
    estimator.fit()
    assert {"config.json", "model.safetensors", "vocab.txt"} <= set(archive(s3, estimator.model_data))
    model = HuggingFaceModel(
        model_data=estimator.model_data,
        role=estimator.role,
        env={"HF_TASK": "text-classification"},
        sagemaker_session=estimator.sagemaker_session,
        **SERVED,
    )
    predictor = model.deploy(initial_instance_count=1, instance_type="ml.m5.large")
    try:
        [answer] = predictor.predict({"inputs": "good"})
        assert answer["label"] in ("NEGATIVE", "POSITIVE")
        assert 0 <= answer["score"] <= 1
    finally:
        predictor.delete_model()
        predictor.delete_endpoint()


@pytest.mark.parametrize(
    ("kind", "versions", "module"),
    [
        (PyTorchProcessor, PYTORCH, "torch"),
        (TensorFlowProcessor, TENSORFLOW, "tensorflow"),
        (FrameworkProcessor, {**PYTORCH, "estimator_cls": PyTorch}, "pandas"),
    ],
)
def test_processors_run_in_their_frameworks_environment(session, role, folder, s3, kind, versions, module):
    place = f"s3://{session.default_bucket()}/v2-processors/{uuid.uuid4().hex}"
    processor = kind(role=role, instance_count=1, instance_type="ml.m5.large", sagemaker_session=session, **versions)
    processor.run(
        code="told.py",
        source_dir=folder({"told.py": TOLD}),
        arguments=[module],
        inputs=[ProcessingInput(source=written(folder, "as it was", "data.txt"), destination="/opt/ml/processing/in")],
        outputs=[ProcessingOutput(output_name="out", source="/opt/ml/processing/out", destination=place)],
    )
    bucket, key = place.removeprefix("s3://").split("/", 1)
    told = s3.get_object(Bucket=bucket, Key=f"{key}/told.txt")["Body"].read().decode()
    assert told.startswith(f"{module} ")
    assert told.endswith("as it was")


def test_frameworks_that_are_not_here_are_refused_by_name(made, session, role, folder):
    with pytest.raises(ClientError, match="mxnet-training"):
        made(MXNet, written(folder, "pass"), framework_version="1.9.0", py_version="py38").fit()
    spark = PySparkProcessor(
        framework_version="3.3",
        role=role,
        instance_count=1,
        instance_type="ml.m5.xlarge",
        sagemaker_session=session,
        base_job_name="spark",
    )
    with pytest.raises(ClientError, match=r"ValidationException.*sagemaker-spark-processing.*Spark"):
        spark.run(submit_app=written(folder, "pass"))
