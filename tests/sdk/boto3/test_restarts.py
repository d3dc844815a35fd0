"""``kill -9`` at bad moments: nothing that was acknowledged is lost, nothing runs twice, nothing hangs for ever."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

COUNTS = """
import pathlib, time
print("ready", flush=True)
for i in range(40):
    print("count", i, flush=True)
    time.sleep(0.05)
pathlib.Path("/opt/ml/model/result").write_text("complete")
"""


@pytest.fixture
def server(new_server):
    return new_server()


@pytest.fixture
def account(server, account_on):
    return account_on(server)


def counted(account, name):
    return [int(line.split()[1]) for line in account.log(name) if line.startswith("count ")]


def test_a_job_outlives_the_server_with_all_its_log_lines(server, account):
    name = account.create(COUNTS)
    account.until_logged(name, "count 3")
    server.kill()
    time.sleep(0.5)
    server.start()
    account.connect()
    described = account.ended(name)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    assert account.artifact(described) == {"result": b"complete"}
    assert counted(account, name) == list(range(40))
    assert account.log(name).count("ready") == 1


def test_a_job_that_ends_while_the_server_is_away_is_found_completed(server, account):
    name = account.create(COUNTS)
    account.until_logged(name, "ready")
    server.kill()
    time.sleep(4)
    server.start()
    account.connect()
    described = account.ended(name)
    assert described["TrainingJobStatus"] == "Completed"
    assert account.artifact(described) == {"result": b"complete"}
    assert counted(account, name) == list(range(40))


def test_jobs_in_the_line_start_after_the_restart_in_order(new_server, account_on):
    server = new_server(slots="1")
    account = account_on(server)
    first = account.create(COUNTS)
    account.until_logged(first, "ready")
    waiting = [account.create(f"print('number {i}')", base="line") for i in range(3)]
    server.kill()
    server.start()
    account.connect()
    ended = [account.ended(name) for name in [first, *waiting]]
    assert [d["TrainingJobStatus"] for d in ended] == ["Completed"] * 4
    starts = [d["TrainingStartTime"] for d in ended]
    assert starts == sorted(starts)
    assert [account.log(name).count(f"number {i}") for i, name in enumerate(waiting)] == [1, 1, 1]


def test_a_job_whose_supervisor_is_gone_too_fails_with_a_reason(server, account):
    name = account.create("import time\nprint('ready', flush=True)\ntime.sleep(600)")
    account.until_logged(name, "ready")
    server.kill()
    killed = kill_everything_of(server.home)
    assert killed
    server.start()
    account.connect()
    described = account.ended(name)
    assert described["TrainingJobStatus"] == "Failed"
    assert described["FailureReason"]
    assert "ready" in account.log(name)


def test_a_job_with_a_retry_strategy_starts_again_when_its_supervisor_is_lost(server, account):
    source = """
import os, pathlib, time
marks = pathlib.Path("/opt/ml/checkpoints")
again = bool(list(marks.glob("*")))
(marks / "was-here").write_text("x")
print("again" if again else "first", flush=True)
if not again:
    time.sleep(600)
"""
    checkpoints = f"s3://{account.bucket}/retry/"
    name = account.create(source, RetryStrategy={"MaximumRetryAttempts": 1}, CheckpointConfig={"S3Uri": checkpoints})
    account.until(name, lambda _: account.keys("retry/") == ["was-here"])
    assert kill_everything_of(server.home)
    described = account.ended(name)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    assert "Restarting" in [t["Status"] for t in described["SecondaryStatusTransitions"]]
    assert "again" in account.log(name)


def test_a_stop_sent_to_a_server_that_then_dies_is_not_forgotten(server, account):
    source = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("ready", flush=True)
time.sleep(600)
"""
    name = account.create(source)
    account.until_logged(name, "ready")
    account.sagemaker.stop_training_job(TrainingJobName=name)
    server.kill()
    server.start()
    account.connect()
    assert account.ended(name)["TrainingJobStatus"] == "Stopped"


def test_a_job_ends_when_its_home_is_thrown_away(server, account):
    name = account.create("import time\nprint('ready', flush=True)\ntime.sleep(600)")
    account.until_logged(name, "ready")
    assert programs_of(name)
    server.stop()
    shutil.rmtree(server.home)
    deadline = time.monotonic() + 60
    while programs_of(name):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def programs_of(job):
    """The processes that run in the job's sandbox."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"TRAINING_JOB_NAME={job}\0" in (process / "environ").read_text(errors="replace"):
                found.append(process.name)
        except OSError:
            continue
    return found


def test_objects_written_before_the_kill_are_there_after_it(server, account):
    for number in range(50):
        account.put(f"durable/{number}", str(number) * 100)
    account.s3.put_object(Bucket=account.bucket, Key="durable/meta", Body=b"x", Metadata={"a": "b"})
    server.kill()
    server.start()
    account.connect()
    assert all(
        account.get(f"s3://{account.bucket}/durable/{number}") == (str(number) * 100).encode() for number in range(50)
    )
    assert account.s3.head_object(Bucket=account.bucket, Key="durable/meta")["Metadata"] == {"a": "b"}


def test_a_home_has_one_server(server):
    second = server.selfmaker("up", "--port", "0")
    assert second.returncode != 0
    assert "Traceback" not in second.stderr
    assert str(server.home) in second.stderr
    assert server.client("sts").get_caller_identity()["Account"]


def kill_everything_of(home: Path) -> list[int]:
    """SIGKILL every process whose working files lie in ``home``: what a power cut does to a job's supervisor."""
    killed = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            held = {str(link.readlink()) for link in (*(entry / "fd").iterdir(), entry / "cwd")}
        except OSError:
            continue
        if any(target.startswith(f"{home}/jobs/") for target in held) and "up" not in command_of(entry):
            os.kill(int(entry.name), signal.SIGKILL)
            killed.append(int(entry.name))
    return killed


def command_of(process: Path) -> list[str]:
    return (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
