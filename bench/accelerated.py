"""Predictions of the churn model by oneDAL, beside XGBoost's own: in process, and through the endpoint of its image.

The model is the one of examples/churn on generated customers, trained in its image's environment; the programs are the
example's. In process XGBoost predicts both in place, as the example does without acceleration, and from a DMatrix, as
many containers do. At the endpoint each side is a deployment of the same image, asked in turns by one connection.
"""

import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from botocore.config import Config
from local_server import BUCKET, ROLE, ROOT, LocalServer, running
from report import Row

from selfmaker.runtimes import declaration
from selfmaker.runtimes.declared import DeclaredImages
from selfmaker.runtimes.environments import Environments
from selfmaker.runtimes.images import parse_image

CHURN = ROOT / "examples" / "churn"
IMAGE = "xgboost-daal4py"
TIMES = {1: 300, 1_000: 60, 100_000: 5}
GOALS = {1: 10.0, 1_000: 2.0, 100_000: 2.5}  # seen elsewhere, in process
TOLERANCE = 1e-6
LONGEST_BODY = 6 << 20  # bytes of an InvokeEndpoint request

# Run in the image's environment: trains the model, writes it and the requests' bodies, and measures in process.
PROGRAM = """
import json, statistics, sys, time
from pathlib import Path
churn, folder, times = Path(sys.argv[1]), Path(sys.argv[2]), {int(k): v for k, v in json.loads(sys.argv[3]).items()}
sys.path[:0] = [str(churn), str(churn / "container" / "program")]
import numpy as np, xgboost as xgb
import scoring
from dataset import generate
from pipelines.customer_churn.preprocess import Transformation, labels, read_raw
generate(20_000).to_csv(folder / "raw.csv", index=False)
table = read_raw(folder / "raw.csv")
features = np.round(Transformation.fit(table).transform(table), 4)
booster = xgb.train(
    {"objective": "binary:logistic", "max_depth": 5, "eta": 0.2, "gamma": 1, "min_child_weight": 3, "subsample": 0.8},
    xgb.DMatrix(features, label=labels(table)), 100,
)
(folder / "model").mkdir()
booster.save_model(folder / "model" / scoring.FILE)
fast = scoring.accelerate(booster)
ways = {
    "accelerated": lambda rows: scoring.predict(fast, rows),
    "in place": lambda rows: scoring.predict(booster, rows),
    "from a DMatrix": lambda rows: booster.predict(xgb.DMatrix(rows)),
}
told = {"difference": 0.0, "seconds": {}}
for count, repeats in times.items():
    rows = np.ascontiguousarray(np.resize(features, (count, features.shape[1])))
    answers = {name: way(rows) for name, way in ways.items()}
    differences = [float(abs(answers["accelerated"] - answer).max()) for answer in answers.values()]
    told["difference"] = max(told["difference"], *differences)
    taken = {name: [] for name in ways}
    for _ in range(3):  # rounds; within one, each way is by itself: their threads would be in each other's way
        for name, way in ways.items():
            for _ in range(1 + repeats // 3):
                started = time.perf_counter()
                way(rows)
                taken[name].append(time.perf_counter() - started)
    told["seconds"][count] = {name: statistics.median(values) for name, values in taken.items()}
    np.savetxt(folder / f"{count}.csv", rows, delimiter=",", fmt="%.4g")
print(json.dumps(told))
"""


