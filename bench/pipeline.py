"""What a pipeline costs beyond its steps' own work: a chain of 3 and a fan of 20 steps that do nothing.

Beside Luigi, DVC and Metaflow, each in an environment of this bench's own below ``.cache/bench``, and beside bare
processes. All do the same in one run, in turns: start to end of the whole run, as its user waits for it, by the number
of steps. For the others that includes the start of their command; selfmaker's server runs already, and each of its
steps is an isolated, recorded job. Where a tool cannot be installed, its row is left out.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_server import BUCKET, ROLE, ROOT, LocalServer, running
from report import Row, print_table

ROUNDS = 5
GOAL = 60.0  # milliseconds a step over the bare process
CHAIN, FAN = 3, 20
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-base-python-311:1.0"
CACHE = ROOT / ".cache" / "bench"
TOOLS = {"Luigi": ("luigi", "setuptools<80"), "DVC": ("dvc",), "Metaflow": ("metaflow", "setuptools<80")}

Runner = Callable[[str], float]  # "chain" or "fan" -> seconds


def run() -> list[Row]:
    with running() as server, tempfile.TemporaryDirectory() as folder:
        runners: dict[str, Runner] = {"selfmaker": selfmaker(server), "bare": bare(server)}
        for name, packages in TOOLS.items():
            python = environment(name.lower(), packages)
            if python is not None:
                runners[name] = PEERS[name](python, Path(folder) / name.lower())
        rows = []
        for case, steps in (("chain", CHAIN), ("fan", FAN)):
            rows += measured(runners, case, steps)
        return rows


def measured(runners: dict[str, Runner], case: str, steps: int) -> list[Row]:
    taken: dict[str, list[float]] = {name: [] for name in runners}
    for number in range(ROUNDS + 1):
        for name, runner in runners.items():
            seconds = runner(case)
            if number:  # the first warms all sides
                taken[name].append(1000 * seconds / steps)
    median = {name: statistics.median(values) for name, values in taken.items()}
    over = median["selfmaker"] - median["bare"]
    goal = f"at most {GOAL:.0f} ms over the bare process: {over:+.0f} ms, {'met' if over <= GOAL else 'not met'}"
    what = f"{steps} no-op steps in a row" if case == "chain" else f"{steps} no-op steps side by side"
    rows = []
    ours = median.pop("selfmaker")
    for name, theirs in median.items():
        ratio = theirs / ours
        words = f"{ratio:.1f}x faster" if ratio >= 1 else f"{1 / ratio:.1f}x slower"
        beside = "bare processes" if name == "bare" else name
        text = f"{what}, a step (median of {ROUNDS}), beside {beside}"
        told = goal if name == "bare" else ""
        rows.append(Row("pipeline", text, ours, theirs, "ms", words, told))
    return rows


# -- selfmaker


def selfmaker(server: LocalServer) -> Runner:
    sagemaker = server.client("sagemaker")
    names = {}
    for case in ("chain", "fan"):
        names[case] = f"bench-{case}"
        definition = json.dumps({"Version": "2020-12-01", "Steps": list(steps_of(case))})
        sagemaker.create_pipeline(PipelineName=names[case], RoleArn=ROLE, PipelineDefinition=definition)

    def go(case: str) -> float:
        started = time.perf_counter()
        arn = sagemaker.start_pipeline_execution(PipelineName=names[case])["PipelineExecutionArn"]
        while True:
            status = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)["PipelineExecutionStatus"]
            if status not in ("Executing", "Stopping"):
                break
            time.sleep(0.015)  # looking costs the server's own cores
        seconds = time.perf_counter() - started
        if status != "Succeeded":
            raise SystemExit(f"a bench's pipeline ended in status {status}")
        return seconds

    return go


def steps_of(case: str) -> Iterator[dict[str, Any]]:
    for number in range(CHAIN if case == "chain" else FAN):
        yield {
            "Name": f"s{number}",
            "Type": "Processing",
            "DependsOn": [f"s{number - 1}"] if case == "chain" and number else [],
            "Arguments": processing("pass"),
        }


def processing(code: str, *outputs: dict[str, Any]) -> dict[str, Any]:
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
    request = {
        "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["python3", "-c", code]},
        "ProcessingResources": {"ClusterConfig": cluster},
        "RoleArn": ROLE,
    }
    return {**request, "ProcessingOutputConfig": {"Outputs": list(outputs)}} if outputs else request


# -- bare processes


def bare(server: LocalServer) -> Runner:
    interpreter = interpreter_of_the_steps(server)

    def go(case: str) -> float:
        started = time.perf_counter()
        workers = 1 if case == "chain" else os.cpu_count() or 1
        with ThreadPoolExecutor(workers) as pool:
            command = [interpreter, "-c", "pass"]
            list(pool.map(lambda _: subprocess.run(command, check=True), range(CHAIN if case == "chain" else FAN)))
        return time.perf_counter() - started

    return go


def interpreter_of_the_steps(server: LocalServer) -> str:
    """The Python that runs the steps; also builds the environment where it isn't there yet."""
    sagemaker, name = server.client("sagemaker"), f"which-python-{uuid.uuid4().hex[:6]}"
    place = {"S3Uri": f"s3://{BUCKET}/{name}", "LocalPath": "/opt/ml/processing/out", "S3UploadMode": "EndOfJob"}
    code = "import sys; open('/opt/ml/processing/out/python', 'w').write(sys.executable)"
    request = processing(code, {"OutputName": "out", "S3Output": place})
    sagemaker.create_processing_job(ProcessingJobName=name, **request)
    sagemaker.get_waiter("processing_job_completed_or_stopped").wait(
        ProcessingJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 300}
    )
    body = server.client("s3").get_object(Bucket=BUCKET, Key=f"{name}/python")["Body"]
    return str(body.read().decode())


