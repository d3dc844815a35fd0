"""What users' scripts import of the containers, in the environments that they run in."""

from collections.abc import Callable
from typing import Any

import pytest

from selfmaker.runtimes.base import Environment

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1200)]


def test_the_environments_have_what_the_images_have(
    sklearn_environment: Environment, xgboost_environment: Environment, run_in: Callable[..., str]
) -> None:
    assert sklearn_environment.packages["scikit-learn"] == "1.4.2"
    assert xgboost_environment.packages["xgboost"] == "1.7.4"
    code = "import numpy, pandas, scipy, joblib, boto3, requests, yaml, pyarrow, sklearn; print(sklearn.__version__)"
    assert run_in(sklearn_environment, code) == "1.4.2"
    for environment in (sklearn_environment, xgboost_environment):
        assert {"pip", "pip3", "python", "python3"} <= {path.name for path in (environment.prefix / "bin").iterdir()}
        assert environment.notes == () or all("the image has" in note for note in environment.notes)


def test_scikit_learn_trains_and_predicts(sklearn_environment: Environment, run_in: Callable[..., str]) -> None:
    code = """
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
X, y = load_iris(return_X_y=True)
print(RandomForestClassifier(10, random_state=0).fit(X, y).score(X, y) > 0.9)
"""
    assert run_in(sklearn_environment, code) == "True"


def test_imports_of_the_toolkits(in_xgboost: Callable[..., Any]) -> None:
    code = """
from sagemaker_containers.beta.framework import content_types, encoders, env, modules, transformer, worker
import sagemaker_containers, sagemaker_training, sagemaker_sklearn_container.serving
from sagemaker_training import environment, entry_point, errors, files, logging_config, mapping, params
from sagemaker_inference import content_types as types, decoder, encoder, errors as inference_errors, utils
from sagemaker_inference.default_inference_handler import DefaultInferenceHandler
from sagemaker_xgboost_container import checkpointing, distributed, encoder as xgboost_encoder
response = worker.Response(encoders.encode([[1, 2.5]], "application/json"), mimetype="application/json")
handler = DefaultInferenceHandler()
def refused(function, *arguments):
    try:
        function(*arguments)
    except Exception as error:
        return type(error).__name__
seen = []
distributed.rabit_run(exec_fun=lambda **given: seen.append(given), args={"a": 1}, include_in_training=True,
                      hosts=["algo-1"], current_host="algo-1", update_rabit_args=True)
result = {
    "response": [response.get_data().decode(), response.status_code, response.mimetype],
    "decoded": encoders.decode("1,2\\n3,4", "text/csv").tolist(),
    "npy": decoder.decode(encoder.encode([1.5, 2.5], types.NPY), types.NPY).tolist(),
    "csv": encoder.encode([[1, 2], [3, 4]], types.CSV),
    "handler": handler.default_output_fn([1, 2], "application/json"),
    "refused": [refused(encoders.decode, "", "text/html"), refused(encoder.encode, [], "text/html"),
                refused(distributed.rabit_run, print, {}, False, ["algo-1"], "algo-1")],
    "arguments": mapping.to_cmd_args({"epochs": 3, "v": True, "a_b": "c"}),
    "variables": mapping.to_env_vars({"model_dir": "/m", "hosts": ["a"], "nothing": None}),
    "accept": utils.parse_accept("text/csv;q=0.9, application/json"),
    "rabit": seen,
}
"""
    found = in_xgboost(code)
    assert found == {
        "response": ["[[1, 2.5]]", 200, "application/json"],
        "decoded": [[1, 2], [3, 4]],
        "npy": [1.5, 2.5],
        "csv": "1,2\n3,4\n",
        "handler": ["[1, 2]", "application/json"],
        "refused": ["UnsupportedFormatError", "UnsupportedFormatError", "PlatformError"],
        "arguments": ["--a_b", "c", "--epochs", "3", "-v", "True"],
        "variables": {"SM_MODEL_DIR": "/m", "SM_HOSTS": '["a"]', "SM_NOTHING": ""},
        "accept": ["text/csv", "application/json"],
        "rabit": [{"a": 1, "is_master": True}],
    }


