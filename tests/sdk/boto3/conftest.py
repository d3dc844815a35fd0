"""What a user of plain boto3 does, in few words."""

import io
import itertools
import json
import tarfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

ACCOUNT = "683313688378.dkr.ecr.us-east-1.amazonaws.com"
SKLEARN = f"{ACCOUNT}/sagemaker-scikit-learn:1.4-2-cpu-py3"
XGBOOST = f"{ACCOUNT}/sagemaker-xgboost:1.7-1"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
FINAL = ("Completed", "Failed", "Stopped")

_numbers = itertools.count(1)


def tar(files: Mapping[str, str | bytes]) -> bytes:
    """A ``.tar.gz`` of those files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(data)
            member.mode = 0o755 if name.endswith(".sh") else 0o644
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


class Account:
    """A user with boto3 clients of one server, a bucket, and a way to submit jobs and read what they made."""

    sklearn, xgboost, role = SKLEARN, XGBOOST, ROLE

    def __init__(self, server: Any, archive: Callable[[Any, str], dict[str, bytes]]) -> None:
        self.server = server
        self._archive = archive
        self.connect()
        self.bucket = f"sagemaker-us-east-1-{ROLE.split(':')[4]}"

    def connect(self) -> None:
        """Make the clients anew: a restarted server listens elsewhere."""
        self.s3 = self.server.client("s3")
        self.sagemaker = self.server.client("sagemaker")
        self.runtime = self.server.client("sagemaker-runtime")
        self.logs = self.server.client("logs")

    def unique(self, base: str = "job") -> str:
        """A name that no other test uses."""
        return f"{base}-{next(_numbers)}"

    def put(self, key: str, data: str | bytes) -> str:
        """Store an object; returns its URI."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=data.encode() if isinstance(data, str) else data)
        return f"s3://{self.bucket}/{key}"

    def get(self, uri: str) -> bytes:
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        body: bytes = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    def keys(self, prefix: str) -> list[str]:
        """The keys below ``prefix``, relative to it."""
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        return [item["Key"].removeprefix(prefix) for item in listed]

    def request(self, name: str, source: Mapping[str, str] | str | None = None, **members: Any) -> dict[str, Any]:
        """A CreateTrainingJob request in script mode; ``source`` is the files of the source folder or train.py's text.

        Keyword arguments replace members; HyperParameters are merged.
        """
        files = {"train.py": source} if isinstance(source, str) else source
        hyperparameters = dict(members.pop("HyperParameters", {}))
        if files is not None:
            uri = self.put(f"{name}/source/sourcedir.tar.gz", tar(files))
            hyperparameters = {
                "sagemaker_program": next(iter(files)),
                "sagemaker_submit_directory": uri,
                **hyperparameters,
            }
        return {
            "TrainingJobName": name,
            "RoleArn": ROLE,
            "AlgorithmSpecification": {"TrainingImage": SKLEARN, "TrainingInputMode": "File"},
            "HyperParameters": hyperparameters,
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/output"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
            **members,
        }

    def create(self, source: Mapping[str, str] | str | None = None, base: str = "job", **members: Any) -> str:
        """Submit a training job; returns its name."""
        name = members.pop("TrainingJobName", None) or self.unique(base)
        self.sagemaker.create_training_job(**self.request(name, source, **members))
        return str(name)

    def train(self, source: Mapping[str, str] | str | None = None, base: str = "job", **members: Any) -> dict[str, Any]:
        """Submit a training job and wait for its end; returns the last description, whatever the outcome."""
        return self.ended(self.create(source, base, **members))

    def succeed(self, source: Mapping[str, str] | str | None = None, **members: Any) -> dict[str, Any]:
        """As ``train``, for a job that must complete; the log is in the error when it does not."""
        described = self.train(source, **members)
        name = described["TrainingJobName"]
        assert described["TrainingJobStatus"] == "Completed", f"{described.get('FailureReason')}\n{self.log_text(name)}"
        return described

    def ended(self, name: str) -> dict[str, Any]:
        return self.until(name, lambda d: d["TrainingJobStatus"] in FINAL)

    def until(self, name: str, holds: Callable[[dict[str, Any]], bool], seconds: float = 240) -> dict[str, Any]:
        """The first description of a training job for which ``holds``."""
        deadline = time.monotonic() + seconds
        while True:
            described: dict[str, Any] = self.sagemaker.describe_training_job(TrainingJobName=name)
            if holds(described):
                return described
            assert time.monotonic() < deadline, f"still not: {described}\n{self.log_text(name)}"
            time.sleep(0.03)

    def until_logged(self, name: str, text: str, seconds: float = 120) -> None:
        """Wait until the job's log has a line with ``text``."""
        deadline = time.monotonic() + seconds
        while not any(text in line for line in self.log(name)):
            assert time.monotonic() < deadline, f"no {text!r} in\n{self.log_text(name)}"
            time.sleep(0.03)

    def log(self, name: str, group: str = "/aws/sagemaker/TrainingJobs") -> list[str]:
        """All log lines of a job, stream after stream."""
        try:
            streams = self.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")["logStreams"]
        except self.logs.exceptions.ResourceNotFoundException:
            return []
        return [event["message"] for stream in streams for event in self.events(group, stream["logStreamName"])]

    def log_text(self, name: str) -> str:
        return "\n".join(self.log(name))

    def events(self, group: str, stream: str) -> list[dict[str, Any]]:
        """All events of a stream, read page after page as the SDKs do."""
        events: list[dict[str, Any]] = []
        token: dict[str, str] = {}
        while True:
            page = self.logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, **token)
            if not page["events"]:
                return events
            events += page["events"]
            token = {"nextToken": page["nextForwardToken"]}

    def model(self, files: Mapping[str, str | bytes], source: str | None = None, **members: Any) -> str:
        """Create a model whose artifact holds ``files`` and whose code is ``source``; returns its name."""
        name = self.unique("model")
        environment = dict(members.pop("Environment", {}))
        if source is not None:
            code = self.put(f"{name}/sourcedir.tar.gz", tar({"inference.py": source}))
            environment = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": code, **environment}
        container = {
            "Image": members.pop("Image", SKLEARN),
            "ModelDataUrl": self.put(f"{name}/model.tar.gz", tar(files)),
            "Environment": environment,
        }
        self.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container, **members)
        return name

    def config(self, *models: str, **variant: Any) -> str:
        """Create an endpoint configuration with a variant for each model: variant-1, variant-2...; returns its name."""
        name = self.unique("config")
        variants = [
            {
                "VariantName": f"variant-{number}",
                "ModelName": model,
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 1,
                **variant,
            }
            for number, model in enumerate(models, start=1)
        ]
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants)
        return name

    def deploy(self, *models: str, **variant: Any) -> str:
        """Create an endpoint for those models and wait until it is in service; returns its name."""
        name = self.unique("endpoint")
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=self.config(*models, **variant))
        described = self.settled(name)
        assert described["EndpointStatus"] == "InService", described.get("FailureReason")
        return name

    def settled(self, endpoint: str, seconds: float = 240) -> dict[str, Any]:
        """The first description of an endpoint that is neither being created nor updated."""
        deadline = time.monotonic() + seconds
        while True:
            described: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=endpoint)
            if described["EndpointStatus"] not in ("Creating", "Updating", "SystemUpdating", "RollingBack"):
                return described
            assert time.monotonic() < deadline, f"still not: {described}"
            time.sleep(0.03)

    def invoke(self, endpoint: str, body: str | bytes, content_type: str = "text/csv", **members: Any) -> bytes:
        """The answer's body."""
        answer = self.runtime.invoke_endpoint(EndpointName=endpoint, Body=body, ContentType=content_type, **members)
        data: bytes = answer["Body"].read()
        return data

    def artifact(self, described: Mapping[str, Any]) -> dict[str, bytes]:
        """The files of a job's model artifact, by name."""
        return self._archive(self.s3, described["ModelArtifacts"]["S3ModelArtifacts"])

    def output(self, described: Mapping[str, Any]) -> dict[str, bytes]:
        """The files of a job's output.tar.gz, by name."""
        path = described["OutputDataConfig"]["S3OutputPath"].rstrip("/")
        return self._archive(self.s3, f"{path}/{described['TrainingJobName']}/output/output.tar.gz")


