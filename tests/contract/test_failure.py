"""The text of FailureReason."""

import os
from pathlib import Path

import pytest

from selfmaker.contract.failure import LONGEST, failure_reason, last_exception
from selfmaker.contract.layout import Layout

TRACEBACK = """\
1700000000000 epoch 1
1700000000001 Traceback (most recent call last):
1700000000002   File "/opt/ml/code/train.py", line 3, in <module>
1700000000003     main()
1700000000004 KeyError: 'first'
1700000000005
1700000000006 During handling of the above exception, another exception occurred:
1700000000007
1700000000008 Traceback (most recent call last):
1700000000009   File "/opt/ml/code/train.py", line 5, in <module>
1700000000010     raise ValueError("bad data")
1700000000011     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
1700000000012 ValueError: bad data
1700000000013 cleaning up
"""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "ml")
    layout.create()
    return layout


def log(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "host.log"
    path.write_text(text)
    return path


def test_script_mode_quotes_the_exception_and_the_command(layout: Layout, tmp_path: Path) -> None:
    reason = failure_reason(layout.failure, log(tmp_path, TRACEBACK), 1, "/usr/bin/python3 train.py --x 1")
    assert reason == (
        'AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage "ValueError: bad data"\n'
        'Command "/usr/bin/python3 train.py --x 1", exit code: 1'
    )


def test_a_container_without_a_word(layout: Layout, tmp_path: Path) -> None:
    assert failure_reason(layout.failure, log(tmp_path, ""), 3) == "AlgorithmError: , exit code: 3"
    ours = log(tmp_path, "selfmaker: environment e: numpy 2.1.0\n")
    assert failure_reason(layout.failure, ours, 3) == "AlgorithmError: , exit code: 3"
    assert failure_reason(layout.failure, tmp_path / "no.log", 3) == "AlgorithmError: , exit code: 3"


def test_the_last_line_where_there_is_no_traceback(tmp_path: Path) -> None:
    text = "1 usage: train.py\n2 train.py: error: unrecognized arguments: --x\n3 \n"
    assert last_exception(log(tmp_path, text)) == "train.py: error: unrecognized arguments: --x"


def test_what_the_job_says_itself_goes_first(layout: Layout, tmp_path: Path) -> None:
    layout.failure.write_text("  my reason\nsecond line\n")
    reason = failure_reason(layout.failure, log(tmp_path, TRACEBACK), 1, "python train.py")
    assert reason == "AlgorithmError: my reason\nsecond line, exit code: 1"


@pytest.mark.parametrize("text", ["x" * 5000, "ü" * 5000, "x" * 1020])
def test_the_exit_code_survives_shortening(layout: Layout, tmp_path: Path, text: str) -> None:
    layout.failure.write_text(text)
    reason = failure_reason(layout.failure, log(tmp_path, ""), 42)
    assert len(reason) <= LONGEST
    assert reason.endswith(", exit code: 42")
    assert reason.startswith("AlgorithmError: " + text[:900])


def test_text_that_is_no_utf8(layout: Layout, tmp_path: Path) -> None:
    layout.failure.write_bytes(b"caf\xe9")
    assert failure_reason(layout.failure, log(tmp_path, ""), 1) == "AlgorithmError: caf\ufffd, exit code: 1"


def test_out_of_memory(layout: Layout, tmp_path: Path) -> None:
    reason = failure_reason(layout.failure, log(tmp_path, ""), 137, "python train.py")
    assert 'ExtraInfo "OutOfMemory: Process killed by SIGKILL (signal 9)"' in reason
    assert reason.endswith(", exit code: 137")


def test_only_the_end_of_a_long_log_is_read(tmp_path: Path) -> None:
    path = log(tmp_path, "1 noise\n" * 200_000 + TRACEBACK)
    assert last_exception(path) == "ValueError: bad data"


def test_neither_links_nor_pipes_are_read(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "failure").write_text("secret")
    layout.failure.symlink_to(tmp_path / "host" / "failure")
    assert "secret" not in failure_reason(layout.failure, log(tmp_path, ""), 1)
    layout.failure.unlink()
    os.mkfifo(layout.failure)
    assert failure_reason(layout.failure, log(tmp_path, ""), 1) == "AlgorithmError: , exit code: 1"
    layout.output.rename(layout.output.with_name("away"))
    layout.output.symlink_to(tmp_path / "host")
    assert "secret" not in failure_reason(layout.failure, log(tmp_path, ""), 1)


DRIVER = """\
1 Executing command: python3 bad.py
2 Traceback (most recent call last):
3 File "/opt/ml/input/data/code/bad.py", line 1, in <module>
4 raise sqlite3.OperationalError('no such table: rows')
5 sqlite3.OperationalError: no such table: rows
6 Command failed with exit code 1. Traceback: Traceback (most recent call last):
7   File "/opt/ml/input/data/sm_drivers/common/utils.py", line 193, in execute_commands
8 subprocess.CalledProcessError: Command '['python3', 'bad.py']' returned non-zero exit status 1.
"""


@pytest.mark.parametrize(
    "wrote",
    [
        "Traceback ...\nsubprocess.CalledProcessError: Command '['python3', 'b.py']' returned non-zero exit status 1.",
        "Training Execution failed. For more details, see CloudWatch logs at 'aws/sagemaker/TrainingJobs'.",
        'ExecuteUserScriptError:\nExitCode 1\nErrorMessage ""\nCommand "python -- bad.py"',
    ],
)
def test_a_failure_file_about_an_exit_code_comes_after_the_exception(
    layout: Layout, tmp_path: Path, wrote: str
) -> None:
    """SDK v3's drivers, which print the script's traceback without its indentation, write such files."""
    layout.failure.write_text(wrote)
    reason = failure_reason(layout.failure, log(tmp_path, DRIVER), 1)
    assert reason == f"AlgorithmError: sqlite3.OperationalError: no such table: rows\n{wrote}, exit code: 1"
    assert failure_reason(layout.failure, log(tmp_path, "1 hello\n"), 9) == f"AlgorithmError: {wrote}, exit code: 9"
    layout.failure.write_text("my own words")
    assert failure_reason(layout.failure, log(tmp_path, DRIVER), 1) == "AlgorithmError: my own words, exit code: 1"
