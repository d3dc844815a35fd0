"""What a training job costs beyond its own work: a job that does nothing, beside ``python train.py`` by itself.

The bare run uses the very interpreter of the job's environment. The two alternate, so that a busy moment of the
machine hits both.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from local_server import BUCKET, LocalServer, run_job, running
from report import Row, print_table

ROUNDS = 15
GOAL = 100.0  # milliseconds over the bare run


def run() -> list[Row]:
    with running() as server, tempfile.TemporaryDirectory() as folder:
        interpreter = interpreter_of_the_job(server)
        script = Path(folder) / "train.py"
        script.write_text("pass\n")
        ours, bare = [], []
        sagemaker = server.client("sagemaker")
        request = server.job_request("noop", "pass\n")
        for number in range(ROUNDS + 2):
            seconds, _ = run_job(sagemaker, {**request, "TrainingJobName": f"noop-{number}"})
            started = time.perf_counter()
            subprocess.run([interpreter, str(script)], check=True)
            alone = time.perf_counter() - started
            if number >= 2:  # the first two warm both sides
                ours.append(seconds * 1000)
                bare.append(alone * 1000)
    job, alone = statistics.median(ours), statistics.median(bare)
    over = job - alone
    goal = f"at most {GOAL:.0f} ms over: {over:+.0f} ms, {'met' if over <= GOAL else 'not met'}"
    case = f"no-op job, submit to Completed, beside python train.py (median of {ROUNDS})"
    return [Row("training job", case, job, alone, "ms", f"{job / alone:.1f}x", goal)]


def interpreter_of_the_job(server: LocalServer) -> str:
    """The path of the Python that runs training scripts; also builds the environment where it isn't there yet."""
    source = "import sys; open('/opt/ml/model/python', 'w').write(sys.executable)\n"
    request = server.job_request("which-python", source)
    request["OutputDataConfig"]["CompressionType"] = "NONE"
    _, described = run_job(server.client("sagemaker"), request)
    prefix = described["ModelArtifacts"]["S3ModelArtifacts"].removeprefix(f"s3://{BUCKET}/").rstrip("/")
    body = server.client("s3").get_object(Bucket=BUCKET, Key=f"{prefix}/python")["Body"]
    return str(body.read().decode())


def main() -> int:
    print_table(run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
