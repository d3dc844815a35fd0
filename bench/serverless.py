"""A serverless endpoint's cold start: from a request that finds no worker to its answer.

Beside it, what nobody can undercut without keeping something alive: a new process of the same environment's Python that
imports the same packages, makes the same model and predicts the same row. Then the same request when the worker is up.
"""

import os
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

from local_server import BUCKET, ROLE, ROOT, SKLEARN, LocalServer, running, tar
from report import Row, print_table

from selfmaker.runtimes.environments import Environments

ROUNDS = 5
IDLE = 0.5
NAME = "bench-serverless"
ROW = "0.1,0.2,0.3"
MODEL = """
import numpy
from sklearn.linear_model import LogisticRegression
def model_fn(model_dir):
    rows = numpy.random.RandomState(0).rand(200, 3)
    return LogisticRegression().fit(rows, rows.sum(axis=1) > 1.5)
"""
ALONE = MODEL + f"\nprint(model_fn('').predict([[{ROW}]]))\n"


def deploy(server: LocalServer) -> Any:
    """The runtime's client, once the endpoint is in service."""
    server.client("s3").put_object(Bucket=BUCKET, Key="bench/serverless.tar.gz", Body=tar({"code/inference.py": MODEL}))
    sagemaker = server.client("sagemaker")
    container = {"Image": SKLEARN, "ModelDataUrl": f"s3://{BUCKET}/bench/serverless.tar.gz"}
    sagemaker.create_model(ModelName=NAME, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    config = {"MemorySizeInMB": 2048, "MaxConcurrency": 1}
    variant = {"VariantName": "v", "ModelName": NAME, "ServerlessConfig": config}
    sagemaker.create_endpoint_config(EndpointConfigName=NAME, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=NAME)
    while (described := sagemaker.describe_endpoint(EndpointName=NAME))["EndpointStatus"] == "Creating":
        continue
    assert described["EndpointStatus"] == "InService", described
    return server.client("sagemaker-runtime")


def timed(runtime: Any) -> float:
    begun = time.perf_counter()
    runtime.invoke_endpoint(EndpointName=NAME, Body=ROW, ContentType="text/csv")["Body"].read()
    return (time.perf_counter() - begun) * 1000


def alone(python: Path) -> float:
    begun = time.perf_counter()
    subprocess.run([str(python), "-c", ALONE], check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - begun) * 1000


def run() -> list[Row]:
    folder = Path(os.environ.get("SELFMAKER_ENVIRONMENTS", ROOT / ".cache" / "environments"))
    _, environment = Environments(folder).for_image(SKLEARN, None, lambda line: None)
    cold, warm, bare = [], [], []
    with running(serverless_idle_seconds=str(IDLE)) as server:
        runtime = deploy(server)
        for _ in range(ROUNDS):
            time.sleep(IDLE * 4)
            cold.append(timed(runtime))
            warm.append(timed(runtime))
            bare.append(alone(environment.python))
    ours, peer = statistics.median(cold), statistics.median(bare)
    met = "met" if ours < peer * 1.5 else "missed"
    return [
        Row("serverless", "cold start, scikit-learn", ours, peer, "ms", f"{ours / peer:.2f}x", f"below 1.5x: {met}"),
        Row("serverless", "the next request", statistics.median(warm), None, "ms", "", ""),
    ]


if __name__ == "__main__":
    print_table(run())
