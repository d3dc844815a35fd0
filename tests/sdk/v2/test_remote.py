"""``@remote`` and ``RemoteExecutor``: functions of the user's program that run as training jobs.

The functions are local to the tests: what a job gets is then their code, not the name of a module that it lacks.
"""

import json
import sys
import uuid
from pathlib import Path

import pytest
from sagemaker.remote_function import CheckpointLocation, RemoteExecutor, remote

SMALL = {"instance_type": "ml.m5.large", "keep_alive_period_in_seconds": 0}


def latest_job(session, prefix):
    """The description of the newest job with that name prefix."""
    client = session.sagemaker_client
    found = client.list_training_jobs(NameContains=prefix, SortOrder="Descending", MaxResults=1)
    [newest] = found["TrainingJobSummaries"]
    return client.describe_training_job(TrainingJobName=newest["TrainingJobName"])


def test_a_value_comes_back_from_the_callers_python_and_sdk(session):
    @remote(
        **SMALL,
        sagemaker_session=session,
        environment_variables={"COLOUR": "blue"},
        tags=[{"Key": "team", "Value": "a"}],
    )
    def versions(frame, factor):
        import os

        import sagemaker

        python = ".".join(map(str, sys.version_info[:2]))
        return python, sagemaker.__version__, (frame * factor)["x"].sum(), os.environ["COLOUR"]

    import pandas
    import sagemaker

    python, sdk, total, colour = versions(pandas.DataFrame({"x": [1, 2, 3]}), factor=10)
    assert (python, sdk) == (".".join(map(str, sys.version_info[:2])), sagemaker.__version__)
    assert (total, colour) == (60, "blue")
    job = latest_job(session, "versions")
    assert job["AlgorithmSpecification"]["TrainingImage"].endswith(
        f"/sagemaker-base-python-{sys.version_info[0]}{sys.version_info[1]}:1.0"
    )
    tags = session.sagemaker_client.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
    assert {"Key": "team", "Value": "a"} in tags


def test_an_exception_is_raised_here_as_it_was_there(session):
    @remote(**SMALL, sagemaker_session=session)
    def divides(number):
        return 1 / number

    with pytest.raises(ZeroDivisionError, match="division by zero"):
        divides(0)
    job = latest_job(session, "divides")
    assert job["TrainingJobStatus"] == "Failed"
    assert "ZeroDivisionError" in job["FailureReason"]


def test_dependencies_and_the_working_folder_go_along(session, tmp_path, monkeypatch):
    (tmp_path / "pricing.py").write_text("def price(n):\n    return n * 7\n")
    (tmp_path / "requirements.txt").write_text("tabulate==0.9.0\n")
    monkeypatch.chdir(tmp_path)

    @remote(
        **SMALL,
        sagemaker_session=session,
        dependencies="requirements.txt",
        include_local_workdir=True,
        pre_execution_commands=["echo prepared > /tmp/prepared"],
    )
    def table():
        import tabulate
        from pricing import price

        return tabulate.__version__, price(6), Path("/tmp/prepared").read_text()

    assert table() == ("0.9.0", 42, "prepared\n")


def test_checkpoints_are_kept_in_s3_and_found_again(session, s3):
    bucket, prefix = session.default_bucket(), f"remote-checkpoints/{uuid.uuid4().hex}"
    kept = CheckpointLocation(f"s3://{bucket}/{prefix}")

    @remote(**SMALL, sagemaker_session=session)
    def count(checkpoints):
        path = Path(checkpoints, "count.json")
        before = json.loads(path.read_text()) if path.exists() else 0
        path.write_text(json.dumps(before + 1))
        return before

    assert count(kept) == 0
    assert s3.get_object(Bucket=bucket, Key=f"{prefix}/count.json")["Body"].read() == b"1"
    assert count(kept) == 1


def test_mpirun_starts_the_function_as_often_as_is_asked(session):
    @remote(**SMALL, sagemaker_session=session, use_mpirun=True, nproc_per_node=2)
    def ranks():
        from mpi4py import MPI

        world = MPI.COMM_WORLD
        return world.allgather(world.Get_rank())

    assert ranks() == [0, 1]


def test_an_executor_runs_jobs_side_by_side(session):
    def hosts(number):
        return number, json.loads(Path("/opt/ml/input/config/resourceconfig.json").read_text())["hosts"]

    def fails():
        raise LookupError("no such thing")

    with RemoteExecutor(max_parallel_jobs=2, **SMALL, sagemaker_session=session) as executor:
        future = executor.submit(hosts, 3)
        failing = executor.submit(fails)
    assert future.result() == (3, ["algo-1"])
    assert future.done()
    with pytest.raises(LookupError, match="no such thing"):
        failing.result()
