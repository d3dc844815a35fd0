from pathlib import Path

from selfmaker.jobs.folder import read_json_lines
from selfmaker.jobs.recorder import LONGEST_LINE, Recorder


def texts(path: Path) -> list[str]:
    lines = path.read_bytes().decode().splitlines()
    assert all(line.split(" ", 1)[0].isdigit() for line in lines)
    return [line.split(" ", 1)[1] for line in lines]


def test_lines_are_whole_whatever_the_chunks(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "log")
    for chunk in (b"on", b"e\ntwo\n\nth", b"ree"):
        recorder.write(chunk)
    assert texts(tmp_path / "log") == ["one", "two", ""]
    recorder.close()
    assert texts(tmp_path / "log") == ["one", "two", "", "three"]


def test_a_remark_ends_an_unfinished_line(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "log")
    recorder.write(b"half")
    recorder.say("ours\nin two lines")
    recorder.close()
    assert texts(tmp_path / "log") == ["half", "ours", "in two lines"]


def test_an_endless_line_is_cut(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "log")
    recorder.write(b"x" * (2 * LONGEST_LINE + 5))
    recorder.close()
    assert [len(text) for text in texts(tmp_path / "log")] == [LONGEST_LINE, LONGEST_LINE, 5]


def test_read_json_lines_passes_over_a_line_that_is_being_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text('{"a": 1}\n{"a"')
    assert read_json_lines(tmp_path / "file") == [{"a": 1}]
    assert read_json_lines(tmp_path / "absent") == []


def test_what_comes_after_the_end_goes_nowhere(tmp_path: Path) -> None:
    """The number of a closed descriptor is soon another file's: a remark that comes late must not land there."""
    recorder = Recorder(tmp_path / "log")
    recorder.close()
    with (tmp_path / "other").open("wb") as other:
        recorder.say("late")
        recorder.write(b"later\n")
        other.flush()
    assert (tmp_path / "other").read_bytes() == b""
    assert texts(tmp_path / "log") == []


def test_read_json_lines_passes_over_damage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text('{"a": 1}\n17952 remark\n3\n{"b": 2}\n')
    assert read_json_lines(tmp_path / "file") == [{"a": 1}, {"b": 2}]