def run() -> list[Row]:
    with tempfile.TemporaryDirectory() as name, running(slots="2") as server:
        folder = Path(name)
        declared = DeclaredImages(server.home / "images").add(declaration.read(CHURN / "container"))
        environments = Environments(Path(os.environ.get("SELFMAKER_ENVIRONMENTS", ROOT / ".cache" / "environments")))
        python = environments.build(declared.environment(parse_image(IMAGE)), _say).python
        command = [str(python), "-c", PROGRAM, str(CHURN), str(folder), json.dumps(TIMES)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        told = json.loads(done.stdout.splitlines()[-1])
        if told["difference"] > TOLERANCE:
            raise SystemExit(f"the accelerated predictions differ by {told['difference']:.2g}")
        rows = [row for count in TIMES for row in in_process(count, told["seconds"][str(count)])]
        return rows + at_the_endpoint(server, folder)


def in_process(count: int, seconds: dict[str, float]) -> list[Row]:
    found = []
    for way in ("from a DMatrix", "in place"):
        times = seconds[way] / seconds["accelerated"]
        goal = ""
        if way == "from a DMatrix":
            goal = f"{GOALS[count]:g}x: {'met' if times >= GOALS[count] else 'not met'}"
        case = f"in process, {_rows(count)}; XGBoost {way}"
        found.append(
            Row("accelerated", case, seconds["accelerated"] * 1e3, seconds[way] * 1e3, "ms", _ratio(times), goal)
        )
    return found


def at_the_endpoint(server: LocalServer, folder: Path) -> list[Row]:
    subprocess.run(["tar", "-czf", str(folder / "model.tar.gz"), "-C", str(folder / "model"), "."], check=True)
    server.client("s3").upload_file(str(folder / "model.tar.gz"), BUCKET, "churn/model.tar.gz")
    for name, accelerated in (("accelerated", "1"), ("plain", "0")):
        deploy(server, name, {"ACCELERATED": accelerated})
    client = server.client("sagemaker-runtime", config=Config(read_timeout=120, retries={"total_max_attempts": 1}))
    found = []
    for count, repeats in TIMES.items():
        bodies = pieces((folder / f"{count}.csv").read_bytes())
        answers = {name: ask(client, name, bodies)[1] for name in ("accelerated", "plain")}
        if max(abs(a - b) for a, b in zip(*answers.values(), strict=True)) > TOLERANCE:
            raise SystemExit("the endpoints do not agree")
        taken: dict[str, list[float]] = {name: [] for name in answers}
        for _ in range(repeats):
            for name, values in taken.items():
                values.append(ask(client, name, bodies)[0])
        ours, peer = (statistics.median(values) * 1e3 for values in taken.values())
        requests = f" in {len(bodies)} requests" if len(bodies) > 1 else ""
        case = f"endpoint, {_rows(count)}{requests}, {sum(map(len, bodies)) / 1e6:.2g} MB"
        found.append(Row("accelerated", case, ours, peer, "ms", _ratio(peer / ours), ""))
    return found


def deploy(server: LocalServer, name: str, environment: dict[str, str]) -> None:
    sagemaker = server.client("sagemaker")
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/churn/model.tar.gz", "Environment": environment}
    sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {"VariantName": "all", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    while (described := sagemaker.describe_endpoint(EndpointName=name))["EndpointStatus"] == "Creating":
        time.sleep(0.05)
    if described["EndpointStatus"] != "InService":
        raise SystemExit(described["FailureReason"])


def pieces(body: bytes) -> list[bytes]:
    """The rows in as few requests as InvokeEndpoint's limit allows."""
    found, rest = [], body
    while len(rest) > LONGEST_BODY:
        end = rest.rindex(b"\n", 0, LONGEST_BODY) + 1
        found.append(rest[:end])
        rest = rest[end:]
    return [*found, rest]


def ask(client: Any, endpoint: str, bodies: list[bytes]) -> tuple[float, list[float]]:
    """Seconds, and the probabilities."""
    started, found = time.perf_counter(), []
    for body in bodies:
        answer = client.invoke_endpoint(EndpointName=endpoint, Body=body, ContentType="text/csv")["Body"].read()
        found += answer.split()
    return time.perf_counter() - started, [float(line) for line in found]


def _rows(count: int) -> str:
    return f"{count:,} row{'s' if count > 1 else ''}"


def _ratio(times: float) -> str:
    return f"{times:.2g}x"


def _say(line: str) -> None:
    print(line, flush=True)
