"""What a 2 GiB channel adds to a job, beside the download of the same objects by boto3.

Ours is the difference between two medians: Starting to Training of a job that has the channel, and of one that has
none; the job itself counts the bytes that it sees. The download is what SageMaker's agent does on AWS, from the same
server to the same disk.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from local_server import BUCKET, LocalServer, run_job, running
from report import Row, print_table

OBJECTS, MIB_EACH = 8, 256
SIZE = OBJECTS * MIB_EACH * 1024 * 1024
ROUNDS, DOWNLOADS = 9, 3
GOAL = 50.0  # milliseconds
COUNT = "import os; s = sum(e.stat().st_size for e in os.scandir('/opt/ml/input/data/train')); assert s == SIZE, s\n"


def run() -> list[Row]:
    with running() as server:
        upload(server)
        sagemaker = server.client("sagemaker")
        plain = server.job_request("plain", "pass\n")
        fed = {**server.job_request("fed", COUNT.replace("SIZE", str(SIZE))), "InputDataConfig": [channel()]}
        with_channel, without, whole = [], [], []
        for number in range(ROUNDS + 1):
            seconds, described = run_job(sagemaker, {**fed, "TrainingJobName": f"fed-{number}"})
            _, other = run_job(sagemaker, {**plain, "TrainingJobName": f"plain-{number}"})
            if number:  # the first warms both
                with_channel.append(start_to_training(described))
                without.append(start_to_training(other))
                whole.append(seconds * 1000)
        downloads = [download(server) for _ in range(DOWNLOADS)]
    added = max(statistics.median(with_channel) - statistics.median(without), 0.0)
    peer = statistics.median(downloads) * 1000
    goal = f"under {GOAL:.0f} ms: {'met' if added < GOAL else 'not met'}"
    job = statistics.median(whole)
    return [
        Row(
            "channel",
            "2 GiB channel, added to a job's start",
            added,
            peer,
            "ms",
            f"{peer / max(added, 0.1):,.0f}x",
            goal,
        ),
        Row("channel", "whole job that lists it, beside the download", job, peer, "ms", f"{peer / job:,.1f}x", ""),
    ]


def channel() -> dict[str, Any]:
    source = {
        "S3DataType": "S3Prefix",
        "S3DataDistributionType": "FullyReplicated",
        "S3Uri": f"s3://{BUCKET}/bench/big/",
    }
    return {"ChannelName": "train", "DataSource": {"S3DataSource": source}}


def upload(server: LocalServer) -> None:
    s3 = server.client("s3")
    with tempfile.TemporaryFile() as file:
        block = os.urandom(1024 * 1024)
        for _ in range(MIB_EACH):
            file.write(block)
        for number in range(OBJECTS):
            file.seek(0)
            s3.put_object(Bucket=BUCKET, Key=f"bench/big/part-{number}", Body=file)


def start_to_training(described: dict[str, Any]) -> float:
    """Milliseconds between the statuses Starting and Training."""
    starts = {t["Status"]: t["StartTime"] for t in described["SecondaryStatusTransitions"]}
    return float((starts["Training"] - starts["Starting"]).total_seconds() * 1000)


def download(server: LocalServer) -> float:
    """Seconds that boto3's download_file takes for all objects."""
    s3 = server.client("s3")
    with tempfile.TemporaryDirectory(dir=server.home) as folder:
        started = time.perf_counter()
        for number in range(OBJECTS):
            s3.download_file(BUCKET, f"bench/big/part-{number}", str(Path(folder) / f"part-{number}"))
        return time.perf_counter() - started


def main() -> int:
    print_table(run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
