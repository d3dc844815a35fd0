"""Steps that start when another fails, is stopped, or ends in any way."""

import json
from typing import Any

import pytest

from selfmaker.errors import Invalid
from selfmaker.workflow import lint
from selfmaker.workflow.definition import parse


def after(name: str, trigger: str) -> dict[str, str]:
    return {"Step": name, "Trigger": trigger}


@pytest.mark.parametrize(
    ("status", "trigger", "starts", "ending"),
    [
        ("Completed", "Completed", True, "Succeeded"),
        ("Completed", "Failed", False, "Succeeded"),
        ("Completed", "Stopped", False, "Succeeded"),
        ("Completed", "Any", True, "Succeeded"),
        ("Failed", "Completed", False, "Failed"),
        ("Failed", "Failed", True, "CompletedWithFailures"),
        ("Failed", "Stopped", False, "Failed"),
        ("Failed", "Any", True, "CompletedWithFailures"),
        ("Stopped", "Completed", False, "Failed"),
        ("Stopped", "Failed", True, "CompletedWithFailures"),
        ("Stopped", "Stopped", True, "CompletedWithFailures"),
        ("Stopped", "Any", True, "CompletedWithFailures"),
    ],
)
def test_each_end_lets_those_start_that_wait_for_it(
    bench: Any, step: Any, status: str, trigger: str, starts: bool, ending: str
) -> None:
    run = bench.begin(step("first"), step("second", after("first", trigger)), step("third", "second"))
    bench.until(lambda: bench.jobs.steps() == ["first"])
    bench.jobs.end("first", status)
    assert bench.run(run) == ending
    assert set(bench.statuses(run)) == ({"first", "second", "third"} if starts else {"first"})
    told = bench.table.get(run).document.get("failure")
    assert told == ("Step failure: One or multiple steps failed." if ending == "Failed" else None)


def test_a_failure_that_nobody_waits_for_fails_the_execution(bench: Any, step: Any) -> None:
    run = bench.begin(step("a"), step("told", after("a", "Failed")), step("b"), step("lost", "b"))
    bench.until(lambda: sorted(bench.jobs.steps()) == ["a", "b"])
    bench.jobs.end("a", "Failed")
    bench.jobs.end("b", "Failed")
    assert bench.run(run) == "Failed"
    assert bench.statuses(run) == {"a": "Failed", "told": "Succeeded", "b": "Failed"}


def test_what_never_runs_has_no_end_to_wait_for(bench: Any, step: Any) -> None:
    run = bench.begin(step("a"), step("b", "a"), step("c", after("b", "Any")))
    bench.until(lambda: bench.jobs.steps() == ["a"])
    bench.jobs.end("a", "Failed")
    assert bench.run(run) == "Failed"
    assert bench.statuses(run) == {"a": "Failed"}


def test_a_fail_step_may_wait_for_a_failure_and_tell_of_it(bench: Any, step: Any) -> None:
    message = {"Std:Join": {"On": ": ", "Values": ["the data are bad", {"Get": "Steps.a.FailureReason"}]}}
    fail = {"Name": "f", "Type": "Fail", "Arguments": {"ErrorMessage": message}, "DependsOn": [after("a", "Failed")]}
    run = bench.begin(step("a"), fail)
    bench.until(lambda: bench.jobs.steps() == ["a"])
    bench.jobs.end("a", "Failed", FailureReason="AlgorithmError: no rows")
    assert bench.ended(run) == "Failed"
    assert bench.rows(run)["f"].document["failure"] == "the data are bad: AlgorithmError: no rows"


def test_an_execution_that_completed_with_failures_can_be_retried(bench: Any, step: Any) -> None:
    run = bench.begin(step("a"), step("told", after("a", "Failed")), step("next", "a"))
    bench.until(lambda: bench.jobs.steps() == ["a"])
    bench.jobs.end("a", "Failed")
    assert bench.run(run) == "CompletedWithFailures"
    bench.engine.retry(run, "again", {})
    assert bench.run(run) == "Succeeded"
    assert bench.statuses(run) == {"a": "Succeeded", "told": "Succeeded", "next": "Succeeded"}


class Shapes:
    def property_problem(self, step_type: str, path: Any) -> None:
        return None

    def argument_problems(self, step_type: str, arguments: Any) -> list[tuple[str, str]]:
        return []


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{"Step": "a", "Trigger": "Broken"}], r"step b: Steps\[1\].DependsOn\[0\].Trigger: 'Broken' is not one of"),
        ([{"Step": "c", "Trigger": "Any"}], r"step b: Steps\[1\].DependsOn\[0\]: there is no step 'c'"),
        (
            ["a", {"Step": "a", "Trigger": "Failed"}],
            r"DependsOn\[0\].Trigger: a is there with another trigger, Failed",
        ),
        ([{"Step": "b", "Trigger": "Failed"}], "in a cycle: b -> b"),
        ([{"Trigger": "Failed"}], r"Steps\[1\].DependsOn must be a list of names of steps, or of objects with Step"),
        ([{"Step": "a", "When": "Failed"}], r"Steps\[1\].DependsOn must be a list of names of steps"),
        ([{"Step": "a", "Trigger": 1}], "1 is not one of Completed, Failed, Stopped, Any"),
        ([{"Step": "a", "Trigger": ["Any"]}], r"\['Any'\] is not one of"),
    ],
)
def test_a_run_condition_that_makes_no_sense_is_refused(entries: list[Any], message: str) -> None:
    first = {"Name": "a", "Type": "Processing", "Arguments": {}}
    second = {"Name": "b", "Type": "Processing", "Arguments": {}, "DependsOn": entries}
    text = json.dumps({"Version": "2020-12-01", "Steps": [first, second]})
    with pytest.raises(Invalid, match=message):
        lint.check(parse(text), Shapes())
