"""Batch transform of a CSV file, beside the same model predicting over the same file in a process by itself.

Ours is the whole job, from CreateTransformJob to the stored output: a sandbox, the user's model_fn, default handlers.
The peer reads the file with pandas in chunks, predicts with all cores, and writes the predictions; its start and
imports count, as ours do. Both do the same file in turns. Memory is the most that the job's processes held at a time,
shared pages counted once, for a small and for a large input.
"""

import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_server import BUCKET, ROLE, ROOT, SKLEARN, LocalServer, running
from report import Row, print_table
from serving_load import tree
from serving_peers import IMAGE as XGBOOST

from selfmaker.runtimes.environments import Environments

ROUNDS = 3
COLUMNS = 12
MEGABYTE = 1 << 20
TIMED, SMALL, LARGE = 150 * MEGABYTE, 100 * MEGABYTE, 2048 * MEGABYTE
GOAL = 0.8
FLAT = 1.25  # the most by which the large input's memory may exceed the small one's

# By name: the image, how the model is trained, the script that loads it, and how the peer predicts.
MODELS = {
    "xgboost": (
        XGBOOST,
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
        SKLEARN,
        "import joblib, numpy\nfrom sklearn.linear_model import LogisticRegression\n"
        "rows = numpy.random.RandomState(0).rand(2000, 12)\n"
        "joblib.dump(LogisticRegression().fit(rows, rows.sum(axis=1) > 6), 'model.joblib')\n",
        "import joblib, os\n"
        "def model_fn(model_dir):\n"
        "    return joblib.load(os.path.join(model_dir, 'model.joblib'))\n",
        "predictions = model.predict(rows)",
    ),
}

PEER = """
import sys
import pandas
{imports}
from inference import model_fn
model = model_fn({folder!r})
with open(sys.argv[2], "w") as out:
    for rows in pandas.read_csv(sys.argv[1], header=None, chunksize=100_000):
        rows = rows.to_numpy()
        {predict}
        out.write("\\n".join(map(str, predictions.tolist())) + "\\n")
"""


@dataclass(frozen=True)
class Model:
    """A trained model in a folder, with its script and its interpreter."""

    name: str
    image: str
    folder: Path
    python: Path


def run() -> list[Row]:
    rows: list[Row] = []
    for name in MODELS:
        with running(slots="2") as server, tempfile.TemporaryDirectory() as folder:
            model = prepare(name, server, Path(folder))
            rows.append(throughput(server, model))
            if name == "xgboost":
                rows.append(memory(server, model))
    return rows


def throughput(server: LocalServer, model: Model) -> Row:
    path = model.folder / "timed.csv"
    count = write_rows(path, TIMED)
    upload(server, path)
    turns = [(transform(server, model, path)[0], alone(model, path)) for _ in range(ROUNDS)]
    ours, peer = (statistics.median(seconds) for seconds in zip(*turns, strict=True))
    path.unlink()
    ratio = peer / ours
    goal = f"at least {GOAL:g} of it: {'met' if ratio >= GOAL else 'not met'}"
    case = f"{model.name}, {TIMED // MEGABYTE} MB of CSV, {COLUMNS} columns, beside predicting in-process"
    return Row("transform", case, count / ours, count / peer, "rows/s", f"{ratio:.2g}x", goal)


def memory(server: LocalServer, model: Model) -> Row:
    peaks = []
    for size in (SMALL, LARGE):
        path = model.folder / "sized.csv"
        write_rows(path, size)
        upload(server, path)
        peaks.append(transform(server, model, path)[1] / MEGABYTE)
        path.unlink()
    small, large = peaks
    goal = f"flat (at most {FLAT:g}x): {'met' if large <= FLAT * small else 'not met'}"
    case = f"{model.name}, peak memory with {LARGE // MEGABYTE} MB of input, beside {SMALL // MEGABYTE} MB"
    return Row("transform", case, large, small, "MiB", f"{large / small:.2g}x", goal)


