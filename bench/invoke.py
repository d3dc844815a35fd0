"""InvokeEndpoint beside what people serve models with: one model, one machine, one run, one row and 1,000 rows of CSV.

Ours is the whole path of an endpoint: signatures verified, requests routed, workers in their sandboxes; once with
default handlers (the script has a model_fn) and once with a user's own (pandas and a DMatrix). The peers have two
workers, too, no signatures and no sandbox. CPU is what a side's processes used for a request, the load's own left out.
"""

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import hello
import serving_peers
from local_server import BUCKET, ROLE, ROOT, LocalServer, running
from report import Row, print_table
from serving_load import Figures, Side, measure
from serving_peers import IMAGE, Peer

from selfmaker.runtimes.environments import Environments

Table = dict[tuple[str, str, int], dict[str, Figures]]  # by peer, body and connections; then by side
Asked = tuple[Callable[[str], bytes], int, tuple[int, ...]]  # the request for a body, the port, the processes

CONNECTIONS = (1, 16, 64)
_WARMING = 8.0  # seconds in which the server has its spare workers ready
ROUNDS, SECONDS = 2, 1.0
ONE = ",".join(str(round(0.137 * n % 1, 4)) for n in range(12))
MANY = "\n".join(",".join(str(round((0.137 * n + 0.0713 * row) % 1, 4)) for n in range(12)) for row in range(1000))
BODIES = {"1 row": ONE, "1,000 rows": MANY}

TRAIN = """
import numpy, xgboost
rows = numpy.random.RandomState(0).rand(2000, 12)
data = xgboost.DMatrix(rows, (rows.sum(axis=1) > 6).astype(int))
booster = xgboost.train({"objective": "binary:logistic", "max_depth": 6}, data, 100)
booster.save_model("model.json")
"""
DEFAULT = """
import os, xgboost
def model_fn(model_dir):
    booster = xgboost.Booster()
    booster.load_model(os.path.join(model_dir, "model.json"))
    return booster
"""
OWN = (
    DEFAULT
    + """
import io, pandas
def input_fn(body, content_type):
    rows = pandas.read_csv(io.StringIO(body), header=None)
    rows.columns = [str(name) for name in rows.columns]
    return rows
def predict_fn(rows, model):
    return model.predict(xgboost.DMatrix(rows), validate_features=False)
def output_fn(prediction, accept):
    return "\\n".join(map(str, prediction.tolist())), "text/csv"
"""
)
OURS = {"default": DEFAULT, "own": OWN}


def run() -> list[Row]:
    environments = Environments(Path(os.environ.get("SELFMAKER_ENVIRONMENTS", ROOT / ".cache" / "environments")))
    python = environments.for_image(IMAGE, None, _say)[1].python
    with tempfile.TemporaryDirectory() as name, running(slots="2") as server:
        folder = Path(name)
        subprocess.run([python, "-c", TRAIN], cwd=folder, check=True)
        deploy(server, "default", DEFAULT, folder)
        time.sleep(_WARMING)
        first = deploy(server, "own", OWN, folder)
        rows = [
            Row(
                "invoke", "first /ping of an endpoint, warm", first, None, "s", "", _goal(first <= 0.3, "at most 0.3 s")
            )
        ]
        return rows + compared(server, environments, folder) + limits(python, folder)


def compared(server: LocalServer, environments: Environments, folder: Path) -> list[Row]:
    """Every peer in its turn, with ours beside it."""
    figures: Table = {}
    for peer in serving_peers.peers():
        _say(peer.name)
        with serving_peers.running(peer, environments, folder / "model.json") as up:
            asked: dict[str, Asked] = {"default": (partial(signed, server, "default"), *_state(server))}
            if peer.name == "FastAPI":
                asked["own"] = (partial(signed, server, "own"), *_state(server))
            asked[peer.name] = (partial(plain, peer, up.port), up.port, up.pids)
            for (body, connections), found in take(asked).items():
                figures[peer.name, body, connections] = found
    return [row for body in BODIES for n in CONNECTIONS for row in rows_of(body, n, figures)]


def take(asked: dict[str, Asked]) -> dict[tuple[str, int], dict[str, Figures]]:
    """Measure all sides with both bodies at every number of connections, by turns, so that what else the machine does
    is the same for all; medians over the rounds."""
    figures: dict[tuple[str, int], dict[str, Figures]] = {}
    for label, body in BODIES.items():
        sides = [Side(name, port, pids, request_of(body)) for name, (request_of, port, pids) in asked.items()]
        for side in sides:
            measure(side, 4, 0.5)
        for connections in CONNECTIONS:
            rounds = [[measure(side, connections, SECONDS) for side in sides] for _ in range(ROUNDS)]
            of_sides = zip(*rounds, strict=True)
            figures[label, connections] = {
                side.name: median(found) for side, found in zip(sides, of_sides, strict=True)
            }
    return figures


def median(found: Sequence[Figures]) -> Figures:
    columns = zip(*((f.rate, f.p50, f.p99, f.cpu) for f in found), strict=True)
    return Figures(*(statistics.median(column) for column in columns))


