"""What any Executor must do: tried on each backend that this machine has, as we are and, if we are root, as nobody."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from selfmaker.errors import Invalid, Unavailable
from selfmaker.executors import bubblewrap
from selfmaker.executors.island import Island
from selfmaker.executors.process import BACKENDS, ProcessExecutor, stand_by
from selfmaker.executors.protocol import Access, Executor, Exit, Mount, RunHandle, RunSpec

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
USERS = ("self", "nobody")


def available(backend: str) -> str | None:
    """Why ``backend`` cannot be tried here, or None."""
    if backend == "bubblewrap" and bubblewrap.program() is None:
        return "bubblewrap is not installed"
    return None


class Spares:
    """An executor by a spare sandbox for each run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self, spec: RunSpec, output: int) -> RunHandle:
        root = Path(tempfile.mkdtemp(dir=self._folder))
        root.chmod(0o755)
        spare = stand_by(str(root))
        try:
            return ProcessExecutor("namespaces", spare).start(spec, output)
        finally:
            spare.discard()
            assert not root.exists()


def executor(backend: str, folder: Path) -> Executor:
    return Spares(folder) if backend == "spare" else ProcessExecutor(backend)


@dataclass
class Sandbox:
    """An executor and a folder to play in, both of the user that the test runs as."""

    executor: Executor
    folder: Path
    backend: str
    user: str
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": PATH, "HOME": "/root"})

    def spec(self, *argv: str, **members: Any) -> RunSpec:
        scratch = Path(tempfile.mkdtemp(dir=self.folder))
        defaults: dict[str, Any] = {"environment": self.environment, "directory": "/", "scratch": scratch}
        return RunSpec(argv=argv, **{**defaults, **members})

    def start(self, spec: RunSpec) -> tuple[RunHandle, int]:
        read, write = os.pipe()
        try:
            return self.executor.start(spec, write), read
        finally:
            os.close(write)

    def run(self, *argv: str, **members: Any) -> tuple[Exit, str]:
        """Run to the end; the exit and all output."""
        return self.run_spec(self.spec(*argv, **members))

    def run_spec(self, spec: RunSpec) -> tuple[Exit, str]:
        handle, read = self.start(spec)
        output = drain(read)
        ended = handle.wait()
        assert ended is not None
        return ended, output

    def sh(self, script: str, **members: Any) -> str:
        """Run a shell script that must succeed; its output."""
        ended, output = self.run("sh", "-ec", script, **members)
        assert ended == Exit(0), (ended, output)
        return output


def drain(read: int) -> str:
    blocks = []
    while block := os.read(read, 65536):
        blocks.append(block)
    os.close(read)
    return b"".join(blocks).decode()


def line(read: int) -> str:
    """One line from a process that goes on."""
    text = b""
    while not text.endswith(b"\n"):
        byte = os.read(read, 1)
        assert byte, f"the output ended after {text!r}"
        text += byte
    return text.decode().rstrip("\n")


def as_user(user: str, body: Callable[[], None]) -> None:
    """Run ``body``, as nobody in a forked child when that is asked for: whatever was imported stays readable to it."""
    if user == "self":
        body()
        return
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            nobody = pwd.getpwnam("nobody")
            os.setgroups([])
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)
            body()
        except pytest.skip.Exception as skipped:
            os.write(write, f"skip:{skipped}".encode())
        except BaseException:  # noqa: BLE001 - carried to the test
            os.write(write, traceback.format_exc().encode())
        finally:
            os._exit(0)
    os.close(write)
    problem = drain(read)
    os.waitpid(child, 0)
    if problem.startswith("skip:"):
        pytest.skip(problem[5:])
    assert not problem, problem


@pytest.fixture(
    params=[(backend, user) for backend in (*BACKENDS, "spare") for user in USERS], ids=lambda p: f"{p[0]}-{p[1]}"
)
def scene(request: pytest.FixtureRequest) -> Iterator[tuple[str, str, Path]]:
    backend, user = request.param
    if (reason := available(backend)) is not None:
        pytest.skip(reason)
    if user == "nobody" and os.geteuid() != 0:
        pytest.skip("only root can become nobody")
    folder = Path(tempfile.mkdtemp(prefix="selfmaker-test-"))
    folder.chmod(0o777)
    yield backend, user, folder
    shutil.rmtree(folder)


