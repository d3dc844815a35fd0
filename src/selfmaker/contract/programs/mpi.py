"""What MPI needs around it on the hosts of a job: a way to start programs on the others, and the start itself.

Runs in the job's sandbox, by the environment's Python, with nothing but the standard library (Python 3.8 and later).
In AWS's images mpirun starts its daemons on other hosts by ssh. Our hosts have no sshd, but share a folder: each host
listens there on a Unix socket, and ``ssh`` on the PATH is this program, which hands a command and its own three
streams to the host that is meant. Only hosts of the job see the folder.

    mpi.py ssh [options] HOST COMMAND...     as ssh
    mpi.py sshd                              serve this host until killed
    mpi.py launch OPTIONS -- COMMAND...      what a host of a job with sagemaker_mpi_enabled does
    mpi.py mpirun ARGUMENTS...               the mpirun that is installed, without what it cannot do here
"""

from __future__ import annotations

import argparse
import array
import importlib.util
import json
import os
import re
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

COMPANY = "/opt/selfmaker/company"
FAILURE = "/opt/ml/output/failure"
PATIENCE = 300.0  # seconds that the first host waits for the others
UNREACHABLE = 255  # as ssh exits
_WITH_VALUE = "BbcDEeFIiJLlmOopQRSWw"  # ssh's options that take a value


def address(host: str) -> Path:
    return Path(COMPANY, f"{host}.sock")


def serve(host: str) -> None:
    """Run what other hosts send, until one says that it is the end."""
    path = address(host)
    coming = path.with_suffix(".new")
    for old in (path, coming):
        if old.exists():
            old.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(coming))
        listener.listen(64)
        coming.rename(path)  # whoever sees it can connect
        while True:
            connection, _ = listener.accept()
            message, streams = _received(connection)
            if message.get("end"):
                return
            if len(streams) == 3:
                threading.Thread(target=_run, args=(connection, message["command"], streams), daemon=True).start()


def _received(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """A message, and the descriptors that came with it. An empty message where the other side went away."""
    numbers = array.array("i")
    data, extra, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(3 * numbers.itemsize))
    for level, kind, content in extra:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
    while data and not data.endswith(b"\n"):
        more = connection.recv(65536)
        if not more:
            break
        data += more
    return (json.loads(data) if data.endswith(b"\n") else {}), list(numbers)


def _run(connection: socket.socket, command: str, streams: Sequence[int]) -> None:
    """Run a command on streams of the other host; it ends when the other side does."""
    process = subprocess.Popen(
        ["/bin/sh", "-c", command], stdin=streams[0], stdout=streams[1], stderr=streams[2], start_new_session=True
    )
    for stream in streams:
        os.close(stream)
    threading.Thread(target=_end_with, args=(connection, process), daemon=True).start()
    code = process.wait()
    try:
        connection.sendall(json.dumps({"code": code if code >= 0 else 128 - code}).encode() + b"\n")
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # nobody is there to hear it


def _end_with(connection: socket.socket, process: subprocess.Popen[bytes]) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        selector.select()
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        try:
            os.killpg(process.pid, number)
            process.wait(5)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def ssh(arguments: Sequence[str]) -> int:
    """Run a command on another host, with our streams; its exit code."""
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if len(option) == 2 and option[1] in _WITH_VALUE and rest:
            rest.pop(0)
    if len(rest) < 2:
        sys.stderr.write("ssh: here it runs a command on another host of the job: ssh HOST COMMAND\n")
        return UNREACHABLE
    host = rest[0].rpartition("@")[2]
    try:
        connection = connected(host)
    except OSError as error:
        sys.stderr.write(f"ssh: connect to host {host}: {error.strerror or error}\n")
        return UNREACHABLE
    message = json.dumps({"command": " ".join(rest[1:])}).encode() + b"\n"
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))]
    sent = connection.sendmsg([message], rights)
    connection.sendall(message[sent:])
    answer, _ = _received(connection)
    code = answer.get("code", UNREACHABLE)
    return int(code)


def connected(host: str) -> socket.socket:
    """Raises OSError."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(address(host)))
    return connection


def launch(given: Sequence[str]) -> int:
    """One host's part in an MPI job: the first runs mpirun, the others do what it says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--hosts", required=True)
    parser.add_argument("--per-host", required=True, type=int)
    parser.add_argument("--options", default="")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(given)
    hosts, own = options.hosts.split(","), os.environ["SM_CURRENT_HOST"]
    if own != hosts[0]:
        serve(own)
        return 0
    command = mpirun(options, hosts)
    if command is None:
        return 1
    waited = time.monotonic()
    for host in hosts[1:]:
        while not address(host).exists():
            if time.monotonic() - waited > PATIENCE:
                return failed(f"MPI: the host {host} did not come up in {PATIENCE:.0f} seconds")
            time.sleep(0.02)
    print("Running MPI by: " + " ".join(shlex.quote(word) for word in command), flush=True)
    code = _followed(command)
    for host in hosts[1:]:
        _tell_the_end(host)
    return code


