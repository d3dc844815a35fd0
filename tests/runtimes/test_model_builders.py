"""Models of SDK v3's ModelBuilder get the part of the SDK that serves them."""

from pathlib import Path

import pytest

from selfmaker.runtimes.model_builders import sdk_of_model


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "serve.pkl").write_bytes(b"")
    (tmp_path / "inference.py").write_text("from sagemaker.serve.spec.inference_spec import InferenceSpec\n")
    return tmp_path


def test_the_serving_part_has_the_version_of_the_others(code: Path) -> None:
    assert sdk_of_model(code, {"sagemaker-train": "1.27.0"}) == "sagemaker-serve==1.27.0"
    assert sdk_of_model(code, {}) == "sagemaker-serve"


def test_what_is_there_is_not_asked_for(code: Path) -> None:
    assert sdk_of_model(code, {"sagemaker-serve": "1.0"}) is None
    assert sdk_of_model(code, {"sagemaker": "2.257.7"}) is None, "SDK v2 is one package"


def test_scripts_of_the_users_own_are_left_alone(code: Path) -> None:
    (code / "inference.py").write_text("def model_fn(folder): ...")
    assert sdk_of_model(code, {}) is None
    (code / "serve.pkl").unlink()
    assert sdk_of_model(code, {}) is None