def rows_of(body: str, connections: int, figures: Table) -> list[Row]:
    case = f"{body}, {connections} connection{'s' if connections > 1 else ''}"
    found = {peer: sides for (peer, *rest), sides in figures.items() if rest == [body, connections]}
    best = max(found, key=lambda name: found[name][name].rate / found[name]["default"].rate)
    rows = []
    for name, sides in found.items():
        ours, theirs = sides["default"], sides[name]
        goal = ""
        if name == best and body == "1 row":
            wanted = 1.5 if connections == 1 else 5.0
            goal = _goal(ours.rate >= wanted * theirs.rate, f"best peer, {wanted:g}x")
        if name == best and body != "1 row":
            goal = _goal(theirs.cpu >= 1.5 * ours.cpu, f"1.5x a core, it is {theirs.cpu / ours.cpu:.1f}x")
        ratio = _times(ours.rate / theirs.rate)
        rows.append(Row("invoke", f"{case}: {name}", ours.rate, theirs.rate, "1/s", ratio, goal))
    own, theirs = found["FastAPI"]["own"], found["FastAPI"]["FastAPI"]
    goal = _goal(own.rate >= 1.2 * theirs.rate, "1.2x") if body == "1 row" else ""
    ratio = _times(own.rate / theirs.rate)
    rows.append(Row("invoke", f"{case}: own functions, FastAPI", own.rate, theirs.rate, "1/s", ratio, goal))
    ours, theirs = found[best]["default"], found[best][best]
    rows.append(Row("invoke", f"{case}: p99, {best}", ours.p99, theirs.p99, "ms", _times(theirs.p99 / ours.p99), ""))
    rows.append(Row("invoke", f"{case}: CPU, {best}", ours.cpu, theirs.cpu, "ms", _times(theirs.cpu / ours.cpu), ""))
    return rows


def limits(python: Path, folder: Path) -> list[Row]:
    """What no endpoint can exceed: our HTTP alone, and the handlers alone in one process."""
    rows = []
    with constant() as where:
        for connections in CONNECTIONS:
            request = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(ONE)}\r\n\r\n{ONE}".encode()
            rate = measure(Side("hello", *where, request), connections, SECONDS).rate
            case = f"limit: constant answer, {connections} connection{'s' if connections > 1 else ''}"
            rows.append(Row("invoke", case, rate, None, "1/s", "", ""))
    (folder / "algorithm").mkdir()
    shutil.copy(folder / "model.json", folder / "algorithm" / "xgboost-model")
    command = [python, hello.__file__, "predict", ROOT / "src" / "selfmaker" / "serving"]
    told = subprocess.run(
        command,
        cwd=folder / "algorithm",
        input=json.dumps(list(BODIES.values())),
        capture_output=True,
        text=True,
        check=True,
    )
    for body, rate in zip(BODIES, json.loads(told.stdout), strict=True):
        rows.append(Row("invoke", f"limit: one process without a server, {body}", rate, None, "1/s", "", ""))
    return rows


@contextlib.contextmanager
def constant() -> Iterator[tuple[int, tuple[int, ...]]]:
    port = serving_peers.free_port()
    process = subprocess.Popen([sys.executable, hello.__file__, "serve", str(port)])
    try:
        serving_peers.until_open(port)
        yield port, (process.pid,)
    finally:
        process.terminate()
        process.wait()


def deploy(server: LocalServer, name: str, script: str, folder: Path) -> float:
    """Put the model in service with two workers. Seconds from CreateEndpoint until the endpoint is in service."""
    with tempfile.TemporaryDirectory() as made:
        (Path(made) / "m" / "code").mkdir(parents=True)
        (Path(made) / "m" / "code" / "inference.py").write_text(script)
        shutil.copy(folder / "model.json", Path(made) / "m")
        archive = shutil.make_archive(f"{made}/model", "gztar", f"{made}/m")
        server.client("s3").upload_file(archive, BUCKET, f"{name}/model.tar.gz")
    sagemaker = server.client("sagemaker")
    container = {
        "Image": IMAGE,
        "ModelDataUrl": f"s3://{BUCKET}/{name}/model.tar.gz",
        "Environment": {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"},
    }
    sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    began = time.perf_counter()
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    while (described := sagemaker.describe_endpoint(EndpointName=name))["EndpointStatus"] == "Creating":
        time.sleep(0.005)
    if described["EndpointStatus"] != "InService":
        raise SystemExit(described["FailureReason"])
    return time.perf_counter() - began


def signed(server: LocalServer, endpoint: str, body: str) -> bytes:
    """The request with a SigV4 signature, which is good for 15 minutes."""
    document = json.loads((server.home / "run" / "credentials.json").read_text())
    credentials = botocore.credentials.Credentials(document["access_key_id"], document["secret_access_key"])
    port, path = _state(server)[0], f"/endpoints/{endpoint}/invocations"
    headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
    request = botocore.awsrequest.AWSRequest(
        "POST", f"http://127.0.0.1:{port}{path}", data=body.encode(), headers=headers
    )
    botocore.auth.SigV4Auth(credentials, "sagemaker", "us-east-1").add_auth(request)
    return _http(path, port, dict(request.headers), body)


def plain(peer: Peer, port: int, rows: str) -> bytes:
    body, content_type = peer.message(rows)
    return _http("/invocations", port, {"Content-Type": content_type, "Accept": "text/csv"}, body)


def _http(path: str, port: int, headers: dict[str, str], body: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", body]).encode()


def _state(server: LocalServer) -> tuple[int, tuple[int, ...]]:
    document = json.loads((server.home / "run" / "server.json").read_text())
    return int(document["port"]), (int(document["pid"]),)


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}x" if ratio >= 10 else f"{ratio:.2g}x"


def _goal(met: bool, words: str) -> str:
    return f"{words}: {'met' if met else 'not met'}"


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    print_table(run())
