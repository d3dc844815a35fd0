"""Metrics in the lines that a job prints."""

import threading
from pathlib import Path

import pytest

from selfmaker.jobs import metric_finder
from selfmaker.jobs.folder import read_json_lines
from selfmaker.jobs.metric_finder import MetricFinder
from selfmaker.jobs.recorder import Recorder


def found(path: Path) -> list[tuple[str, float]]:
    return [(value["name"], value["value"]) for value in read_json_lines(path)]


def test_metrics_are_found_and_nonsense_is_passed_over(tmp_path: Path) -> None:
    finder = MetricFinder(tmp_path / "metrics", [("loss", r"loss=(\S+)"), ("epoch", r"^epoch (\d+)"), ("none", "loss")])
    recorder = Recorder(tmp_path / "log", finder)
    recorder.write(b"epoch 1 loss=0.5\nloss=nan loss=1\nloss=oops\nepoch 2 loss=-1.5e-3\nloss=")
    recorder.say("loss=7 is ours")
    recorder.write(b"loss=3")
    recorder.close()
    assert finder.find() is False
    values = [("loss", 0.5), ("epoch", 1.0), ("loss", -0.0015), ("epoch", 2.0), ("loss", 3.0)]
    assert found(tmp_path / "metrics") == values


def test_an_expression_that_takes_for_ever_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metric_finder, "LONGEST_SEARCH", 0.1)
    said: list[str] = []
    finder = MetricFinder(tmp_path / "metrics", [("bad", "(x+x+)+y"), ("good", r"good=(\d+)")], say=said.append)
    finder.scan([b"x" * 60 + b" good=1", b"good=2"], 0.0)
    assert finder.find() is False
    assert found(tmp_path / "metrics") == [("good", 1.0), ("good", 2.0)]
    assert len(said) == 1
    assert "'bad' is looked for no more" in said[0]


def test_who_prints_more_than_can_be_looked_through_waits(tmp_path: Path) -> None:
    woken: list[bool] = []
    finder = MetricFinder(tmp_path / "metrics", [("n", r"(\d+)")], wake=lambda: woken.append(True))

    def print_much() -> None:
        for number in range(200):
            finder.scan([b"%d" % number], 0.0)

    printer = threading.Thread(target=print_much)
    printer.start()
    while printer.is_alive():
        finder.find(0.01)
    printer.join()
    finder.find()
    assert [value for _, value in found(tmp_path / "metrics")] == list(range(200))
    assert len(woken) == 200


def test_a_full_disk_loses_values_only(tmp_path: Path) -> None:
    finder = MetricFinder(tmp_path / "no-folder" / "metrics", [("n", r"(\d+)")])
    finder.scan([b"1"], 0.0)
    assert finder.find() is False
