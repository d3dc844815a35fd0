"""Hugging Face on PyTorch, with a tiny model of local files."""

import json

import pytest
from tests.serving.worker.conftest import made_by

from selfmaker.serving.worker import transport

pytestmark = pytest.mark.frameworks

IMAGE = (
    "763104351884.dkr.ecr.us-east-1.amazonaws.com/"
    "huggingface-pytorch-inference:2.6.0-transformers4.51.3-cpu-py312-ubuntu22.04"
)
TRAIN = """
import json, os, torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast
os.makedirs("model"), os.makedirs("nothing"), os.makedirs("unknown")
open("vocab.txt", "w").write("\\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]))
torch.manual_seed(0)
config = BertConfig(vocab_size=7, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
                    max_position_embeddings=16, id2label={0: "NO", 1: "YES"}, label2id={"NO": 0, "YES": 1})
model = BertForSequenceClassification(config)
with torch.no_grad():
    model.classifier.weight.zero_()
    model.classifier.bias.copy_(torch.tensor([0.0, 2.0]))
model.save_pretrained("model")
BertTokenizerFast(vocab_file="vocab.txt").save_pretrained("model")
json.dump({"architectures": ["SomethingElse"]}, open("unknown/config.json", "w"))
"""
OWN = """
def predict_fn(data, model):
    return [one["label"] + "!" for one in model(data["inputs"])]
"""


@pytest.fixture(scope="module")
def models(environment_of, tmp_path_factory):
    return made_by(environment_of(IMAGE), TRAIN, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def start(workers, environment_of):
    return workers(environment_of(IMAGE))


@pytest.fixture(scope="module")
def classifier(start, models):
    worker = start("huggingface", models / "model", HF_TASK="text-classification")
    assert worker.state == transport.READY, worker.told
    return worker


def test_the_pipeline_answers_json_csv_and_text(classifier):
    one = json.loads(classifier.text('{"inputs": "good"}', "application/json"))
    assert [answer["label"] for answer in one] == ["YES"]
    assert one[0]["score"] == pytest.approx(0.8808, abs=1e-3)
    both = json.loads(classifier.text("inputs\ngood\nbad\n", "text/csv", "application/json"))
    assert [answer["label"] for answer in both] == ["YES", "YES"]
    assert json.loads(classifier.text("good", "text/plain", "application/json")) == one


def test_parameters_are_the_pipelines(classifier):
    request = {"inputs": ["good"], "parameters": {"top_k": 2}}
    answer = json.loads(classifier.text(json.dumps(request), "application/json"))
    assert [label["label"] for label in answer[0]] == ["YES", "NO"]


def test_bad_requests(classifier):
    answer = classifier.ask("good,bad\n", "text/csv")
    assert (answer.status, b"header" in answer.body) == (400, True)
    assert classifier.ask("x", "application/x-nobody").status == 415
    refused = classifier.ask('{"inputs": [7]}', "application/json")
    told = json.loads(refused.body)  # as the container's model server puts it, whatever is raised
    assert (refused.status, told["code"], told["type"]) == (400, 400, "InternalServerException")
    assert told["message"]


def test_the_task_follows_from_the_model_and_functions_may_be_ones_own(start, models):
    worker = start("huggingface", models / "model", OWN)
    assert json.loads(worker.text('{"inputs": ["bad"]}', "application/json")) == ["YES!"]


def test_what_cannot_be_served_fails_at_the_start(start, models):
    for folder, says in (("nothing", "config.json"), ("unknown", "HF_TASK")):
        worker = start("huggingface", models / folder)
        assert (worker.state, says in worker.told) == (transport.FAILED, True), worker.told
