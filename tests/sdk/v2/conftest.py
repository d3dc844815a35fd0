"""A user of the SageMaker Python SDK v2. The server is the one that ``selfmaker run`` has arranged."""

import json

import pytest
import sagemaker
from sagemaker.estimator import Estimator
from sagemaker.sklearn import SKLearn

SKLEARN_VERSION = "1.4-2"


@pytest.fixture(scope="session")
def session():
    return sagemaker.Session()


@pytest.fixture(scope="session")
def role(session):
    return sagemaker.get_execution_role(session)


@pytest.fixture(scope="session")
def s3(session):
    return session.boto_session.client("s3")


@pytest.fixture
def folder(tmp_path):
    """``folder({name: text})``: a new folder with those files; returns its path as text, as the SDK wants it."""
    made = []

    def write(files):
        root = tmp_path / f"source{len(made)}"
        made.append(root)
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o755 if name.endswith(".sh") else 0o644)
        return str(root)

    return write


@pytest.fixture
def sklearn(session, role):
    """``sklearn(entry_point, **arguments)``: an SKLearn estimator on one small instance."""

    def make(entry_point, **arguments):
        defaults = {
            "framework_version": SKLEARN_VERSION,
            "role": role,
            "instance_type": "ml.m5.large",
            "sagemaker_session": session,
            "disable_profiler": True,
        }
        return SKLearn(entry_point=entry_point, **{**defaults, **arguments})

    return make


@pytest.fixture
def generic(session, role):
    """``generic(image_uri, **arguments)``: a generic Estimator on one small instance."""

    def make(image_uri, **arguments):
        defaults = {
            "role": role,
            "instance_count": 1,
            "instance_type": "ml.m5.large",
            "sagemaker_session": session,
        }
        return Estimator(image_uri=image_uri, **{**defaults, **arguments})

    return make


@pytest.fixture
def seen(s3, archive):
    """What the probe program saw in an estimator's latest job."""
    return lambda estimator: json.loads(archive(s3, estimator.model_data)["probe.json"])
