"""Running a program of the user's as the toolkit does."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sagemaker_training import environment, errors

_RESOLVED_WITHIN = 900
"""Seconds that the other hosts have to get their names."""


def run(
    uri: str,
    user_entry_point: str,
    args: Sequence[str],
    env_vars: Mapping[str, str] | None = None,
    wait: bool = True,
    capture_error: bool = False,
    runner_type: Any = None,
    extra_opts: Mapping[str, str] | None = None,
) -> Any:
    """Run ``user_entry_point`` of the code at ``uri`` (a folder, an archive, or an archive in S3) in /opt/ml/code.

    Raises InstallRequirementsError and ExecuteUserScriptError.
    """
    code = environment.code_dir
    _fetch(uri, code)
    install(user_entry_point, code, capture_error)
    command = _command(user_entry_point, list(args))
    process = subprocess.Popen(
        command,
        cwd=code,
        env={**os.environ, **(env_vars or {})},
        stderr=subprocess.PIPE if capture_error else None,
    )
    if wait:
        _, output = process.communicate()
        if process.returncode:
            raise errors.ExecuteUserScriptError(command, process.returncode, output)
    return process


def install(name: str, path: str = environment.code_dir, capture_error: bool = False) -> None:
    """Install the requirements.txt of the code. Raises InstallRequirementsError."""
    if not os.path.exists(os.path.join(path, "requirements.txt")):
        return
    command = [sys.executable, "-m", "pip", "install", "-r", "requirements.txt"]
    ended = subprocess.run(command, cwd=path, stderr=subprocess.PIPE if capture_error else None, check=False)
    if ended.returncode:
        raise errors.InstallRequirementsError(command, ended.returncode, ended.stderr)


def _wait_hostname_resolution() -> None:
    """Return when the names of all hosts of the job lead somewhere: programs for several hosts call it by this name
    before they look for each other. Raises socket.gaierror after a quarter of an hour."""
    deadline = time.monotonic() + _RESOLVED_WITHIN
    for host in environment.Environment().hosts:
        _resolve(host, deadline)


def _resolve(host: str, deadline: float) -> None:
    while True:
        try:
            socket.gethostbyname(host)
            return
        except socket.gaierror:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _command(program: str, arguments: list[str]) -> list[str]:
    if program.endswith(".py"):
        return [sys.executable, program, *arguments]
    if program.endswith(".sh"):
        return ["/bin/sh", "-c", " ".join(shlex.quote(part) for part in (f"./{program}", *arguments))]
    return [sys.executable, "-m", program, *arguments]


def _fetch(uri: str, code: str) -> None:
    os.makedirs(code, exist_ok=True)
    if uri.startswith("s3://"):
        import boto3

        bucket, _, key = uri[len("s3://") :].partition("/")
        with tempfile.NamedTemporaryFile() as file:
            boto3.client("s3").download_fileobj(bucket, key, file)
            file.flush()
            _unpack(file.name, code)
    elif os.path.isfile(uri):
        _unpack(uri, code)
    elif os.path.realpath(uri) != os.path.realpath(code):
        subprocess.run(["cp", "-R", f"{uri}/.", code], check=True)


def _unpack(archive: str, code: str) -> None:
    with tarfile.open(archive) as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extractall(code, filter="data")
        else:
            tar.extractall(code)
