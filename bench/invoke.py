"""InvokeEndpoint with one CSV row, beside Flask and gunicorn serving the same model as a user would write it.

Ours is the whole path of an endpoint: the signature is verified, the request routed, the user's model_fn loaded in its
sandbox, default handlers. The peer has two workers too, the same environment, no signature and no sandbox. Both are
measured by the same load, in turns, in one run; CPU is what the servers' processes used, the load's own left out.
"""

import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import invoke_load
from invoke_load import Load
from local_server import BUCKET, ROLE, ROOT, LocalServer, running
from report import Row, print_table

from selfmaker.runtimes.environments import Environments

CONNECTIONS = (1, 16, 64)
ROUNDS, SECONDS = 3, 3.0
ACCOUNT = "683313688378.dkr.ecr.us-east-1.amazonaws.com"
ROW = ",".join(str(round(0.137 * n % 1, 4)) for n in range(12))

MODELS = {
    "xgboost": (
        f"{ACCOUNT}/sagemaker-xgboost:1.7-1",
        "import numpy, xgboost\n"
        "rows = numpy.random.RandomState(0).rand(2000, 12)\n"
        "data = xgboost.DMatrix(rows, (rows.sum(axis=1) > 6).astype(int))\n"
        "booster = xgboost.train({'objective': 'binary:logistic', 'max_depth': 6}, data, 100)\n"
        "booster.save_model('model.json')\n",
        "import os, xgboost\n"
        "def model_fn(model_dir):\n"
        "    booster = xgboost.Booster()\n"
        "    booster.load_model(os.path.join(model_dir, 'model.json'))\n"
        "    return booster\n",
        "predictions = model.predict(xgboost.DMatrix(rows))",
    ),
    "sklearn": (
        f"{ACCOUNT}/sagemaker-scikit-learn:1.4-2-cpu-py3",
        "import joblib, numpy\nfrom sklearn.linear_model import LogisticRegression\n"
        "rows = numpy.random.RandomState(0).rand(2000, 12)\n"
        "joblib.dump(LogisticRegression().fit(rows, rows.sum(axis=1) > 6), 'model.joblib')\n",
        "import joblib, os\n"
        "def model_fn(model_dir):\n"
        "    return joblib.load(os.path.join(model_dir, 'model.joblib'))\n",
        "predictions = model.predict(rows)",
    ),
}

FLASK = """
import io
import flask, numpy
{imports}
from inference import model_fn
app = flask.Flask(__name__)
model = model_fn({folder!r})

@app.post("/invocations")
def invocations():
    rows = numpy.loadtxt(io.StringIO(flask.request.get_data(as_text=True)), delimiter=",", ndmin=2)
    {predict}
    return flask.Response(",".join(map(str, predictions.tolist())), mimetype="text/csv")
"""


@dataclass
class Side:
    """One of the two servers: where it listens, the request that it is sent, and the processes that count as its."""

    port: int
    request: bytes
    pids: tuple[int, ...]


@dataclass(frozen=True)
class Figures:
    """Of one side at one number of connections: requests a second, milliseconds, milliseconds of CPU a request."""

    rate: float
    p50: float
    p99: float
    cpu: float


def run() -> list[Row]:
    rows: list[Row] = []
    for name in MODELS:
        with running(slots="2") as server, tempfile.TemporaryDirectory() as folder:
            rows += compare(name, server, Path(folder))
    return rows


def compare(name: str, server: LocalServer, folder: Path) -> list[Row]:
    image, train, script, predict = MODELS[name]
    environments = Environments(Path(os.environ.get("SELFMAKER_ENVIRONMENTS", ROOT / ".cache" / "environments")))
    environment = environments.for_image(image, None, _say)[1]
    (folder / "code").mkdir()
    (folder / "code" / "inference.py").write_text(script)
    subprocess.run([environment.python, "-c", train], cwd=folder, check=True)
    deploy(server, name, image, folder)
    (folder / "requirements.txt").write_text("flask\ngunicorn\n")
    with_flask = environments.extend(environment, folder, _say)
    imports = "import xgboost" if name == "xgboost" else ""
    (folder / "app.py").write_text(FLASK.format(imports=imports, folder=str(folder), predict=predict))
    shutil.copy(folder / "code" / "inference.py", folder)
    with gunicorn(with_flask.python, folder) as peer:
        ours = Side(port_of(server), signed(server, name), tree(pid_of(server)))
        figures = measure(ours, peer)
    return [row for connections in CONNECTIONS for row in rows_of(name, connections, *figures[connections])]


def measure(ours: Side, peer: Side) -> dict[int, tuple[Figures, Figures]]:
    """Each side in turn, ``ROUNDS`` times at each number of connections; medians."""
    for side in (ours, peer):
        invoke_load.run(Load(side.port, side.request, 4, 1.0))
    found: dict[int, tuple[Figures, Figures]] = {}
    for connections in CONNECTIONS:
        turns = [(once(ours, connections), once(peer, connections)) for _ in range(ROUNDS)]
        found[connections] = (middle([a for a, _ in turns]), middle([b for _, b in turns]))
    return found


