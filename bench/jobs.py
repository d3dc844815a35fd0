"""What a processing job and a job on two hosts cost beyond their own work, beside the same programs by themselves.

The bare runs use the very interpreter of the jobs' environment; for two hosts, two of them at once. The two alternate,
so that a busy moment of the machine hits both.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from local_server import ROLE, SKLEARN, LocalServer, run_job, running
from report import Row, print_table
from training_job import interpreter_of_the_job

ROUNDS = 11
GOAL = 100.0  # milliseconds over the bare run
PROGRAM = "pass"


def run() -> list[Row]:
    with running() as server:
        python = interpreter_of_the_job(server)
        bare = [python, "-c", PROGRAM]
        return [
            _row("no-op processing job, submit to Completed, beside python -c", _processing(server), bare, 1),
            _row("no-op job on two hosts, submit to Completed, beside two processes", _two_hosts(server), bare, 2),
        ]


def _processing(server: LocalServer) -> Callable[[int], float]:
    sagemaker = server.client("sagemaker")

    def job(number: int) -> float:
        name = f"processing-{number}"
        started = time.perf_counter()
        sagemaker.create_processing_job(
            ProcessingJobName=name,
            RoleArn=ROLE,
            AppSpecification={"ImageUri": SKLEARN, "ContainerEntrypoint": ["python3", "-c", PROGRAM]},
            ProcessingResources={
                "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
            },
        )
        while True:
            described = sagemaker.describe_processing_job(ProcessingJobName=name)
            if described["ProcessingJobStatus"] not in ("InProgress", "Stopping"):
                break
            time.sleep(0.005)
        if described["ProcessingJobStatus"] != "Completed":
            raise SystemExit(f"a bench's job failed: {described.get('FailureReason')}")
        return time.perf_counter() - started

    return job


def _two_hosts(server: LocalServer) -> Callable[[int], float]:
    sagemaker = server.client("sagemaker")
    request = server.job_request("two-hosts", PROGRAM + "\n")
    request["ResourceConfig"]["InstanceCount"] = 2

    def job(number: int) -> float:
        seconds, _ = run_job(sagemaker, {**request, "TrainingJobName": f"two-hosts-{number}"})
        return seconds

    return job


def _row(case: str, job: Callable[[int], float], bare: list[str], processes: int) -> Row:
    ours, alone = [], []
    for number in range(ROUNDS + 2):
        seconds = job(number)
        started = time.perf_counter()
        children: list[Any] = [subprocess.Popen(bare) for _ in range(processes)]
        for child in children:
            child.wait()
        peer = time.perf_counter() - started
        if number >= 2:  # the first two warm both sides
            ours.append(seconds * 1000)
            alone.append(peer * 1000)
    mine, theirs = statistics.median(ours), statistics.median(alone)
    over = mine - theirs
    goal = f"at most {GOAL:.0f} ms over: {over:+.0f} ms, {'met' if over <= GOAL else 'not met'}"
    return Row("jobs", f"{case} (median of {ROUNDS})", mine, theirs, "ms", f"{mine / theirs:.1f}x", goal)


def main() -> int:
    print_table(run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