def prepare(name: str, server: LocalServer, folder: Path) -> Model:
    """Train the model, make it known to the server, write the peer's program."""
    image, train, script, predict = MODELS[name]
    environments = Environments(Path(os.environ.get("SELFMAKER_ENVIRONMENTS", ROOT / ".cache" / "environments")))
    environment = environments.for_image(image, None, lambda text: print(text, file=sys.stderr))[1]
    (folder / "code").mkdir()
    (folder / "code" / "inference.py").write_text(script)
    subprocess.run([environment.python, "-c", train], cwd=folder, check=True)
    archive = Path(shutil.make_archive(str(folder.parent / f"{folder.name}-model"), "gztar", folder))
    server.client("s3").upload_file(str(archive), BUCKET, f"{name}/model.tar.gz")
    archive.unlink()
    variables = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}
    container = {"Image": image, "ModelDataUrl": f"s3://{BUCKET}/{name}/model.tar.gz", "Environment": variables}
    server.client("sagemaker").create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
    imports = "import xgboost" if name == "xgboost" else ""
    (folder / "peer.py").write_text(PEER.format(imports=imports, folder=str(folder), predict=predict))
    shutil.copy(folder / "code" / "inference.py", folder)
    return Model(name, image, folder, environment.python)


def write_rows(path: Path, size: int) -> int:
    """A CSV file of about ``size`` bytes; returns the number of rows."""
    lines = []
    for number in range(20_000):
        lines.append(",".join(f"{(number * 37 + column * 101) % 9973 / 9973:.4f}" for column in range(COLUMNS)))
    block = ("\n".join(lines) + "\n").encode()
    times = max(1, size // len(block))
    with path.open("wb") as file:
        for _ in range(times):
            file.write(block)
    return times * len(lines)


def upload(server: LocalServer, path: Path) -> None:
    server.client("s3").upload_file(str(path), BUCKET, f"transform/{path.name}")


def transform(server: LocalServer, model: Model, path: Path) -> tuple[float, int]:
    """Run the job; returns its seconds and the most bytes that its processes held."""
    sagemaker = server.client("sagemaker")
    name = f"{model.name}-{time.time_ns()}"
    request: dict[str, Any] = {
        "TransformJobName": name,
        "ModelName": model.name,
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/transform/{path.name}"}},
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        "TransformOutput": {"S3OutputPath": f"s3://{BUCKET}/{name}", "AssembleWith": "Line", "Accept": "text/csv"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }
    with watched(server.home) as peak:
        started = time.perf_counter()
        sagemaker.create_transform_job(**request)
        while (status := sagemaker.describe_transform_job(TransformJobName=name))["TransformJobStatus"] == "InProgress":
            time.sleep(0.02)
        seconds = time.perf_counter() - started
    if status["TransformJobStatus"] != "Completed":
        raise SystemExit(f"the transform job failed: {status.get('FailureReason')}")
    return seconds, peak[0]


def alone(model: Model, path: Path) -> float:
    started = time.perf_counter()
    subprocess.run([model.python, model.folder / "peer.py", path, model.folder / "peer.out"], check=True)
    return time.perf_counter() - started


@contextlib.contextmanager
def watched(home: Path) -> Any:
    """While the block lasts, look every tenth of a second at what the job's processes hold; the peak is in the list."""
    peak, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            hosts = [pid for pid in running_processes() if b"selfmaker.transform.host" in command(pid, home)]
            peak[0] = max(peak[0], sum(held(pid) for pid in tree(tuple(hosts))))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def running_processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def command(pid: int, home: Path) -> bytes:
    """The command line of a process that works in ``home``."""
    try:
        text = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
    return text if str(home).encode() in text else b""


def held(pid: int) -> int:
    """The process's share of the memory that it uses (PSS), in bytes."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    print_table(run())
