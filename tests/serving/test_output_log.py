"""What workers print: lines with their time, and an end to what has none."""

from selfmaker.serving.output_log import OutputLog


def test_what_is_printed_without_end_goes_on_in_further_files(tmp_path):
    paths = []

    def following():
        paths.append(tmp_path / f"{len(paths)}.log")
        return paths[-1]

    log = OutputLog(following(), 1000, following)
    for number in range(100):
        log.say(f"line {number} " + "x" * 80)
    log.close()
    assert len(paths) > 5
    assert all(path.stat().st_size <= 1000 for path in paths)
    text = "".join(path.read_text() for path in paths)
    assert [line.split()[2] for line in text.splitlines()] == [str(number) for number in range(100)]
    assert log.last.startswith("line 99")


def test_one_file_without_a_limit(tmp_path):
    log = OutputLog(tmp_path / "a.log")
    for _ in range(100):
        log.say("x" * 100)
    log.close()
    assert (tmp_path / "a.log").read_text().count("\n") == 100