@pytest.fixture(scope="session")
def account(server: Any, archive: Any) -> Account:
    """A user of the shared server."""
    return Account(server, archive)


@pytest.fixture(scope="session")
def account_on(archive: Any) -> Callable[[Any], Account]:
    """Make a user of a server that the test started itself."""
    return lambda server: Account(server, archive)


@pytest.fixture(scope="session")
def probe_text(programs: Path) -> str:
    return (programs / "probe.py").read_text()


@pytest.fixture(scope="session")
def probe(account: Account, probe_text: str) -> Callable[..., dict[str, Any]]:
    """``probe(**members)``: run the probe as a training job; returns what it saw, with the last description added."""

    def run(source: Mapping[str, str] | None = None, **members: Any) -> dict[str, Any]:
        described = account.succeed(source or {"train.py": probe_text}, **members)
        seen: dict[str, Any] = json.loads(account.artifact(described)["probe.json"])
        return {**seen, "described": described}

    return run


def channel(name: str, uri: str, **members: Any) -> dict[str, Any]:
    """A Channel structure; ``members`` of the S3 data source start with ``S3``, the others are the channel's own."""
    inner = {key: value for key, value in members.items() if key.startswith("S3")}
    outer = {key: value for key, value in members.items() if not key.startswith("S3")}
    source = {"S3DataType": "S3Prefix", "S3DataDistributionType": "FullyReplicated", "S3Uri": uri, **inner}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, **outer}


