"""``@remote`` and ``RemoteExecutor`` of SDK v3.

The functions are local to the tests: what a job gets is then their code, not the name of a module that it lacks.
"""

import json
import sys
import uuid
from importlib import metadata
from pathlib import Path

import pytest
from sagemaker.core.remote_function import CheckpointLocation, RemoteExecutor, remote

SMALL = {"instance_type": "ml.m5.large"}


def test_a_value_comes_back_from_the_callers_python_and_sdk(session, tmp_path, monkeypatch):
    (tmp_path / "pricing.py").write_text("def price(n):\n    return n * 7\n")
    (tmp_path / "requirements.txt").write_text("tabulate==0.9.0\n")
    monkeypatch.chdir(tmp_path)

    @remote(**SMALL, sagemaker_session=session, dependencies="requirements.txt", include_local_workdir=True)
    def versions(numbers):
        import tabulate
        from pricing import price

        return sys.version_info[:2], metadata.version("sagemaker"), tabulate.__version__, list(map(price, numbers))

    assert versions([1, 2]) == (sys.version_info[:2], metadata.version("sagemaker"), "0.9.0", [7, 14])


def test_an_exception_is_raised_here_as_it_was_there(session):
    @remote(**SMALL, sagemaker_session=session)
    def divides(number):
        return 1 / number

    with pytest.raises(ZeroDivisionError, match="division by zero"):
        divides(0)


def test_an_executor_runs_jobs_with_checkpoints(session, s3):
    bucket, prefix = session.default_bucket(), f"remote-checkpoints/{uuid.uuid4().hex}"
    kept = CheckpointLocation(f"s3://{bucket}/{prefix}")

    def note(checkpoints, number):
        hosts = json.loads(Path("/opt/ml/input/config/resourceconfig.json").read_text())["hosts"]
        Path(checkpoints, "number.json").write_text(json.dumps(number))
        return hosts

    with RemoteExecutor(max_parallel_jobs=1, **SMALL, sagemaker_session=session) as executor:
        future = executor.submit(note, kept, 3)
    assert future.result() == ["algo-1"]
    assert s3.get_object(Bucket=bucket, Key=f"{prefix}/number.json")["Body"].read() == b"3"