def mpirun(options: argparse.Namespace, hosts: Sequence[str]) -> list[str] | None:
    """The command, for Open MPI, or for an mpirun by Hydra (MPICH, Intel). None where there is none: it is told."""
    path = installed()
    if path is None:
        failed(
            "MPI: there is no mpirun, neither on this machine nor in the job's environment. Install one (on Debian: "
            "apt-get install openmpi-bin), or list openmpi and mpi4py in the requirements.txt beside the script"
        )
        return None
    total = str(options.per_host * len(hosts))
    own = _own_options(options.options)
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if command[:1] == ["python"] and importlib.util.find_spec("mpi4py") is not None:
        command = ["python", "-m", "mpi4py", *command[1:]]  # an exception on one rank ends all of them
    if release(path) is None:
        where = ["-hosts", ",".join(hosts), "-ppn", str(options.per_host), "-n", total]
        return [path, "-launcher", "ssh", *where, *own, *command]
    slots = ",".join(f"{host}:{options.per_host}" for host in hosts)
    interface = os.environ.get("SM_NETWORK_INTERFACE_NAME", "lo")
    parameters = {
        "btl_tcp_if_include": interface,
        "oob_tcp_if_include": interface,
        "plm_rsh_no_tree_spawn": "1",
        "pml": "ob1",
        "btl": "^openib",
        "orte_abort_on_non_zero_status": "1",
        "btl_vader_single_copy_mechanism": "none",
    }
    asked = [word for name, value in parameters.items() for word in ("--mca", name, value)]
    start = ["--host", slots, "-np", total, "--allow-run-as-root", "--bind-to", "none", "--map-by", "slot"]
    return [path, *possible(path, [*start, *asked]), *own, *command]


def installed() -> str | None:
    """The mpirun of the environment or the machine: the first on the PATH that isn't ours."""
    ours = Path(__file__).parent / "bin"
    folders = [folder for folder in os.environ.get("PATH", "").split(":") if Path(folder) != ours]
    return shutil.which("mpirun", path=":".join(folders))


def release(path: str) -> int | None:
    """The number before the dot of an Open MPI, None for others."""
    told = subprocess.run([path, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    found = re.search(rb"\(Open ?MPI\) (\d+)|OpenRTE\) (\d+)", told.stdout)
    return int(found.group(1) or found.group(2)) if found else None


def possible(path: str, arguments: Sequence[str]) -> list[str]:
    """``arguments`` for Open MPI, without a choice of the interface for its daemons: from 5 on they refuse a loopback,
    and find by themselves what there is."""
    number = release(path)
    if number is None or number < 5:
        return list(arguments)
    rest = list(arguments)
    for at in range(len(rest) - 2):
        if rest[at] in ("-mca", "--mca") and rest[at + 1] == "oob_tcp_if_include":
            return [*rest[:at], *rest[at + 3 :]]
    return rest


def _own_options(text: str) -> list[str]:
    """The user's, as ``custom_mpi_options`` has them; ``--NCCL_DEBUG INFO`` is the toolkit's own spelling."""
    words = shlex.split(text)
    found: list[str] = []
    while words:
        word = words.pop(0)
        if word == "--NCCL_DEBUG" and words:
            found += ["-x", "NCCL_DEBUG=" + words.pop(0)]
        else:
            found.append(word)
    return found


def _followed(command: Sequence[str]) -> int:
    """Run it; what we are told to end by, it is told."""
    process = subprocess.Popen(command)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    signal.signal(signal.SIGTERM, pass_on)
    code = process.wait()
    return code if code >= 0 else 128 - code


def _tell_the_end(host: str) -> None:
    try:
        with connected(host) as connection:
            connection.sendall(b'{"end": true}\n')
    except OSError:
        return  # it has ended already


def failed(why: str) -> int:
    """Say it in the log and to the platform; the exit code."""
    sys.stderr.write(why + "\n")
    Path(FAILURE).write_text(why)
    return 1


def main() -> int:
    what, given = sys.argv[1], sys.argv[2:]
    if what == "ssh":
        return ssh(given)
    if what == "launch":
        return launch(given)
    if what == "mpirun":
        path = installed()
        if path is None:
            return failed("MPI: there is no mpirun, neither on this machine nor in the job's environment")
        os.execv(path, [path, *possible(path, given)])
    serve(socket.gethostname())
    return 0


if __name__ == "__main__":
    sys.exit(main())
