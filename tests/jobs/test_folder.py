"""Who may see a job through: one supervisor, that with the ticket."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from selfmaker.jobs.folder import JobFolder

SUPERVISOR = """
import sys
from pathlib import Path
from selfmaker.jobs.folder import JobFolder
print(JobFolder(Path(sys.argv[1])).hold(sys.argv[2]), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path):
    made = JobFolder(tmp_path / "job")
    made.create()
    made.ticket.write_text("mine")
    return made


@pytest.fixture
def supervisor(folder):
    """Start one with a ticket; what it says of holding the folder, once it is read from ``stdout``."""
    started = []

    def start(ticket):
        command = [sys.executable, "-c", SUPERVISOR, str(folder.path), ticket]
        path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=path))
        return started[-1]

    yield start
    for process in started:
        process.communicate()


def test_a_supervisor_holds_the_folder_as_long_as_it_lives(folder, supervisor):
    assert not folder.supervised()
    process = supervisor("mine")
    assert process.stdout.readline() == b"True\n"
    assert folder.supervised()
    with folder.unsupervised() as free:
        assert not free
    assert supervisor("mine").stdout.readline() == b"False\n"
    process.communicate()
    assert not folder.supervised()


def test_a_supervisor_of_an_earlier_start_leaves(folder, supervisor):
    assert supervisor("another's").stdout.readline() == b"False\n"


def test_a_supervisor_that_comes_while_one_asks_is_not_lost(folder, supervisor):
    begun, done = threading.Event(), threading.Event()

    def ask():
        while not done.is_set():
            folder.supervised()
            begun.set()

    asking = threading.Thread(target=ask)
    asking.start()
    begun.wait()
    try:
        for _ in range(5):
            process = supervisor("mine")
            assert process.stdout.readline() == b"True\n"
            process.communicate()
    finally:
        done.set()
        asking.join()


def test_none_comes_while_the_folder_is_laid_out(folder, supervisor):
    with folder.unsupervised() as free:
        assert free
        assert supervisor("mine").stdout.readline() == b"False\n"
    assert supervisor("mine").stdout.readline() == b"True\n"


def test_a_ticket_is_taken_back_from_a_supervisor_that_has_not_come(folder, supervisor):
    """The server was killed between the start of the supervisor and its first act: the job begins anew, once."""
    assert folder.withdraw()
    assert supervisor("mine").stdout.readline() == b"False\n"
    assert JobFolder(folder.path.parent / "nowhere").withdraw()


def test_none_is_taken_back_from_one_that_has_begun(folder, supervisor):
    process = supervisor("mine")
    assert process.stdout.readline() == b"True\n"
    assert not folder.withdraw()
    folder.append_event({"event": "loading"}, durable=False)
    process.communicate()
    assert not folder.withdraw()
    assert folder.ticket.read_text() == "mine"