Body = Callable[[Sandbox], None]


def conformance(body: Body) -> Callable[[tuple[str, str, Path]], None]:
    """The test function ``body`` for every backend and user."""

    def test(scene: tuple[str, str, Path]) -> None:
        backend, user, folder = scene
        as_user(user, lambda: body(Sandbox(executor(backend, folder), folder, backend, user)))

    test.__doc__ = body.__doc__
    return test


def make(path: Path, text: str = "", mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


# --- how it ends -----------------------------------------------------------------------------------------------------


@conformance
def test_exit_code_and_output(box: Sandbox) -> None:
    ended, output = box.run("sh", "-c", "echo out; echo err >&2; exit 3")
    assert ended == Exit(3)
    assert output.splitlines() == ["out", "err"]


@conformance
def test_a_login_shell_keeps_the_environments_path(box: Sandbox) -> None:
    environment = {**box.environment, "PATH": f"/opt/programs/bin:{PATH}"}
    ended, output = box.run("sh", "-lc", "echo $PATH; echo >> /etc/profile", environment=environment)
    assert output.startswith(f"/opt/programs/bin:{PATH}\n"), output
    assert ended.code != 0, "the profile is everybody's"


@conformance
def test_a_signal_is_128_and_its_number(box: Sandbox) -> None:
    assert box.run("sh", "-c", "kill -SEGV $$")[0].code == 128 + signal.SIGSEGV
    assert box.run("sh", "-c", "kill -KILL $$")[0] == Exit(137)  # as the kernel does when memory runs out


@conformance
def test_wait_with_a_timeout_returns_none_and_later_the_exit(box: Sandbox) -> None:
    handle, read = box.start(box.spec("sh", "-c", "echo up; sleep 60"))
    assert line(read) == "up"
    assert handle.wait(0) is None
    assert handle.wait(0.01) is None
    handle.signal(signal.SIGKILL)
    assert handle.wait() == Exit(137)
    assert handle.wait(0) == Exit(137)
    handle.signal(signal.SIGTERM)  # it has ended: no error
    os.close(read)


@conformance
def test_what_the_first_process_left_behind_ends_with_it(box: Sandbox) -> None:
    folder = box.folder / "shared"
    folder.mkdir()
    ended, _ = box.run(
        "sh", "-c", "(setsid sh -c 'sleep 0.3; touch /opt/ml/late' >/dev/null 2>&1 &) ; exit 0",
        mounts=(Mount(folder, "/opt/ml", Access.READ_WRITE),),
    )  # fmt: skip
    assert ended == Exit(0)
    time.sleep(0.6)
    assert list(folder.iterdir()) == []


@conformance
def test_the_output_ends_with_the_run_even_when_a_daemon_holds_it(box: Sandbox) -> None:
    ended, output = box.run("sh", "-c", "sleep 600 & echo started; exit 5")
    assert (ended, output) == (Exit(5), "started\n")


@conformance
def test_orphans_are_reaped(box: Sandbox) -> None:
    script = "for i in 1 2 3; do (sleep 0.01 &); done; sleep 0.3; cat /proc/[0-9]*/stat | grep -c ' Z ' || true"
    assert box.sh(script) == "0\n"


# --- signals ---------------------------------------------------------------------------------------------------------


@conformance
def test_signals_reach_the_first_process_only(box: Sandbox) -> None:
    loop = "while :; do sleep 0.02; done"
    script = f"trap 'echo term; exit 7' TERM; (trap 'echo child' TERM; echo up; {loop}) & {loop}"
    handle, read = box.start(box.spec("sh", "-c", script))
    assert line(read) == "up"
    handle.signal(signal.SIGTERM)
    assert drain(read) == "term\n"
    assert handle.wait() == Exit(7)


@conformance
def test_a_program_that_a_shell_waits_for_is_told_of_a_signal(box: Sandbox) -> None:
    (box.folder / "inner.sh").write_text(
        "sh -c 'trap \"echo saved; exit 7\" TERM; echo up; while :; do sleep 0.02; done'\necho then $?"
    )
    mounts = (Mount(box.folder / "inner.sh", "/inner.sh", Access.READ_ONLY),)
    handle, read = box.start(box.spec("sh", "-c", "true && sh /inner.sh; exit 5", mounts=mounts))
    assert line(read) == "up"
    handle.signal(signal.SIGTERM)
    assert drain(read) == "saved\nthen 7\n"
    assert handle.wait() == Exit(5)


@conformance
def test_a_shell_without_handlers_is_ended_by_a_signal(box: Sandbox) -> None:
    handle, read = box.start(box.spec("sh", "-c", "echo up; sleep 600; echo never"))
    assert line(read) == "up"
    handle.signal(signal.SIGTERM)
    assert handle.wait() == Exit(143)
    assert drain(read) == ""


@conformance
def test_a_program_without_handlers_is_ended_by_a_signal(box: Sandbox) -> None:
    handle, read = box.start(box.spec("sh", "-c", "echo up; exec sleep 600"))
    assert line(read) == "up"
    handle.signal(signal.SIGTERM)
    assert handle.wait() == Exit(143)
    os.close(read)


@conformance
def test_sigkill_ends_every_process(box: Sandbox) -> None:
    script = "trap '' TERM INT; setsid sleep 600 & echo up; while :; do sleep 1; done"
    handle, read = box.start(box.spec("sh", "-c", script))
    assert line(read) == "up"
    handle.signal(signal.SIGTERM)
    handle.signal(signal.SIGKILL)
    assert handle.wait() == Exit(137)
    assert drain(read) == ""


@conformance
def test_signal_from_one_thread_while_another_waits(box: Sandbox) -> None:
    handle, read = box.start(box.spec("sh", "-c", "trap 'exit 9' USR1; echo up; while :; do sleep 0.02; done"))
    ends: list[Exit | None] = []
    waiting = threading.Thread(target=lambda: ends.append(handle.wait()))
    waiting.start()
    assert line(read) == "up"
    handle.signal(signal.SIGUSR1)
    waiting.join()
    os.close(read)
    assert ends == [Exit(9)]


@conformance
def test_dispositions_are_the_default_ones(box: Sandbox) -> None:
    ours = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        status = box.sh("cat /proc/self/status")
    finally:
        signal.signal(signal.SIGINT, ours)
    values = dict(row.split(":\t") for row in status.splitlines() if row.startswith("Sig"))
    kept_by_libc = 0x180000000  # signals 32 and 33: posix_spawn of glibc leaves its own two ignored
    assert int(values["SigIgn"], 16) & ~kept_by_libc == 0
    assert int(values["SigBlk"], 16) == 0


@conformance
def test_the_run_dies_with_the_process_that_started_it(box: Sandbox) -> None:
    folder = box.folder / "shared"
    folder.mkdir()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        spec = box.spec(
            "sh", "-c", "echo 0 > /opt/ml/beat; echo up; while :; do date +%s%N > /opt/ml/beat; sleep 0.02; done",
            mounts=(Mount(folder, "/opt/ml", Access.READ_WRITE),),
        )  # fmt: skip
        try:
            held = box.executor.start(spec, write)
            held.wait()
        finally:
            os._exit(1)
    os.close(write)
    assert line(read) == "up"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert drain(read) == ""  # the end of the output: the last process is gone, or this waits for ever
    beat = (folder / "beat").read_text()
    time.sleep(0.2)
    assert (folder / "beat").read_text() == beat


@conformance
def test_the_run_does_not_die_with_the_thread_that_started_it(box: Sandbox) -> None:
    started: list[tuple[RunHandle, int]] = []
    spec = box.spec("sh", "-c", "echo up; sleep 0.3; exit 4")
    thread = threading.Thread(target=lambda: started.append(box.start(spec)))
    thread.start()
    thread.join()
    handle, read = started[0]
    assert drain(read) == "up\n"
    assert handle.wait() == Exit(4)


# --- programs that cannot be started ---------------------------------------------------------------------------------


@conformance
def test_a_program_that_is_not_there(box: Sandbox) -> None:
    ended, output = box.run("train")
    assert ended == Exit(127, 'exec: "train": executable file not found in $PATH')
    assert output == ""
    assert box.run("/opt/nothing")[0] == Exit(127, 'exec: "/opt/nothing": stat /opt/nothing: no such file or directory')


@conformance
def test_a_program_that_cannot_be_executed(box: Sandbox) -> None:
    folder = box.folder / "programs"
    make(folder / "plain", "#!/bin/sh\necho ran\n")
    make(folder / "words", "echo no first line\n", 0o755)
    make(folder / "lost", "#!/no/such/interpreter\n", 0o755)
    make(folder / "good", "#!/bin/sh\necho ran $*\n", 0o755)
    common: dict[str, Any] = {"mounts": (Mount(folder, "/opt/x"),), "environment": {"PATH": f"{PATH}:/opt/x"}}
    assert box.run("/opt/x/plain", **common)[0] == Exit(126, 'exec: "/opt/x/plain": permission denied')
    assert box.run("plain", **common)[0] == Exit(126, 'exec: "plain": permission denied')
    assert box.run("/opt/x", **common)[0] == Exit(126, 'exec: "/opt/x": is a directory')
    assert box.run("words", **common)[0] == Exit(126, "exec /opt/x/words: exec format error")
    lost, _ = box.run("lost", **common)
    assert lost.code == 127
    assert lost.launch_error is not None
    assert lost.launch_error.startswith("exec /opt/x/lost: no such file or directory")
    assert box.run("good", "a b", **common) == (Exit(0), "ran a b\n")


@conformance
def test_a_program_may_itself_exit_with_127(box: Sandbox) -> None:
    assert box.run("sh", "-c", "exit 127")[0] == Exit(127)


@conformance
def test_a_working_directory_that_is_not_there_is_made(box: Sandbox) -> None:
    assert box.sh("pwd", directory="/opt/program/src") == "/opt/program/src\n"


# --- what the process finds ------------------------------------------------------------------------------------------


@conformance
def test_environment_is_exactly_the_given_one(box: Sandbox) -> None:
    environment = {"PATH": PATH, "A": "x=y z", "EMPTY": "", "LINES": "1\n2", "ÜML": "ä"}
    _, output = box.run("env", "-0", environment=environment)
    assert dict(entry.split("=", 1) for entry in output.split("\0") if entry) == environment


@conformance
def test_arguments_arrive_as_they_are(box: Sandbox) -> None:
    arguments = ["", "a b", "$HOME", "*", "--flag", "ä\n'\""]
    _, output = box.run("printf", "%s\\0", *arguments)
    assert output.split("\0")[:-1] == arguments


@conformance
def test_stdin_is_empty_and_no_descriptor_leaks(box: Sandbox) -> None:
    secret = os.open("/etc/hostname", os.O_RDONLY)
    os.set_inheritable(secret, True)
    try:
        assert box.sh("cat; ls /proc/$$/fd") == "0\n1\n2\n"
    finally:
        os.close(secret)


@conformance
def test_root_in_its_own_process_space_with_its_own_name(box: Sandbox) -> None:
    output = box.sh("id -u; hostname; ls /proc | grep -c '^[0-9]'; kill -0 1 && echo init", hostname="algo-2")
    uid, name, processes, init = output.splitlines()
    assert (uid, name, init) == ("0", "algo-2", "init")
    assert int(processes) <= 6


@conformance
def test_host_names(box: Sandbox) -> None:
    output = box.sh("getent ahostsv4 algo-2 algo-1 | awk '{print $1}' | sort -u", hosts={"algo-2": "10.9.8.7"})
    assert output.split() == ["10.9.8.7", "127.0.0.1"]
    assert "127.0.0.1" in box.sh("getent hosts algo-1 localhost; cat /etc/hosts; echo '1.2.3.4 more' >> /etc/hosts")


@conformance
def test_name_service_configuration_is_readable(box: Sandbox) -> None:
    if not Path("/etc/resolv.conf").exists():
        pytest.skip("this machine has no /etc/resolv.conf")
    assert box.sh("cat /etc/resolv.conf") == Path("/etc/resolv.conf").read_text()


@conformance
def test_devices(box: Sandbox) -> None:
    script = """
    echo x > /dev/null; head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c; test -c /dev/full; test -c /dev/tty
    echo y > /dev/shm/y; cat /dev/shm/y; test -d /dev/pts; test -e /dev/ptmx; echo fd | cat /dev/stdin; test -d /dev/fd/
    ls /dev | grep -E '^(sd|vd|nvme|loop|mem|kmsg)' || true
    """
    assert box.sh(script).split() == ["4", "4", "y", "fd"]


@conformance
def test_private_writable_places(box: Sandbox) -> None:
    marker = "selfmaker-was-here"
    places = ("/tmp", "/var/tmp", "/run", "/root", "/opt", "/dev/shm", "/")
    box.sh("".join(f"echo x > {place}/{marker}; " for place in places) + "mkdir /somewhere; touch $HOME/.rc")
    assert box.sh(f"ls -a /tmp /root /opt /dev/shm | grep {marker} || true") == ""
    for place in places:
        with pytest.raises(OSError, match=r"No such file|Permission denied"):
            os.stat(f"{place}/{marker}")  # noqa: PTH116 - Path.exists would hide the second


@conformance
def test_home_of_another_name(box: Sandbox) -> None:
    environment = {"PATH": PATH, "HOME": "/home/sagemaker-user"}
    assert box.sh("cd; touch x; pwd", environment=environment) == "/home/sagemaker-user\n"


@conformance
def test_the_system_is_read_only_and_the_rest_of_the_host_is_absent(box: Sandbox) -> None:
    make(box.folder / "secret", "host")
    script = f"""
    exec 2>/dev/null
    for place in /usr /etc /usr/bin /sys /proc/sys/kernel; do touch $place/x && echo wrote $place; done
    test -e {box.folder} && echo sees {box.folder}
    test -e /work -o -e /old_root -o -e /boot && echo sees the host
    grep root /etc/shadow && echo shadow
    sh -c 'echo core > /proc/sys/kernel/core_pattern' && echo core
    true
    """
    assert box.sh(script) == ""


@conformance
def test_mounts_cannot_be_undone_and_devices_cannot_be_made(box: Sandbox) -> None:
    folder = box.folder / "ro"
    make(folder / "file", "kept")
    script = """
    umount /opt/ro 2>/dev/null && echo unmounted
    mount -o remount,rw,bind /opt/ro 2>/dev/null && echo remounted
    mount -t tmpfs none /mnt 2>/dev/null && echo mounted
    mknod /tmp/disk b 254 0 2>/dev/null && echo made
    unshare -Urm sh -c 'umount /opt/ro || mount -o remount,rw,bind /opt/ro && echo undone' 2>/dev/null
    cat /opt/ro/file
    """
    _, output = box.run("sh", "-c", script, mounts=(Mount(folder, "/opt/ro"),))
    assert output == "kept"
    assert (folder / "file").read_text() == "kept"


@conformance
def test_process_1_gives_nothing_of_the_host_away(box: Sandbox) -> None:
    script = f"""
    exec 2>/dev/null
    ls /proc/1/root{box.folder} /proc/1/cwd{box.folder} /proc/1/fd/*/ || true
    tr '\\0' '\\n' < /proc/1/environ || true
    """
    lines = set(box.sh(script).splitlines())
    assert not lines & {f"{name}={value}" for name, value in os.environ.items() if name != "PATH"}
    assert not [line for line in lines if "/" in line and not line.startswith("PATH=")]


@conformance
def test_tar_of_somebody_elses_files_unpacks(box: Sandbox) -> None:
    """SageMaker's own start scripts run ``tar -xzf`` as root, on archives made by any user."""
    folder = box.folder / "archive"
    make(folder / "train.py", "print('x')")
    archive = folder / "code.tgz"
    subprocess.run(["tar", "-C", folder, "--owner=4321", "--group=4321", "-czf", archive, "train.py"], check=True)
    script = "cd /tmp; tar -xzf /opt/code.tgz; chown 12:34 train.py; cat train.py"
    output = box.sh(script, mounts=(Mount(archive, "/opt/code.tgz"),))
    assert output == "print('x')"


# --- network ---------------------------------------------------------------------------------------------------------

CONNECT = """
import socket
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname(), 5).close()
print("loopback")
try:
    print("reached", socket.create_connection(("127.0.0.1", PORT), 5).recv(5))
except OSError as error:
    print("refused")
print(sorted(name for _, name in socket.if_nameindex()))
"""


def greet(server: socket.socket) -> None:
    with server.accept()[0] as connection:
        connection.sendall(b"hello")


def test_network(scene: tuple[str, str, Path]) -> None:
    python = "/usr/bin/python3"
    if not Path(python).exists():
        pytest.skip("the system has no Python")
    backend, user, folder = scene
    with socket.create_server(("127.0.0.1", 0)) as server:
        accept = threading.Thread(target=greet, args=(server,), daemon=True)
        accept.start()
        program = CONNECT.replace("PORT", str(server.getsockname()[1]))

        def body() -> None:
            box = Sandbox(executor(backend, folder), folder, backend, user)
            ended, output = box.run(python, "-c", program, network=False)
            assert (ended, output) == (Exit(0), "loopback\nrefused\n['lo']\n")
            ended, output = box.run(python, "-c", program, network=True)
            assert output.startswith("loopback\nreached b'hello'\n"), output

        as_user(user, body)
        accept.join(10)


LISTEN = """
import socket
with socket.create_server(("127.0.0.2", 4321)) as server:
    print("listening", flush=True)
    with server.accept()[0] as connection:
        connection.sendall(b"hello")
"""
VISIT = """
import socket
print(socket.create_connection(("algo-2", 4321), 5).recv(5))
try:
    print("reached", socket.create_connection(("127.0.0.1", PORT), 5).recv(5))
except OSError:
    print("refused")
"""


def test_runs_on_an_island_reach_each_other_and_nothing_else(scene: tuple[str, str, Path]) -> None:
    python = "/usr/bin/python3"
    if not Path(python).exists():
        pytest.skip("the system has no Python")
    backend, user, folder = scene
    with socket.create_server(("127.0.0.1", 0)) as outside:
        port = outside.getsockname()[1]

        def body() -> None:
            box = Sandbox(executor(backend, folder), folder, backend, user)
            island = Island.make()
            shared: dict[str, Any] = {"network": False, "island": island, "hosts": {"algo-2": "127.0.0.2"}}
            listener, read = box.start(box.spec(python, "-c", LISTEN, hostname="algo-2", **shared))
            assert os.read(read, 100) == b"listening\n"
            ended, output = box.run(python, "-c", VISIT.replace("PORT", str(port)), **shared)
            island.close()
            assert (ended, output) == (Exit(0), "b'hello'\nrefused\n")
            drain(read)
            assert listener.wait() == Exit(0)

        as_user(user, body)


# --- mounts ----------------------------------------------------------------------------------------------------------


@conformance
def test_read_only_and_read_write_mounts(box: Sandbox) -> None:
    make(box.folder / "ro" / "deep" / "file", "ro")
    make(box.folder / "rw" / "file", "rw")
    mounts = (Mount(box.folder / "ro", "/opt/ro"), Mount(box.folder / "rw", "/opt/rw", Access.READ_WRITE))
    script = """
    cat /opt/ro/deep/file /opt/rw/file
    ! touch /opt/ro/new 2>/dev/null
    ! sh -c 'echo x > /opt/ro/deep/file' 2>/dev/null
    ! rm -f /opt/ro/deep/file 2>/dev/null
    echo more >> /opt/rw/file; echo new > /opt/rw/new
    """
    assert box.sh(script, mounts=mounts) == "rorw"
    assert (box.folder / "ro" / "deep" / "file").read_text() == "ro"
    assert (box.folder / "rw" / "file").read_text() == "rwmore\n"
    assert (box.folder / "rw" / "new").read_text() == "new\n"


@conformance
def test_copy_on_write_of_a_folder(box: Sandbox) -> None:
    source = box.folder / "a,odd:folder name\\"
    make(source / "keep", "keep")
    make(source / "sub" / "change", "before")
    make(source / "sub" / "delete", "there")
    stored = box.folder / "stored"
    os.link(source / "keep", stored)  # as a channel is a tree of links onto stored objects
    script = """
    cd /opt/data; echo after > sub/change; rm sub/delete; echo new > new; echo broken > keep; mkdir more; mv new more/
    cat keep sub/change more/new; ls sub; rm -r sub; ls
    """
    mounts = (Mount(source, "/opt/data", Access.COPY_ON_WRITE),)
    assert box.sh(script, mounts=mounts).split() == ["broken", "after", "new", "change", "keep", "more"]
    assert sorted(p.name for p in source.iterdir()) == ["keep", "sub"]
    assert (source / "keep").read_text() == stored.read_text() == "keep"
    assert (source / "sub" / "change").read_text() == "before"
    assert (source / "sub" / "delete").read_text() == "there"
    assert box.sh("cat /opt/data/keep", mounts=mounts) == "keep"


@conformance
def test_the_end_of_a_copy_on_write_does_not_wait_for_the_disk(box: Sandbox) -> None:
    """Without ``volatile``, unmounting an overlay syncs the whole file system that it writes to."""
    make(box.folder / "source" / "file")
    mounts = (Mount(box.folder / "source", "/opt/data", Access.COPY_ON_WRITE),)
    kinds = [line.split() for line in box.sh("cat /proc/mounts", mounts=mounts).splitlines()]
    overlays = [
        options.split(",") for _, place, kind, options, *_ in kinds if (place, kind) == ("/opt/data", "overlay")
    ]
    release = tuple(int(part) for part in os.uname().release.split(".")[:2])
    if not overlays or release < (5, 10):
        pytest.skip("no overlay, or a kernel that knows no volatile ones")
    assert {"volatile", "fsync=volatile"} & set(overlays[0]), overlays[0]  # as older and newer kernels say it


@conformance
def test_copy_on_write_of_a_file(box: Sandbox) -> None:
    source = make(box.folder / "object", "stored", 0o644)
    mounts = (Mount(source, "/opt/ml/input/data/train/file.csv", Access.COPY_ON_WRITE),)
    script = "cd /opt/ml/input/data/train; cat file.csv; echo more >> file.csv; cat file.csv"
    assert box.sh(script, mounts=mounts) == "storedstoredmore\n"
    assert source.read_text() == "stored"


@conformance
def test_scratch_can_be_removed_afterwards(box: Sandbox) -> None:
    source = box.folder / "source"
    make(source / "file")
    mounts = (Mount(source, "/opt/cow", Access.COPY_ON_WRITE),)
    spec = box.spec("sh", "-c", "echo x > /opt/cow/file; mkdir -p /tmp/a/b", mounts=mounts)
    assert box.run_spec(spec)[0] == Exit(0)
    shutil.rmtree(spec.scratch)
    assert not spec.scratch.exists()


@conformance
def test_nested_mounts_whatever_their_order(box: Sandbox) -> None:
    make(box.folder / "ml" / "output" / "x", "ml")
    make(box.folder / "train" / "data", "train")
    make(box.folder / "one", "one")
    mounts = (
        Mount(box.folder / "one", "/opt/ml/input/data/train/one"),
        Mount(box.folder / "train", "/opt/ml/input/data/train", Access.COPY_ON_WRITE),
        Mount(box.folder / "ml", "/opt/ml", Access.READ_WRITE),
    )
    make(box.folder / "train" / "one")
    script = """
    cd /opt/ml/input/data/train
    cat /opt/ml/output/x data one
    echo y > /opt/ml/model; echo z >> data
    """
    assert box.sh(script, mounts=mounts) == "mltrainone"
    assert (box.folder / "ml" / "model").read_text() == "y\n"
    assert (box.folder / "train" / "data").read_text() == "train"


@conformance
def test_a_mount_at_the_path_that_it_has_on_the_host(box: Sandbox) -> None:
    source = box.folder / "environments" / "x"
    make(source / "bin" / "hello", "#!/bin/sh\necho hello\n", 0o755)
    assert box.run(str(source / "bin" / "hello"), mounts=(Mount(source, str(source)),)) == (Exit(0), "hello\n")


@conformance
def test_a_source_may_be_a_symbolic_link(box: Sandbox) -> None:
    make(box.folder / "real" / "file", "real")
    (box.folder / "link").symlink_to(box.folder / "real")
    assert box.sh("cat /opt/x/file", mounts=(Mount(box.folder / "link", "/opt/x"),)) == "real"


@conformance
def test_hidden_paths_are_not_reachable_below_a_mount(box: Sandbox) -> None:
    host = box.folder / "host"
    make(host / "data" / "server.sqlite3", "secret")
    make(host / "data" / "jobs" / "1" / "model", "mine")
    make(host / "credentials.json", "secret")
    make(host / "project" / "train.py", "code")
    mounts = (
        Mount(host, "/opt/host", Access.READ_WRITE),
        Mount(host, "/mnt/copy", Access.COPY_ON_WRITE),
        Mount(host / "data" / "jobs" / "1", "/opt/ml", Access.READ_WRITE),
        Mount(host / "data" / "jobs" / "1", "/opt/host/data/jobs/1", Access.READ_WRITE),
    )
    script = """
    exec 2>/dev/null
    cat /opt/ml/model /opt/host/project/train.py /opt/host/data/jobs/1/model
    find / -name server.sqlite3 -o -name credentials.json -size +0 | grep -v ^/proc
    cat /opt/host/credentials.json
    """
    hidden = (host / "data", host / "credentials.json", host / "nothing")
    ended, output = box.run("sh", "-c", script, mounts=mounts, hidden=hidden)
    assert output == "minecodemine", ended


@conformance
def test_a_link_left_in_a_writable_folder_does_not_lead_a_mount_out(box: Sandbox) -> None:
    outside = box.folder / "outside"
    outside.mkdir()
    make(box.folder / "ml" / "file")
    (box.folder / "ml" / "input").symlink_to(outside)
    make(box.folder / "train" / "data")
    ml = Mount(box.folder / "ml", "/opt/ml", Access.READ_WRITE)
    mounts = (ml, Mount(box.folder / "train", "/opt/ml/input/data/train"))
    with contextlib.suppress(Invalid, Unavailable):
        box.run("true", mounts=mounts)
    assert list(outside.iterdir()) == []


@conformance
def test_mistakes_in_the_spec_are_invalid(box: Sandbox) -> None:
    make(box.folder / "ro" / "file")
    with pytest.raises(Invalid, match="no such file or folder"):
        box.run("true", mounts=(Mount(box.folder / "absent", "/opt/x"),))
    for target in ("opt/x", "/opt/../etc", "/", "/proc/x", "/dev"):
        with pytest.raises(Invalid, match="cannot mount"):
            box.run("true", mounts=(Mount(box.folder, target),))
    with pytest.raises(Invalid, match="argv"):
        box.run()


@conformance
def test_many_runs_at_once(box: Sandbox) -> None:
    results: list[tuple[Exit, str]] = []

    def one(number: int) -> None:
        results.append(box.run("sh", "-c", f"echo {number}; exit {number}"))

    threads = [threading.Thread(target=one, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((ended.code, output) for ended, output in results) == [(n, f"{n}\n") for n in range(8)]


def test_no_descriptors_or_processes_are_left(scene: tuple[str, str, Path]) -> None:
    backend, user, folder = scene

    def body() -> None:
        box = Sandbox(executor(backend, folder), folder, backend, user)
        box.run("true")
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(3):
            box.run("true")
            box.run("no-such-program")
        assert len(list(Path("/proc/self/fd").iterdir())) == before
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)

    if user == "self":
        child = os.fork()  # a process without children of pytest's
        if child == 0:
            try:
                body()
            except BaseException:  # noqa: BLE001 - told by the exit code
                traceback.print_exc(file=sys.__stderr__)
                os._exit(1)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    else:
        as_user(user, body)