def test_hugging_faces_bodies(in_xgboost: Callable[..., Any]) -> None:
    code = """
import datetime, numpy
from sagemaker_huggingface_inference_toolkit import content_types, decoder_encoder
def status(function, *arguments):
    try:
        function(*arguments)
    except Exception as error:
        return error.status_code
result = {
    "json": decoder_encoder.decode('{"inputs": "a"}', content_types.JSON),
    "csv": decoder_encoder.decode(b"inputs\\na\\nb", "text/csv; charset=utf-8"),
    "questions": decoder_encoder.decode("question,context\\nq,c", content_types.CSV),
    "bytes": len(decoder_encoder.decode(b"abc", "audio/wav")["inputs"]),
    "encoded": decoder_encoder.encode([{"score": numpy.float32(0.5), "at": datetime.date(2026, 1, 2)}], "*/*"),
    "rows": decoder_encoder.encode([{"label": "x", "score": 0.5}], content_types.CSV).splitlines(),
    "refused": [status(decoder_encoder.decode, "a,b", "text/csv"), status(decoder_encoder.decode, "", "text/html"),
                status(decoder_encoder.encode, 1, "text/csv"), status(decoder_encoder.encode, 1, "text/html")],
}
"""
    assert in_xgboost(code) == {
        "json": {"inputs": "a"},
        "csv": {"inputs": ["a", "b"]},
        "questions": {"inputs": [{"question": "q", "context": "c"}]},
        "bytes": 3,
        "encoded": '[{"score":0.5,"at":"2026-01-02"}]',
        "rows": ["label,score", "x,0.5"],
        "refused": [400, 415, 400, 415],
    }


def test_checkpointed_training_in_scripts(in_xgboost: Callable[..., Any], tmp_path: Any) -> None:
    code = """
import os
import numpy, xgboost
from sagemaker_xgboost_container import checkpointing
features = numpy.random.RandomState(0).rand(50, 3)
matrix = xgboost.DMatrix(features, label=features[:, 0])
arguments = {"params": {}, "dtrain": matrix, "num_boost_round": 4}
first = checkpointing.train(arguments, sys.argv[1])
path, following = checkpointing.load_checkpoint(sys.argv[1])
second = checkpointing.train(dict(arguments, num_boost_round=6), sys.argv[1])
result = [first.num_boosted_rounds(), following <= 4, second.num_boosted_rounds(), os.path.basename(path)[:18]]
"""
    assert in_xgboost(code, tmp_path) == [4, True, 6, "xgboost-checkpoint"]


JOB = """
import os, sys
from sagemaker_training import environment, files
environment.CONFIG = sys.argv[1]
job = environment.Environment()
import json
print(json.dumps({name: job[name] for name in
    ("hyperparameters", "hosts", "current_host", "is_master", "channel_input_dirs", "user_entry_point", "module_name")}
    | {"arguments": job.to_cmd_args(), "variable": job.to_env_vars()["SM_HP_EPOCHS"]}))
"""


def test_a_jobs_environment(sklearn_environment: Environment, run_in: Callable[..., str], tmp_path: Any) -> None:
    import json

    documents = {
        "hyperparameters": {"epochs": "3", "name": '"x"', "sagemaker_program": '"train.py"'},
        "resourceconfig": {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]},
        "inputdataconfig": {"train": {"TrainingInputMode": "File"}},
    }
    for name, document in documents.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    assert json.loads(run_in(sklearn_environment, JOB, str(tmp_path))) == {
        "hyperparameters": {"epochs": 3, "name": "x"},
        "hosts": ["algo-1", "algo-2"],
        "current_host": "algo-2",
        "is_master": False,
        "channel_input_dirs": {"train": "/opt/ml/input/data/train"},
        "user_entry_point": "train.py",
        "module_name": "train",
        "arguments": ["--epochs", "3", "--name", "x"],
        "variable": "3",
    }
