"""Models that misbehave: slow to load, silent, talkative, gone; each endpoint says what happened and goes on."""

import contextlib
import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

MODEL = """
import json, os, pathlib, sys, time
def model_fn(model_dir):
    plan = json.loads(pathlib.Path(model_dir, "plan.json").read_text())
    time.sleep(plan.get("load", 0))
    if "exit" in plan:
        print("leaving", flush=True)
        os._exit(plan["exit"])
    return plan
def transform_fn(model, body, content_type, accept):
    text = body.decode() if isinstance(body, bytes) else body
    word, _, argument = text.partition(" ")
    if word == "sleep":
        pathlib.Path("/proc/self/comm").write_text("asleep-at-" + argument)
        time.sleep(float(argument))
    if word == "exit":
        os._exit(int(argument))
    if word == "print":
        line = "x" * 1023 + "\\n"
        for _ in range(int(argument)):
            sys.stdout.write(line * 1024)
        sys.stdout.write("that was all\\n")
    return "fine"
"""


@pytest.fixture(scope="module")
def account(tmp_path_factory, server_process, account_on):
    home = tmp_path_factory.mktemp("failures") / "home"
    server = server_process(home, endpoint_log_mb="8").start()
    yield account_on(server)
    server.stop()


def model(account, **plan):
    return account.model({"plan.json": json.dumps(plan)}, MODEL)


@pytest.fixture(scope="module")
def slow(account):
    """An endpoint that was just begun, whose model takes twenty seconds to load."""
    name = account.unique("slow")
    config = account.config(model(account, load=20))
    account.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    return name


@pytest.fixture(scope="module")
def endpoint(account, slow):
    return account.deploy(model(account), InitialInstanceCount=1)


def until_fine(account, name):
    deadline = time.monotonic() + 60
    while True:
        try:
            assert account.invoke(name, "hi") == b"fine"
            return
        except account.runtime.exceptions.ModelError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_a_request_whose_model_does_not_answer_in_time(account, endpoint):
    """AWS gives a model sixty seconds; the others are answered meanwhile."""
    outcome = {}

    def ask():
        try:
            account.runtime.invoke_endpoint(EndpointName=endpoint, Body=b"sleep 600")
        except account.runtime.exceptions.ModelError as error:
            outcome["error"] = error.response

    asking = threading.Thread(target=ask)
    asking.start()
    for _ in range(5):
        assert account.invoke(endpoint, "hi") == b"fine"
    asking.join()
    error = outcome["error"]
    assert "timed out while waiting for a response from container primary" in error["Error"]["Message"]
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 424
    until_fine(account, endpoint)


def test_a_model_that_prints_a_gigabyte(account, endpoint):
    assert account.invoke(endpoint, "print 1024") == b"fine"
    group = f"/aws/sagemaker/Endpoints/{endpoint}"
    deadline = time.monotonic() + 120
    while True:
        streams = account.logs.describe_log_streams(logGroupName=group)["logStreams"]
        tails = [
            account.logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], limit=5)["events"]
            for stream in streams
        ]
        if any("that was all" in event["message"] for events in tails for event in events):
            break
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert len(streams) <= 2
    folder = account.server.home / "endpoints" / "logs"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 64 << 20
    until_fine(account, endpoint)


def test_a_model_that_exits_at_a_request(account, endpoint):
    with pytest.raises(
        account.runtime.exceptions.ModelError, match="worker process ended while it was at this request"
    ):
        account.invoke(endpoint, "exit 7")
    until_fine(account, endpoint)


def test_a_worker_that_is_killed_at_a_request(account):
    """By somebody else, as the kernel does when memory is short: that request has a clear error, the next is fine."""
    name = account.deploy(
        account.model({"plan.json": "{}"}, MODEL, Environment={"SAGEMAKER_MODEL_SERVER_WORKERS": "1"})
    )
    outcome = {}

    def ask():
        try:
            outcome["answer"] = account.invoke(name, "sleep 50")
        except account.runtime.exceptions.ModelError as error:
            outcome["error"] = error.response

    asking = threading.Thread(target=ask)
    asking.start()
    deadline = time.monotonic() + 60
    while asking.is_alive():
        for pid in asleep():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "worker process ended while it was at this request" in outcome["error"]["OriginalMessage"]
    assert outcome["error"]["OriginalStatusCode"] == 500
    until_fine(account, name)


def asleep():
    """Workers of this machine that are in ``sleep 50``, as their titles say."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if (entry / "comm").read_text().strip() == "asleep-at-50":
                    found.append(int(entry.name))
    return found


def test_a_model_that_exits_while_it_is_loaded(account):
    name = account.unique("exits")
    account.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=account.config(model(account, exit=9)))
    described = account.settled(name)
    assert described["EndpointStatus"] == "Failed"
    assert "exit code 9" in described["FailureReason"]
    assert "leaving" in described["FailureReason"]


def test_a_model_that_takes_twenty_seconds_to_load(account, slow):
    described = account.settled(slow)
    assert described["EndpointStatus"] == "InService"
    assert (described["LastModifiedTime"] - described["CreationTime"]).total_seconds() >= 20
    assert account.invoke(slow, "hi") == b"fine"