@pytest.fixture(scope="session", name="channel")
def channel_fixture() -> Callable[..., dict[str, Any]]:
    return channel


class Transforms:
    """Submits transform jobs and reads what they made."""

    LINES: ClassVar[dict[str, Any]] = {
        "TransformInput": {"SplitType": "Line"},
        "TransformOutput": {"AssembleWith": "Line", "Accept": "text/csv"},
    }

    def __init__(self, account: Account) -> None:
        self.account = account

    def request(self, model: str, uri: str, **members: Any) -> dict[str, Any]:
        """A CreateTransformJob request for CSV; members of TransformInput and TransformOutput are merged."""
        name = members.pop("TransformJobName", None) or self.account.unique("transform")
        given = {"ContentType": "text/csv", **members.pop("TransformInput", {})}
        given["DataSource"] = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri, **given.pop("S3", {})}}
        output = {"S3OutputPath": f"s3://{self.account.bucket}/{name}/out", **members.pop("TransformOutput", {})}
        return {
            "TransformJobName": name,
            "ModelName": model,
            "TransformInput": given,
            "TransformOutput": output,
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
            **members,
        }

    def create(self, model: str, uri: str, **members: Any) -> str:
        """Submit a job; returns its name."""
        request = self.request(model, uri, **members)
        self.account.sagemaker.create_transform_job(**request)
        return str(request["TransformJobName"])

    def ended(self, name: str, seconds: float = 120) -> dict[str, Any]:
        """The first description of a job that has ended."""
        deadline = time.monotonic() + seconds
        while True:
            described: dict[str, Any] = self.account.sagemaker.describe_transform_job(TransformJobName=name)
            if described["TransformJobStatus"] in FINAL:
                return described
            assert time.monotonic() < deadline, f"{described}\n{self.log(name)}"
            time.sleep(0.03)

    def run(self, model: str, uri: str, **members: Any) -> dict[str, Any]:
        """The last description, whatever the outcome."""
        return self.ended(self.create(model, uri, **members))

    def outputs(self, described: Mapping[str, Any]) -> dict[str, bytes]:
        """Output objects by their key relative to the output path."""
        prefix = described["TransformOutput"]["S3OutputPath"].removeprefix(f"s3://{self.account.bucket}/") + "/"
        return {key: self.account.get(f"s3://{self.account.bucket}/{prefix}{key}") for key in self.account.keys(prefix)}

    def succeed(self, model: str, uri: str, **members: Any) -> dict[str, bytes]:
        """The outputs of a job that must complete; the log is in the error when it does not."""
        described = self.run(model, uri, **members)
        name = described["TransformJobName"]
        assert described["TransformJobStatus"] == "Completed", f"{described.get('FailureReason')}\n{self.log(name)}"
        return self.outputs(described)

    def log(self, name: str) -> str:
        return "\n".join(self.account.log(name, "/aws/sagemaker/TransformJobs"))


@pytest.fixture(scope="session")
def transforms(account: Account) -> Transforms:
    """Transform jobs of the shared server's user."""
    return Transforms(account)


@pytest.fixture(scope="session")
def transforms_of() -> Callable[[Account], Transforms]:
    """Transform jobs of a user that the test made itself."""
    return Transforms
