"""``selfmaker doctor``: each gap with its remedy."""

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from selfmaker import settings
from selfmaker.cli import machine


@pytest.fixture(autouse=True)
def plain_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the tester's own PATH: uv would start every Python on it."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


def findings(home: Path, **overrides: str) -> dict[str, machine.Finding]:
    return {f.check: f for f in machine.examine(settings.load({"home": str(home), "port": "0", **overrides}, {}))}


def test_every_gap_has_a_remedy(tmp_path: Path) -> None:
    found = findings(tmp_path / "home")
    assert list(found)[:4] == ["python", "home", "disk", "sandbox"]
    for finding in found.values():
        assert finding.state in ("ok", "lacking", "broken")
        assert (finding.remedy is None) == (finding.state == "ok"), finding
    assert not (tmp_path / "home").exists(), "looking changes nothing"


def test_without_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No container engine, no GPU and no uv on this PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(machine, "_uv_program", lambda: None)
    found = findings(tmp_path)
    assert (found["uv"].state, found["uv"].remedy) == ("broken", "install it: pip install uv")
    assert found["container engine"].state == "lacking"
    assert "docker or podman" in str(found["container engine"].remedy)
    assert found["gpus"].state == "ok"


def test_a_container_engine_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "podman"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/nowhere")
    finding = machine._container_engine()
    assert (finding.state, finding.found) == ("lacking", "podman does not answer")
    program.write_text("#!/bin/sh\necho 5.0.1\n")
    assert machine._container_engine().found == "podman 5.0.1"


def test_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA H100, 81559 MiB'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/nowhere")
    assert machine._gpus().found == "NVIDIA H100, 81559 MiB"


def test_a_full_disk_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, state in ((100 * machine.GIB, "ok"), (5 * machine.GIB, "lacking"), (machine.GIB // 2, "broken")):
        usage = type("Usage", (), {"free": free})
        monkeypatch.setattr(machine.shutil, "disk_usage", lambda _path, usage=usage: usage)
        assert machine._disk(tmp_path).state == state


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert machine._home(tmp_path / "home").state == "broken"


def test_a_home_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert machine._home(tmp_path / "file" / "home").state == "broken"


def test_a_taken_port_is_no_obstacle_to_jobs(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        load = settings.load({"home": str(tmp_path), "port": str(taken.getsockname()[1])}, {})
        finding = machine._port(load)
    assert finding.state == "lacking"
    assert "--port" in str(finding.remedy)


def test_a_sandbox_that_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from selfmaker.errors import Unavailable
    from selfmaker.executors.process import ProcessExecutor

    def refuse(*_: object) -> None:
        raise Unavailable("this machine does not let us (why). Remedies: do that | or this")

    monkeypatch.setattr(ProcessExecutor, "start", refuse)
    finding = machine._sandbox(settings.load({"home": str(tmp_path)}, {}))
    assert (finding.state, finding.found, finding.remedy) == (
        "broken",
        "this machine does not let us (why)",
        "do that | or this",
    )


def test_the_command(cli: Any) -> None:
    cli.environment["PATH"] = "/usr/bin:/bin"
    result = cli.run("doctor", "--json")
    document = json.loads(result.stdout)
    states = [check["state"] for check in document["checks"]]
    assert document["jobs_can_run"] == ("broken" not in states)
    assert result.returncode == (1 if "broken" in states else 0)
    text = cli.run("doctor").stdout
    assert all(check["check"] in text for check in document["checks"])
