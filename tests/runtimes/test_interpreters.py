import sys
from pathlib import Path

import pytest

from selfmaker.runtimes.interpreters import by_nearness, found, parse_minor, probe


def program(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)
    return path


def test_this_interpreter_works_and_tells_its_installation() -> None:
    interpreter = probe(Path(sys.executable))
    assert interpreter is not None
    assert interpreter.minor == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert interpreter.base == Path(sys.base_prefix).resolve()
    assert not interpreter.executable.is_symlink()


@pytest.mark.parametrize("content", [b"#!/bin/sh\nexit 3\n", b"#!/bin/sh\necho nonsense\n", b"not a program"])
def test_what_does_not_work_is_none(tmp_path: Path, content: bytes) -> None:
    assert probe(program(tmp_path / "python3.9", content)) is None


def test_version_managers_folders_are_searched_and_their_shims_never(tmp_path: Path) -> None:
    real = program(tmp_path / ".pyenv/versions/3.9.18/bin/python3.9", b"\x7fELF")
    fetched = program(tmp_path / "managed/cpython-3.10/bin/python3.10", b"\x7fELF")
    of_uv = program(tmp_path / ".local/share/uv/python/cpython-3.12/bin/python3.12", b"\x7fELF")
    on_path = program(tmp_path / "tools/python3.11", b"\x7fELF")
    shim = program(tmp_path / ".pyenv/shims/python3.9", b"#!/usr/bin/env bash\n")
    environment = {"HOME": str(tmp_path), "PATH": f"{shim.parent}:{on_path.parent}:relative"}
    candidates = list(found(environment, tmp_path / "managed"))
    for path, minor in ((real, (3, 9)), (fetched, (3, 10)), (of_uv, (3, 12)), (on_path, (3, 11))):
        assert (minor, path) in candidates
    assert shim not in [path for _, path in candidates]


def test_the_nearest_is_the_same_then_newer_then_older() -> None:
    minors = {(3, 6), (3, 8), (3, 9), (3, 11), (3, 13)}
    assert by_nearness((3, 9), minors) == [(3, 9), (3, 11), (3, 13), (3, 8)]
    assert by_nearness((3, 10), minors) == [(3, 11), (3, 13), (3, 9), (3, 8)]


def test_versions_are_read() -> None:
    assert parse_minor("3.10") == parse_minor("3.10.13") == (3, 10)