# -- the others


def environment(name: str, packages: tuple[str, ...]) -> Path | None:
    """The Python of a tool's environment, built once; None where it cannot be."""
    folder = CACHE / name
    python = folder / "bin" / "python"
    if not python.exists():
        uv = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
        commands = ([uv, "venv", "-q", str(folder)], [uv, "pip", "install", "-q", "--python", str(python), *packages])
        for command in commands:
            if subprocess.run(command).returncode:
                shutil.rmtree(folder, ignore_errors=True)
                print(f"{name} cannot be installed and is left out", file=sys.stderr)
                return None
    return python


@contextmanager
def timed(command: list[str], folder: Path, **variables: str) -> Iterator[float]:
    """Run a command, which must succeed; gives the seconds that it took."""
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env={**os.environ, **variables}, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    yield seconds


LUIGI = """
import sys, uuid
import luigi

class Step(luigi.Task):
    number, case, once = luigi.IntParameter(), luigi.Parameter(), luigi.Parameter()
    def requires(self):
        return [Step(self.number - 1, self.case, self.once)] if self.case == "chain" and self.number else []
    def output(self):
        return luigi.LocalTarget(f"out/{self.once}-{self.number}")
    def run(self):
        with self.output().open("w") as file:
            file.write("")

once = uuid.uuid4().hex
last = [Step(2, "chain", once)] if sys.argv[1] == "chain" else [Step(n, "fan", once) for n in range(20)]
assert luigi.build(last, local_scheduler=True, workers=int(sys.argv[2]), log_level="ERROR")
"""

METAFLOW = """
from metaflow import FlowSpec, step

class Chain(FlowSpec):
    @step
    def start(self):
        self.next(self.middle)
    @step
    def middle(self):
        self.next(self.end)
    @step
    def end(self):
        pass

class Fan(FlowSpec):
    @step
    def start(self):
        self.items = list(range(18))
        self.next(self.work, foreach="items")
    @step
    def work(self):
        self.next(self.join)
    @step
    def join(self, inputs):
        self.next(self.end)
    @step
    def end(self):
        pass

if __name__ == "__main__":
    %s()
"""


def luigi(python: Path, folder: Path) -> Runner:
    (folder / "out").mkdir(parents=True)
    (folder / "flow.py").write_text(LUIGI)

    def go(case: str) -> float:
        with timed([str(python), "flow.py", case, str(os.cpu_count() or 1)], folder) as seconds:
            return seconds

    return go


def dvc(python: Path, folder: Path) -> Runner:
    """Stages run one after another: DVC has no other way."""
    dvc_command = [str(python), "-m", "dvc"]
    for case, count in (("chain", CHAIN), ("fan", FAN)):
        place = folder / case
        place.mkdir(parents=True)
        stages = {}
        for number in range(count):
            deps = [f"o{number - 1}"] if case == "chain" and number else []
            code = f"open('o{number}', 'w').write(str({number}))"
            stages[f"s{number}"] = {"cmd": f'"{python}" -c "{code}"', "deps": deps, "outs": [f"o{number}"]}
        (place / "dvc.yaml").write_text(json.dumps({"stages": stages}))
        with timed([*dvc_command, "init", "--no-scm", "-q"], place):
            pass

    def go(case: str) -> float:
        with timed([*dvc_command, "repro", "--force", "-q"], folder / case, DVC_NO_ANALYTICS="1") as seconds:
            return seconds

    return go


def metaflow(python: Path, folder: Path) -> Runner:
    """The fan has 18 steps beside the start and the join, and an end that the others have not."""
    folder.mkdir(parents=True)
    for case in ("chain", "fan"):
        (folder / f"{case}.py").write_text(METAFLOW % case.capitalize())
    variables = {"USERNAME": "bench", "METAFLOW_HOME": str(folder), "METAFLOW_DEFAULT_DATASTORE": "local"}

    def go(case: str) -> float:
        command = [
            str(python),
            f"{case}.py",
            "--quiet",
            "--no-pylint",
            "run",
            "--max-workers",
            str(os.cpu_count() or 1),
        ]
        with timed(command, folder, **variables) as seconds:
            return seconds

    return go


PEERS: dict[str, Callable[[Path, Path], Runner]] = {"Luigi": luigi, "DVC": dvc, "Metaflow": metaflow}


def main() -> int:
    print_table(run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
