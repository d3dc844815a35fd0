"""Sandboxes that are built ahead: when they serve, and that none is left behind."""

import os
import select
import signal
from pathlib import Path

import pytest

from selfmaker.errors import Invalid
from selfmaker.executors.process import ProcessExecutor, stand_by
from selfmaker.executors.protocol import Exit, Mount, RunSpec
from selfmaker.executors.spare import Spare


@pytest.fixture
def spare(tmp_path: Path) -> Spare:
    (tmp_path / "spare").mkdir()
    return stand_by(str(tmp_path / "spare"))


def spec(tmp_path: Path, script: str, **members: object) -> RunSpec:
    scratch = tmp_path / f"scratch-{len(list(tmp_path.iterdir()))}"
    scratch.mkdir()
    return RunSpec(("sh", "-c", script), {"PATH": "/usr/bin:/bin"}, "/", scratch, **members)  # type: ignore[arg-type]


def said(executor: ProcessExecutor, wanted: RunSpec, tmp_path: Path) -> str:
    with (tmp_path / "said").open("wb") as output:
        assert executor.start(wanted, output.fileno()).wait(30) == Exit(0)
    return (tmp_path / "said").read_text()


def test_it_serves_one_run_and_what_is_asked_of_that(spare: Spare, tmp_path: Path) -> None:
    keeper, executor = spare._keeper, ProcessExecutor("auto", spare)
    (tmp_path / "data").write_text("of the second\n")
    mount = Mount(tmp_path / "data", "/opt/data")
    wanted = spec(tmp_path, "hostname; cat /opt/data", mounts=(mount,), hostname="algo-7")
    with (tmp_path / "said").open("wb") as output:
        run = executor.start(wanted, output.fileno())
        assert run.pid == keeper
        assert run.wait(30) == Exit(0)
        second = executor.start(spec(tmp_path, "true"), output.fileno())
        assert second.pid != keeper
        assert second.wait(30) == Exit(0)
    assert (tmp_path / "said").read_text() == "algo-7\nof the second\n"
    spare.discard()
    assert (wanted.scratch / "root").exists(), "what has been taken is the taker's to remove"


def test_a_run_without_network_gets_a_new_one(spare: Spare, tmp_path: Path) -> None:
    executor = ProcessExecutor("auto", spare)
    assert said(executor, spec(tmp_path, "cat /proc/net/dev | wc -l", network=False), tmp_path) == "3\n"
    assert not (tmp_path / "spare").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(spare._keeper, 0)


@pytest.mark.parametrize("wanting", ["keeper", "root"])
def test_one_that_is_gone_is_replaced(spare: Spare, tmp_path: Path, wanting: str) -> None:
    if wanting == "keeper":
        os.kill(spare._keeper, signal.SIGKILL)
        assert select.select([spare._control], [], [], 30)[0], "process 1 goes with its keeper"
    else:
        (tmp_path / "spare").rename(tmp_path / "elsewhere")
    assert said(ProcessExecutor("auto", spare), spec(tmp_path, "echo it runs"), tmp_path) == "it runs\n"


def test_a_mistake_in_the_spec_is_told(spare: Spare, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    wanted = spec(tmp_path, "true", mounts=(Mount(tmp_path / "data", "/tmp/x"), Mount(tmp_path, "/tmp/x/y")))
    with pytest.raises(Invalid, match="/tmp/x"), (tmp_path / "said").open("wb") as output:
        ProcessExecutor("auto", spare).start(wanted, output.fileno())
