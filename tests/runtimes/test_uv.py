import os
from pathlib import Path

import pytest

from selfmaker.errors import Unavailable
from selfmaker.runtimes import uv as module
from selfmaker.runtimes.uv import CommandError, Uv, run_logged


@pytest.fixture
def fake_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in uv's place that notes its arguments and runs the body that a test gives it."""
    program = tmp_path / "uv"
    monkeypatch.setattr(module, "find_uv", lambda: program)
    return program


def says(program: Path, body: str) -> None:
    program.write_text(f'#!/bin/sh\necho "$@" >> "{program}.calls"\n{body}\n')
    program.chmod(0o755)


def calls(program: Path) -> list[str]:
    return Path(f"{program}.calls").read_text().splitlines()


def test_uv_is_there() -> None:
    assert os.access(module.find_uv(), os.X_OK)


def test_people_see_progress_and_errors_all_of_the_output(fake_uv: Path, tmp_path: Path) -> None:
    says(fake_uv, "echo Resolved 3 packages; echo ' + alpha==1'; echo Downloading big >&2; echo the reason; exit 2")
    lines: list[str] = []
    with pytest.raises(CommandError) as caught:
        Uv(tmp_path).run(("anything",), lines.append)
    assert lines == ["Resolved 3 packages", "Downloading big"]
    assert caught.value.tail.endswith("the reason")


def test_an_index_out_of_reach_is_made_up_for_by_the_cache(fake_uv: Path, tmp_path: Path) -> None:
    says(fake_uv, 'case "$*" in *--offline*) exit 0;; esac; echo error sending request for url; exit 2')
    lines: list[str] = []
    Uv(tmp_path).install(tmp_path / "python", ("alpha",), lines.append)
    assert len(calls(fake_uv)) == 2
    assert any("cache" in line for line in lines)


def test_an_index_out_of_reach_and_an_empty_cache_are_unavailable(fake_uv: Path, tmp_path: Path) -> None:
    says(fake_uv, "echo dns error: no such host; exit 2")
    with pytest.raises(Unavailable, match="dns error"):
        Uv(tmp_path).install(tmp_path / "python", ("alpha",), print)


def test_other_failures_are_not_tried_again(fake_uv: Path, tmp_path: Path) -> None:
    says(fake_uv, "echo No solution found; exit 1")
    with pytest.raises(CommandError):
        Uv(tmp_path).install(tmp_path / "python", ("alpha",), print)
    assert len(calls(fake_uv)) == 1


def test_a_command_that_takes_too_long_is_ended() -> None:
    with pytest.raises(CommandError, match="ended after"):
        run_logged(("/bin/sleep", "60"), {}, print, patience=0.2)


def test_the_environment_is_of_our_making(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wheels: Path, fake_uv: Path
) -> None:
    monkeypatch.setenv("UV_PYTHON", "3.6")
    monkeypatch.setenv("VIRTUAL_ENV", "/elsewhere")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:1")
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "7")
    environment = Uv(tmp_path).environment()
    assert not {"UV_PYTHON", "VIRTUAL_ENV", "AWS_SECRET_ACCESS_KEY"} & set(environment)
    assert environment["HTTPS_PROXY"] == "http://proxy.example:1"
    assert environment["UV_HTTP_TIMEOUT"] == "7"
    assert environment["UV_LINK_MODE"] == "hardlink"


def test_the_cache_is_ours_only_where_hard_links_do_not_reach(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wheels: Path
) -> None:
    assert Uv(tmp_path).environment()["UV_CACHE_DIR"] == str(tmp_path / "uv-cache")
    monkeypatch.setenv("UV_CACHE_DIR", "/proc/uv-cache")
    assert Uv(tmp_path).environment()["UV_CACHE_DIR"] == str(tmp_path / ".cache")


def test_python_is_not_fetched_where_that_is_turned_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fake_uv: Path
) -> None:
    says(fake_uv, "exit 0")
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    with pytest.raises(CommandError, match="turned off"):
        Uv(tmp_path).fetch_python("3.10", print)
    assert not Path(f"{fake_uv}.calls").exists()
    monkeypatch.delenv("UV_PYTHON_DOWNLOADS")
    Uv(tmp_path).fetch_python("3.10", print)
    assert calls(fake_uv) == ["python install 3.10 --no-bin"]
