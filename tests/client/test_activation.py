"""``selfmaker.activate()`` in a process that is running already."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from selfmaker.client import server

STAND_IN = Path(__file__).parents[1] / "cli" / "stand_in"
Execute = Callable[..., str]


class Notebook:
    """Processes whose ``selfmaker`` starts a small server in place of the real one."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        others = ("AWS_", "SELFMAKER_", "PYTHON", "NO_PROXY", "no_proxy")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(others)},
            "HOME": str(folder),
            "SELFMAKER_HOME": str(self.home),
            "PYTHONPATH": str(STAND_IN),
        }

    def start(self, code: str) -> "subprocess.Popen[str]":
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([sys.executable, "-c", code], env=self.environment, text=True, **pipes)

    def run(self, code: str) -> list[str]:
        process = self.start(code)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        return out.splitlines()

    def wait_until_gone(self) -> None:
        deadline = time.monotonic() + 30
        while server.find(self.home) is not None:
            assert time.monotonic() < deadline, "the server is still there"
            time.sleep(0.02)


@pytest.fixture
def notebook(tmp_path: Path) -> Iterator[Notebook]:
    made = Notebook(tmp_path)
    yield made
    running = server.find(made.home)
    if running is not None:
        os.kill(running.pid, signal.SIGKILL)


def test_clients_and_processes_find_the_server_that_is_started(notebook: Notebook) -> None:
    code = (
        "import selfmaker; selfmaker.activate()\n"
        "import boto3, subprocess, sys, os\n"
        "url = os.environ['SELFMAKER_ENDPOINT_URL']\n"
        "print(boto3.client('sts', endpoint_url='https://sts.us-east-1.amazonaws.com').meta.endpoint_url == url)\n"
        "print(boto3.client('s3').meta.endpoint_url == url)\n"
        "child = \"import boto3; print(boto3.client('sts', endpoint_url='https://sts.amazonaws.com').meta.endpoint_url)\"\n"
        "print(subprocess.check_output([sys.executable, '-c', child], text=True).strip() == url)\n"
        "import urllib.request, urllib.error\n"
        "try: urllib.request.urlopen(url)\n"
        "except urllib.error.HTTPError as error: print(error.code)\n"
    )
    assert notebook.run(code) == ["True", "True", "True", "501"]
    assert server.find(notebook.home) is None, "it ends with the process"


def test_what_is_imported_already_is_led_here(notebook: Notebook) -> None:
    code = (
        "import os; mine = dict(AWS_DEFAULT_REGION='us-west-1', AWS_ACCESS_KEY_ID='A', AWS_SECRET_ACCESS_KEY='B')\n"
        "os.environ.update(mine)\n"
        "import boto3, botocore.waiter\n"
        "before, wait = boto3.client('sts'), botocore.waiter.Waiter.wait\n"
        "session = boto3.DEFAULT_SESSION\n"
        "import selfmaker; selfmaker.activate()\n"
        "inside = boto3.client('sts', endpoint_url='https://sts.us-west-1.amazonaws.com')\n"
        "print(inside.meta.endpoint_url == os.environ['SELFMAKER_ENDPOINT_URL'],"
        " inside._request_signer._credentials.access_key, inside.meta.region_name,"
        " botocore.waiter.Waiter.wait is not wait)\n"
        "selfmaker.deactivate()\n"
        "print(boto3.client('sts').meta.endpoint_url, boto3.DEFAULT_SESSION is session,"
        " os.environ['AWS_ACCESS_KEY_ID'], 'AWS_ENDPOINT_URL' in os.environ,"
        " 'client/site' in os.environ['PYTHONPATH'],"
        " botocore.waiter.Waiter.wait is wait)\n"
    )
    inside, after = notebook.run(code)
    assert inside == "True AKIAOURS us-west-1 True"
    assert after == "https://sts.us-west-1.amazonaws.com True A False False True"


def test_the_server_that_runs_is_used_and_left(notebook: Notebook, tmp_path: Path) -> None:
    up = [sys.executable, "-m", "selfmaker.cli.main", "up", "--detach", "--port", "0"]
    subprocess.run(up, env=notebook.environment, check=True, capture_output=True)
    running = server.find(notebook.home)
    assert running is not None
    code = "import os, selfmaker; selfmaker.activate(); selfmaker.activate(); print(os.environ['AWS_ENDPOINT_URL'])"
    assert notebook.run(code) == [running.connection.endpoint_url]
    assert server.find(notebook.home) == running
    elsewhere = tmp_path / "elsewhere"
    code = f"import os, selfmaker; selfmaker.activate({str(elsewhere)!r}); print(os.environ['SELFMAKER_HOME'])"
    assert notebook.run(code) == [str(elsewhere)]
    assert server.find(notebook.home) == running


def test_a_killed_notebook_takes_its_server_along(notebook: Notebook) -> None:
    process = notebook.start("import selfmaker, time; selfmaker.activate(); print('ready', flush=True); time.sleep(60)")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert server.find(notebook.home) is not None
    process.kill()
    process.communicate()
    notebook.wait_until_gone()


def test_a_server_that_does_not_start_is_an_error_in_one_line(notebook: Notebook) -> None:
    notebook.environment["STAND_IN_FAILS"] = "1"
    code = (
        "import selfmaker, os\nfrom selfmaker.errors import SelfmakerError\n"
        "try: selfmaker.activate()\n"
        "except SelfmakerError as error: print(error.message)\n"
        "print('AWS_ENDPOINT_URL' in os.environ)"
    )
    message, changed = notebook.run(code)
    assert "the stand-in fails" in message
    assert changed == "False"


def test_deactivate_without_activate_is_nothing() -> None:
    import selfmaker

    selfmaker.deactivate()
