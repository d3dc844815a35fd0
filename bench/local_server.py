"""A selfmaker server for a bench: a process of its own, on a temporary home and a free port."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3

ROOT = Path(__file__).resolve().parent.parent
SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
BUCKET = "sagemaker-us-east-1-123456789012"


class LocalServer:
    """A server that listens. ``home`` is its folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._credentials = json.loads((home / "run" / "credentials.json").read_text())

    def client(self, service: str, **options: Any) -> Any:
        credentials = self._credentials
        return boto3.session.Session().client(
            service,
            endpoint_url=credentials["endpoint_url"],
            region_name=credentials["region"],
            aws_access_key_id=credentials["access_key_id"],
            aws_secret_access_key=credentials["secret_access_key"],
            **options,
        )

    def job_request(self, name: str, source: str) -> dict[str, Any]:
        """A CreateTrainingJob request that runs ``source`` as train.py in the scikit-learn image; uploads it."""
        key = f"bench/{name}/sourcedir.tar.gz"
        self.client("s3").put_object(Bucket=BUCKET, Key=key, Body=tar({"train.py": source}))
        return {
            "TrainingJobName": name,
            "RoleArn": ROLE,
            "AlgorithmSpecification": {"TrainingImage": SKLEARN, "TrainingInputMode": "File"},
            "HyperParameters": {
                "sagemaker_program": "train.py",
                "sagemaker_submit_directory": f"s3://{BUCKET}/{key}",
            },
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/bench/output"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        }


@contextlib.contextmanager
def running(**settings: str) -> Iterator[LocalServer]:
    """A server for as long as the block lasts; its home is removed with it."""
    with tempfile.TemporaryDirectory(prefix="selfmaker-bench-", ignore_cleanup_errors=True) as folder:
        home = Path(folder) / "home"
        environment = {
            **os.environ,
            "SELFMAKER_HOME": str(home),
            "SELFMAKER_ENVIRONMENTS": os.environ.get("SELFMAKER_ENVIRONMENTS", str(ROOT / ".cache" / "environments")),
            **{f"SELFMAKER_{name.upper()}": value for name, value in settings.items()},
        }
        command = [sys.executable, "-m", "selfmaker.cli.main", "up", "--port", "0"]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        try:
            while not (home / "run" / "server.json").exists():
                if process.poll() is not None:
                    raise SystemExit(f"the server ended with exit code {process.returncode}")
                time.sleep(0.02)
            yield LocalServer(home)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def run_job(sagemaker: Any, request: Mapping[str, Any]) -> tuple[float, dict[str, Any]]:
    """Submit a job and look at it every 5 ms until it has ended: (seconds, last description). It must complete."""
    started = time.perf_counter()
    sagemaker.create_training_job(**request)
    while True:
        described: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=request["TrainingJobName"])
        if described["TrainingJobStatus"] in ("Completed", "Failed", "Stopped"):
            break
        time.sleep(0.005)
    seconds = time.perf_counter() - started
    if described["TrainingJobStatus"] != "Completed":
        raise SystemExit(f"a bench's job failed: {described.get('FailureReason')}")
    return seconds, described


def tar(files: Mapping[str, str]) -> bytes:
    """A ``.tar.gz`` of those files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()
