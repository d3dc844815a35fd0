"""An endpoint of the SDKs' local mode without Docker: an endpoint of the server's, behind the port that the SDK asks.

It lives as long as the process: told to end, or left alone by the one that started it, it removes what it made.
"""

import os
import shutil
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from selfmaker import ids
from selfmaker.contract import script_mode
from selfmaker.contract.artifacts import pack
from selfmaker.errors import Invalid
from selfmaker.jobs.local_service import Service
from selfmaker.settings import Settings
from selfmaker.signals import EndSignals

SUBMIT_DIRECTORY = script_mode.SUBMIT_DIRECTORY.upper()
_LOOK = 0.3  # seconds between looks at the endpoint and its log
_GONE = 60.0  # seconds that an endpoint has to go
_HEADERS = {
    "Content-Type": "ContentType",
    "Accept": "Accept",
    "X-Amzn-SageMaker-Custom-Attributes": "CustomAttributes",
    "X-Amzn-SageMaker-Target-Model": "TargetModel",
    "X-Amzn-SageMaker-Inference-Id": "InferenceId",
}


class LocalEndpoint:
    """``folder`` is for archives on their way."""

    def __init__(self, service: Service, folder: Path, settings: Settings, own: Mapping[str, str]) -> None:
        self._service = service
        self._folder = folder
        self._name = f"local-mode-{ids.unique_id()[:12].lower()}"
        self._region = own.get("AWS_REGION", settings.region)
        self._account = settings.account
        session = botocore.session.get_session()
        place: dict[str, Any] = {"endpoint_url": own["SELFMAKER_ENDPOINT_URL"], "region_name": self._region}
        self._s3 = session.create_client("s3", **place)
        self._sagemaker = session.create_client("sagemaker", **place)
        self._logs = session.create_client("logs", **place)
        self.runtime = session.create_client("sagemaker-runtime", **place)
        self.ready = False

    @property
    def name(self) -> str:
        return self._name

    def run(self) -> int:
        """Serve until the end. Raises Invalid where the port is taken, or the model cannot be served."""
        end = EndSignals()
        port = int(str(self._service.ports[0]).partition(":")[0]) if self._service.ports else 8080
        try:
            server = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"endpoint": self}))
        except OSError as error:
            raise Invalid(f"local endpoints answer on port {port}, which cannot be had: {error.strerror}") from None
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            self._create()
            self._stay(end)
        except ClientError as error:
            raise Invalid(f"the model cannot be served: {error}") from None
        finally:
            server.shutdown()
            self._remove()
        return 0

    def _create(self) -> None:
        model = self._service.path("/opt/ml/model")
        environment = dict(self._service.environment)
        if environment.get(SUBMIT_DIRECTORY) == script_mode.CODE_DIRECTORY:
            source = self._service.path(script_mode.CODE_DIRECTORY)
            if source is not None:
                environment[SUBMIT_DIRECTORY] = self._store(source, "sourcedir.tar.gz")
        container: dict[str, Any] = {"Image": self._service.image, "Environment": _without_access(environment)}
        if model is not None and any(model.iterdir()):
            container["ModelDataUrl"] = self._store(model, "model.tar.gz")
        role = f"arn:aws:iam::{self._account}:role/SageMakerRole"
        self._sagemaker.create_model(ModelName=self._name, PrimaryContainer=container, ExecutionRoleArn=role)
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": self._name,
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
        }
        self._sagemaker.create_endpoint_config(EndpointConfigName=self._name, ProductionVariants=[variant])
        self._sagemaker.create_endpoint(EndpointName=self._name, EndpointConfigName=self._name)

    def _store(self, folder: Path, name: str) -> str:
        """The folder as an archive in the default bucket; its URI. The archive that it came from is left out."""
        copy = self._folder / name.partition(".")[0]
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("model.tar.gz", "__pycache__"))
        archive = self._folder / name
        pack([copy], archive)
        bucket, key = f"sagemaker-{self._region}-{self._account}", f"{self._name}/{name}"
        with archive.open("rb") as body:
            self._s3.put_object(Bucket=bucket, Key=key, Body=body)
        return f"s3://{bucket}/{key}"

    def _stay(self, end: EndSignals) -> None:
        """Until the end, show the endpoint's log. Raises Invalid when it doesn't come up."""
        parent, shown = os.getppid(), 0
        while os.getppid() == parent:
            shown = self._show_log(shown)
            if not self.ready:
                described = self._sagemaker.describe_endpoint(EndpointName=self._name)
                self.ready = described["EndpointStatus"] == "InService"
                if described["EndpointStatus"] == "Failed":
                    raise Invalid(f"the model cannot be served: {described.get('FailureReason', '')}")
            if end.wait(_LOOK):
                return

    def _show_log(self, shown: int) -> int:
        group = f"/aws/sagemaker/Endpoints/{self._name}"
        try:
            streams = self._logs.describe_log_streams(logGroupName=group)["logStreams"]
            pages = [
                self._logs.get_log_events(
                    logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True, startTime=shown
                )
                for stream in streams
            ]
        except ClientError:
            return shown  # there is none yet
        events = sorted((event for page in pages for event in page["events"]), key=lambda event: event["timestamp"])
        for event in events:
            print(f"{self._service.name}  | {event['message']}", flush=True)
        return int(events[-1]["timestamp"]) + 1 if events else shown

    def _remove(self) -> None:
        """Delete what was made; returns once the endpoint has gone."""
        self._call("delete_endpoint_config", EndpointConfigName=self._name)
        self._call("delete_model", ModelName=self._name)
        deadline = time.monotonic() + _GONE
        while time.monotonic() < deadline:
            self._call("delete_endpoint", EndpointName=self._name)  # one that is being made cannot be deleted yet
            if not self._call("describe_endpoint", EndpointName=self._name):
                return
            time.sleep(_LOOK)

    def _call(self, operation: str, **members: str) -> bool:
        """Whether the server did it, rather than refuse."""
        try:
            getattr(self._sagemaker, operation)(**members)
        except (ClientError, BotoCoreError):  # or the server itself has gone
            return False
        return True


class _Handler(BaseHTTPRequestHandler):
    """What the SDK asks of a container: /ping and /invocations."""

    endpoint: LocalEndpoint

    def do_GET(self) -> None:
        self._answer(200 if self.path == "/ping" and self.endpoint.ready else 503, b"", "text/plain")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        given = {name: self.headers[header] for header, name in _HEADERS.items() if self.headers.get(header)}
        try:
            answer = self.endpoint.runtime.invoke_endpoint(EndpointName=self.endpoint.name, Body=body, **given)
            self._answer(200, answer["Body"].read(), answer.get("ContentType", "application/octet-stream"))
        except ClientError as error:
            told: Mapping[str, Any] = error.response
            text = told.get("OriginalMessage") or str(error)
            self._answer(int(told.get("OriginalStatusCode", 400)), str(text).encode(), "text/plain")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """The endpoint's own log is shown."""


def _without_access(environment: Mapping[str, str]) -> dict[str, str]:
    """The endpoint gets credentials of its own."""
    return {name: value for name, value in environment.items() if not name.startswith("AWS_")}
