"""A user of the SageMaker Python SDK v3. The server is the one that ``selfmaker run`` has arranged."""

import json
import os

import pytest
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, SourceCode

# The SDK's names end in seconds: the processes of a parallel run need names of their own.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "alone")


@pytest.fixture(scope="session")
def session():
    return Session()


@pytest.fixture(scope="session")
def role(session):
    return get_execution_role(session)


@pytest.fixture(scope="session")
def s3(session):
    return session.boto_session.client("s3")


@pytest.fixture(scope="session")
def image(session):
    return image_uris.retrieve("sklearn", session.boto_region_name, version="1.4-2", instance_type="ml.m5.large")


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
        return str(root)

    return write


@pytest.fixture
def trainer(session, role, image, folder):
    """``trainer({name: text}, entry_script=..., **arguments)``: a ModelTrainer on one small instance."""

    def make(files, source=None, **arguments):
        given = source or {"entry_script": next(iter(files))}
        defaults = {
            "training_image": image,
            "source_code": SourceCode(source_dir=folder(files), **given),
            "compute": Compute(instance_type="ml.m5.large", instance_count=1),
            "role": role,
            "base_job_name": f"v3-{WORKER}",
            "sagemaker_session": session,
        }
        return ModelTrainer(**{**defaults, **arguments})

    return make


@pytest.fixture
def artifact(s3, archive):
    """The files of a trainer's latest model artifact."""
    return lambda trainer: archive(s3, trainer._latest_training_job.model_artifacts.s3_model_artifacts)


@pytest.fixture
def seen(artifact):
    """What the probe program saw in a trainer's latest job."""
    return lambda trainer: json.loads(artifact(trainer)["probe.json"])


@pytest.fixture
def logged(session):
    """The text of the log of a trainer's latest job."""

    def read(trainer):
        name = trainer._latest_training_job.training_job_name
        pages = (
            session.boto_session.client("logs")
            .get_paginator("filter_log_events")
            .paginate(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{name}/")
        )
        return "\n".join(event["message"] for page in pages for event in page["events"])

    return read