def once(side: Side, connections: int) -> Figures:
    before = cpu_seconds(side.pids)
    outcome = invoke_load.run(Load(side.port, side.request, connections, SECONDS))
    used = cpu_seconds(side.pids) - before
    if outcome.failed:
        raise SystemExit(f"{outcome.failed} of {len(outcome.latencies)} requests failed")
    count = len(outcome.latencies)
    return Figures(
        rate=count / outcome.seconds,
        p50=outcome.latencies[count // 2] * 1000,
        p99=outcome.latencies[min(count - 1, count * 99 // 100)] * 1000,
        cpu=used / count * 1000,
    )


def middle(figures: list[Figures]) -> Figures:
    columns = zip(*((f.rate, f.p50, f.p99, f.cpu) for f in figures), strict=True)
    return Figures(*(statistics.median(column) for column in columns))


def rows_of(name: str, connections: int, ours: Figures, peer: Figures) -> list[Row]:
    case = f"{name}, {connections} connection{'s' if connections > 1 else ''}"
    goal = f"ahead: {'met' if ours.rate > peer.rate and ours.p99 < peer.p99 else 'not met'}"
    return [
        Row("invoke", f"{case}: requests", ours.rate, peer.rate, "1/s", f"{ours.rate / peer.rate:.2g}x", goal),
        Row("invoke", f"{case}: p50", ours.p50, peer.p50, "ms", f"{peer.p50 / ours.p50:.2g}x", ""),
        Row("invoke", f"{case}: p99", ours.p99, peer.p99, "ms", f"{peer.p99 / ours.p99:.2g}x", ""),
        Row("invoke", f"{case}: CPU a request", ours.cpu, peer.cpu, "ms", f"{peer.cpu / ours.cpu:.2g}x", ""),
    ]


def deploy(server: LocalServer, name: str, image: str, folder: Path) -> None:
    """Put the model in service as the endpoint ``name``, with two workers."""
    archive = Path(shutil.make_archive(str(folder.parent / f"{folder.name}-model"), "gztar", folder))
    server.client("s3").upload_file(str(archive), BUCKET, f"{name}/model.tar.gz")
    archive.unlink()
    sagemaker = server.client("sagemaker")
    container = {
        "Image": image,
        "ModelDataUrl": f"s3://{BUCKET}/{name}/model.tar.gz",
        "Environment": {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"},
    }
    sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    while (described := sagemaker.describe_endpoint(EndpointName=name))["EndpointStatus"] == "Creating":
        time.sleep(0.05)
    if described["EndpointStatus"] != "InService":
        raise SystemExit(described["FailureReason"])


def signed(server: LocalServer, endpoint: str) -> bytes:
    """The request with a SigV4 signature, which is good for 15 minutes."""
    credentials = botocore.credentials.Credentials(*keys_of(server))
    url = f"http://127.0.0.1:{port_of(server)}/endpoints/{endpoint}/invocations"
    headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
    request = botocore.awsrequest.AWSRequest("POST", url, data=ROW.encode(), headers=headers)
    botocore.auth.SigV4Auth(credentials, "sagemaker", "us-east-1").add_auth(request)
    return http(f"/endpoints/{endpoint}/invocations", port_of(server), dict(request.headers))


def http(path: str, port: int, headers: dict[str, Any]) -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Content-Length: {len(ROW)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ROW]).encode()


@contextlib.contextmanager
def gunicorn(python: Path, folder: Path) -> Iterator[Side]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [python, "-m", "gunicorn", "-w", "2", "-k", "gthread", "--threads", "4", "--keep-alive", "60"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*command, "-b", f"127.0.0.1:{port}", "--log-level", "warning", "app:app"], cwd=folder, env=environment
    )
    try:
        headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
        request = http("/invocations", port, headers)
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as connection:
                connection.sendall(request)
                if connection.recv(65536).startswith(b"HTTP/1.1 200"):
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("gunicorn did not come up")
            time.sleep(0.1)
        yield Side(port, request, tree(process.pid))
    finally:
        process.terminate()
        process.wait()


def tree(pid: int) -> tuple[int, ...]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return tuple(found)


def cpu_seconds(pids: tuple[int, ...]) -> float:
    """User and system time that the processes have used so far."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def keys_of(server: LocalServer) -> tuple[str, str]:
    document = json.loads((server.home / "run" / "credentials.json").read_text())
    return document["access_key_id"], document["secret_access_key"]


def port_of(server: LocalServer) -> int:
    return int(json.loads((server.home / "run" / "server.json").read_text())["port"])


def pid_of(server: LocalServer) -> int:
    return int(json.loads((server.home / "run" / "server.json").read_text())["pid"])


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    print_table(run())
