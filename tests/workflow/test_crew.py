import subprocess
import sys
import threading

from selfmaker.workflow.crew import Crew


def test_as_many_at_a_time_as_there_may_be_threads() -> None:
    crew, gate, begun = Crew(3, "test"), threading.Event(), threading.Semaphore(0)

    def work() -> None:
        begun.release()
        gate.wait(10)

    for _ in range(5):
        crew.submit(work)
    assert all(begun.acquire(timeout=10) for _ in range(3))
    assert not begun.acquire(timeout=0.05)
    gate.set()
    assert all(begun.acquire(timeout=10) for _ in range(2))
    crew.close(10)


def test_no_exit_waits_for_them() -> None:
    program = (
        "import threading; from selfmaker.workflow.crew import Crew, alone; "
        "crew = Crew(1, 'test'); crew.submit(threading.Event().wait); alone(threading.Event().wait); crew.close(0.01)"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=30).returncode == 0
