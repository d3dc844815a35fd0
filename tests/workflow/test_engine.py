"""The engine: order, failure, stopping, retries, limits, caching, and what a killed server leaves."""

import threading
from typing import Any

import pytest

from selfmaker.errors import Conflict, NotFound
from selfmaker.workflow import retry
from selfmaker.workflow.port import CallError
from selfmaker.workflow.steps import callback


def condition(name: str, left: Any, right: Any, then: list[Any], otherwise: list[Any]) -> dict[str, Any]:
    compared = {"Type": "Equals", "LeftValue": left, "RightValue": right}
    arguments = {"Conditions": [compared], "IfSteps": then, "ElseSteps": otherwise}
    return {"Name": name, "Type": "Condition", "Arguments": arguments}


def test_a_step_starts_when_all_that_it_needs_has_succeeded(bench: Any, step: Any) -> None:
    reference = {"AppSpecification": {"ImageUri": {"Get": "Steps.a.AppSpecification.ImageUri"}}}
    run = bench.begin(step("c", "b"), step("b", arguments=reference), step("a"), step("d"))
    bench.until(lambda: sorted(bench.jobs.steps()) == ["a", "d"])
    bench.jobs.end("a")
    bench.until(lambda: sorted(bench.jobs.steps()) == ["a", "b", "d"])
    assert bench.jobs.jobs[bench.jobs.name("b")]["AppSpecification"] == {"ImageUri": "i"}
    bench.jobs.end("b")
    bench.until(lambda: "c" in bench.jobs.steps())
    assert bench.run(run) == "Succeeded"
    assert set(bench.statuses(run).values()) == {"Succeeded"}


def test_a_failure_ends_its_own_branch_alone(bench: Any, step: Any) -> None:
    run = bench.begin(step("bad"), step("after", "bad"), step("last", "after"), step("good"), step("next", "good"))
    bench.until(lambda: sorted(bench.jobs.steps()) == ["bad", "good"])
    bench.jobs.end("bad", "Failed", FailureReason="AlgorithmError: no")
    bench.jobs.end("good")
    bench.until(lambda: "next" in bench.jobs.steps())
    assert bench.table.get(run).status == "Executing"
    assert bench.run(run) == "Failed"
    assert bench.statuses(run) == {"bad": "Failed", "good": "Succeeded", "next": "Succeeded"}
    assert bench.rows(run)["bad"].document["failure"] == "ClientError: AlgorithmError: no"
    assert bench.table.get(run).document["failure"] == "Step failure: One or multiple steps failed."


@pytest.mark.parametrize(("value", "branch", "left_out"), [(1, "yes", "no"), (2, "no", "yes")])
def test_a_condition_rules_out_the_other_branch_and_all_that_needs_it(
    bench: Any, step: Any, value: int, branch: str, left_out: str
) -> None:
    decision = condition("c", {"Get": "Parameters.x"}, 1, [step("yes")], [step("no")])
    run = bench.begin(
        decision, step("afterYes", "yes"), step("afterNo", "no"), step("always", "c"), parameters={"x": value}
    )
    assert bench.run(run) == "Succeeded"
    other = {"yes": "afterYes", "no": "afterNo"}
    assert set(bench.statuses(run)) == {"c", branch, other[branch], "always"}
    assert bench.rows(run)["c"].document["metadata"] == {"Condition": {"Outcome": str(value == 1)}}


def test_a_conditions_outcome_is_written_as_json_writes_it(bench: Any, step: Any) -> None:
    message = {"Std:Join": {"On": ": ", "Values": ["xxx == yyy returns", {"Get": "Steps.c.Outcome"}]}}
    fail = {"Name": "f", "Type": "Fail", "Arguments": {"ErrorMessage": message}}
    run = bench.begin(condition("c", {"Get": "Parameters.x"}, 1, [], []), fail, parameters={"x": 2})
    assert bench.run(run) == "Failed"
    assert bench.rows(run)["f"].document["failure"] == "xxx == yyy returns: false"


def test_a_fail_step_stops_what_runs(bench: Any, step: Any) -> None:
    message = {"Std:Join": {"On": " ", "Values": ["below", {"Get": "Parameters.x"}]}}
    fail = {"Name": "f", "Type": "Fail", "Arguments": {"ErrorMessage": message}}
    run = bench.begin(step("long"), step("a"), {**fail, "DependsOn": ["a"]}, parameters={"x": 0.5})
    bench.until(lambda: sorted(bench.jobs.steps()) == ["a", "long"])
    bench.jobs.end("a")
    assert bench.ended(run) == "Failed"
    assert bench.statuses(run) == {"long": "Stopped", "a": "Succeeded", "f": "Failed"}
    assert bench.rows(run)["f"].document["failure"] == "below 0.5"


def test_no_more_steps_at_a_time_than_allowed(bench: Any, step: Any) -> None:
    run = bench.begin(*(step(f"s{n}") for n in range(6)), parallelism={"MaxParallelExecutionSteps": 2})
    bench.until(lambda: len(bench.jobs.jobs) == 2)
    bench.jobs.end("s0")
    bench.until(lambda: len(bench.jobs.jobs) == 3)
    assert sum(job["ProcessingJobStatus"] == "InProgress" for job in bench.jobs.jobs.values()) == 2
    bench.engine.update(run, {"parallelism": {"MaxParallelExecutionSteps": 5}})
    bench.until(lambda: len(bench.jobs.jobs) == 6)
    assert bench.run(run) == "Succeeded"


def test_stopping_stops_the_jobs_and_starts_nothing(bench: Any, step: Any) -> None:
    run = bench.begin(step("a"), step("b", "a"))
    bench.until(lambda: bench.statuses(run) == {"a": "Executing"})
    bench.engine.stop(run, "stop")
    assert bench.ended(run) == "Stopped"
    assert bench.statuses(run) == {"a": "Stopped"}
    bench.engine.stop(run, "stop")  # the same request, sent again
    with pytest.raises(Conflict):
        bench.engine.stop(run, "another")


def test_a_job_that_somebody_stopped_fails_its_step(bench: Any, step: Any) -> None:
    run = bench.begin(step("a"))
    bench.until(bench.jobs.steps)
    bench.jobs.end("a", "Stopped")
    assert bench.ended(run) == "Failed"
    assert bench.statuses(run) == {"a": "Failed"}


def test_retrying_runs_only_what_has_not_succeeded(bench: Any, step: Any) -> None:
    run = bench.begin(step("a"), step("b", "a"), step("c", "b"))
    bench.until(lambda: bench.jobs.steps() == ["a"])
    bench.jobs.end("a")
    bench.until(lambda: bench.jobs.steps() == ["a", "b"])
    bench.jobs.end("b", "Failed", FailureReason="no")
    assert bench.ended(run) == "Failed"
    bench.engine.retry(run, "retry", {})
    assert bench.run(run) == "Succeeded"
    assert bench.jobs.steps() == ["a", "b", "b", "c"]
    bench.engine.retry(run, "retry", {})  # the same request, sent again
    assert bench.ended(run) == "Succeeded"
    with pytest.raises(Conflict):
        bench.engine.retry(run, "another", {})


def policy(*types: str, **members: Any) -> dict[str, Any]:
    return {"ExceptionType": list(types), "IntervalSeconds": 0.01, "BackoffRate": 1.0, "MaxAttempts": 2, **members}


def test_an_error_of_ours_is_tried_again_as_the_policy_says(bench: Any, step: Any) -> None:
    run = bench.begin(step("a", RetryPolicies=[policy("Step.THROTTLING"), policy("SageMaker.JOB_INTERNAL_ERROR")]))
    for attempt in (1, 2):
        bench.until(lambda n=attempt: len(bench.jobs.jobs) == n)
        bench.jobs.end("a", "Failed", FailureReason="InternalServerError: gone")
    bench.until(lambda: len(bench.jobs.jobs) == 3)
    assert bench.run(run) == "Succeeded"
    assert len(bench.rows(run)["a"].document["tries"]) == 3
    assert "failure" not in bench.rows(run)["a"].document


def test_an_attempt_waits_for_the_start_of_the_one_before_to_be_over(bench: Any, step: Any) -> None:
    create, over = bench.jobs.create_processing_job, threading.Event()

    def slow_to_return(request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = create(request)
        assert over.wait(30)
        return answer

    bench.jobs.create_processing_job = slow_to_return
    run = bench.begin(step("a", RetryPolicies=[policy("SageMaker.JOB_INTERNAL_ERROR")]))
    bench.until(lambda: len(bench.jobs.jobs) == 1)
    bench.jobs.end("a", "Failed", FailureReason="InternalServerError: gone")
    bench.until(lambda: len(bench.rows(run)["a"].document["tries"]) == 2)
    over.set()
    assert bench.run(run) == "Succeeded"
    assert [job["ProcessingJobStatus"] for job in bench.jobs.jobs.values()] == ["Failed", "Completed"]
    metadata = bench.rows(run)["a"].document["metadata"]
    assert metadata["ProcessingJob"]["Arn"].endswith(list(bench.jobs.jobs)[1])


def test_attempts_come_to_an_end(bench: Any, step: Any) -> None:
    run = bench.begin(step("a", RetryPolicies=[policy("ALL", MaxAttempts=1)]))
    for attempt in (1, 2):
        bench.until(lambda n=attempt: len(bench.jobs.jobs) == n)
        bench.jobs.end("a", "Failed", FailureReason="AlgorithmError: no")
    assert bench.ended(run) == "Failed"
    assert len(bench.jobs.jobs) == 2


def test_the_programs_own_failure_is_not_tried_again(bench: Any, step: Any) -> None:
    run = bench.begin(step("a", RetryPolicies=[policy("SageMaker.JOB_INTERNAL_ERROR", "Step.SERVICE_FAULT")]))
    bench.until(lambda: bench.jobs.jobs)
    bench.jobs.end("a", "Failed", FailureReason="AlgorithmError: no")
    assert bench.ended(run) == "Failed"


def test_a_refused_creation_is_tried_again_where_it_may_pass(bench: Any, step: Any) -> None:
    throttled = CallError("sagemaker:CreateProcessingJob", "ThrottlingException", "slowly")
    fault = CallError("sagemaker:CreateProcessingJob", "InternalFailure", "oh", 500)
    limit = CallError("sagemaker:CreateProcessingJob", "ResourceLimitExceeded", "full")
    bench.jobs.refusals = [throttled, fault, limit]
    types = ("Step.THROTTLING", "Step.SERVICE_FAULT", "SageMaker.RESOURCE_LIMIT")
    run = bench.begin(step("a", RetryPolicies=[policy(*types, MaxAttempts=3)]))
    bench.until(lambda: bench.jobs.jobs)
    assert bench.run(run) == "Succeeded"
    assert bench.jobs.calls["CreateProcessingJob"] == 4


def test_throttling_and_faults_are_tried_again_without_a_policy(
    bench: Any, step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "AUTOMATIC", {**retry.AUTOMATIC, "IntervalSeconds": 0.01})
    throttled = CallError("sagemaker:CreateProcessingJob", "ThrottlingException", "slowly")
    fault = CallError("sagemaker:CreateProcessingJob", "InternalFailure", "oh", 500)
    bench.jobs.refusals = [throttled, fault]
    run = bench.begin(step("a", RetryPolicies=[policy("SageMaker.RESOURCE_LIMIT")]))
    bench.until(lambda: bench.jobs.jobs)
    assert bench.run(run) == "Succeeded"
    bench.jobs.refusals = [throttled, throttled]
    own = bench.begin(step("b", RetryPolicies=[policy("Step.THROTTLING", MaxAttempts=1)]))
    assert bench.ended(own) == "Failed"


def test_a_refusal_names_the_operation(bench: Any, step: Any) -> None:
    bench.jobs.refusals = [CallError("sagemaker:CreateProcessingJob", "ValidationException", "bad image")]
    run = bench.begin(step("a"))
    assert bench.ended(run) == "Failed"
    wanted = "ClientError: Failed to invoke sagemaker:CreateProcessingJob. Error Details: bad image"
    assert bench.rows(run)["a"].document["failure"] == wanted


def test_a_long_reason_is_cut_in_its_middle(bench: Any, step: Any) -> None:
    message = f"Value '{'v' * 2000}' at 'containerArguments' is too long"
    bench.jobs.refusals = [CallError("sagemaker:CreateProcessingJob", "ValidationException", message)]
    run = bench.begin(step("a"))
    assert bench.ended(run) == "Failed"
    told = bench.rows(run)["a"].document["failure"]
    assert len(told) <= 1024
    assert told.startswith("ClientError: Failed to invoke sagemaker:CreateProcessingJob. Error Details: Value 'vv")
    assert told.endswith("v' at 'containerArguments' is too long")


def test_stopping_ends_the_wait_for_the_next_attempt(bench: Any, step: Any) -> None:
    run = bench.begin(step("a", RetryPolicies=[policy("ALL", IntervalSeconds=3600)]))
    bench.until(lambda: bench.jobs.jobs)
    bench.jobs.end("a", "Failed", FailureReason="AlgorithmError: no")
    bench.until(lambda: "retry_at" in bench.rows(run)["a"].document)
    bench.engine.stop(run, "stop")
    assert bench.ended(run) == "Stopped"
    assert bench.statuses(run) == {"a": "Stopped"}


def test_the_same_token_starts_nothing_new(bench: Any, step: Any) -> None:
    first = bench.begin(step("a"), token="t" * 32)
    assert bench.begin(step("a"), token="t" * 32) == first
    assert bench.run(first) == "Succeeded"
    assert len(bench.jobs.jobs) == 1


CACHED = {"CacheConfig": {"Enabled": True, "ExpireAfter": "P1D"}}


class TestCaching:
    def test_equal_work_is_not_done_again(self, bench: Any, step: Any) -> None:
        first = bench.begin(step("a", **CACHED), step("b", "a"))
        assert bench.run(first) == "Succeeded"
        second = bench.begin(step("a", **CACHED), step("b", "a"))
        assert bench.run(second) == "Succeeded"
        assert bench.jobs.steps() == ["a", "b", "b"]
        row = bench.rows(second)["a"]
        assert row.document["cache_source"] == bench.table.get(first).arn
        assert row.document["output"] == bench.rows(first)["a"].document["output"]
        third = bench.begin(step("a", **CACHED))
        assert bench.run(third) == "Succeeded"
        assert bench.rows(third)["a"].document["cache_source"] == bench.table.get(first).arn

    @pytest.mark.parametrize(
        "changed",
        [
            {"arguments": {"AppSpecification": {"ImageUri": "other"}}},
            {"CacheConfig": {"Enabled": True, "ExpireAfter": "PT0S"}},
            {"CacheConfig": {"Enabled": False}},
        ],
    )
    def test_other_work_or_old_work_is_done(self, bench: Any, step: Any, changed: Any) -> None:
        assert bench.run(bench.begin(step("a", **CACHED))) == "Succeeded"
        again = bench.begin(step("a", **{**CACHED, **changed}))
        assert bench.run(again) == "Succeeded"
        assert bench.jobs.steps() == ["a", "a"]
        assert "cache_source" not in bench.rows(again)["a"].document

    def test_a_failure_is_no_hit(self, bench: Any, step: Any) -> None:
        run = bench.begin(step("a", **CACHED))
        bench.until(lambda: bench.jobs.jobs)
        bench.jobs.end("a", "Failed", FailureReason="no")
        assert bench.ended(run) == "Failed"
        assert bench.run(bench.begin(step("a", **CACHED))) == "Succeeded"
        assert bench.jobs.steps() == ["a", "a"]

    def test_what_does_not_count_may_differ(self, bench: Any, step: Any) -> None:
        work = {"AppSpecification": {"ImageUri": "i"}}
        assert bench.run(bench.begin(step("a", arguments={**work, "RoleArn": "r1"}, **CACHED))) == "Succeeded"
        assert bench.run(bench.begin(step("a", arguments={**work, "RoleArn": "r2"}, **CACHED))) == "Succeeded"
        assert bench.jobs.steps() == ["a"]


class TestSelection:
    def test_selected_steps_take_what_they_need_from_another_execution(self, bench: Any, step: Any) -> None:
        reference = {"AppSpecification": {"ImageUri": {"Get": "Steps.a.ProcessingJobArn"}}}
        steps = (step("a"), step("b", arguments=reference), step("c", "b"))
        first = bench.begin(*steps)
        assert bench.run(first) == "Succeeded"
        source = bench.table.get(first).arn
        config = {"SelectedSteps": [{"StepName": "b"}], "SourcePipelineExecutionArn": source}
        second = bench.begin(*steps, selective=config)
        assert bench.run(second) == "Succeeded"
        assert bench.statuses(second) == {"a": "Succeeded", "b": "Succeeded"}
        assert bench.rows(second)["a"].document["selective_source"] == source
        assert bench.jobs.steps() == ["a", "b", "c", "b"]
        wanted = bench.rows(first)["a"].document["output"]["ProcessingJobArn"]
        assert bench.jobs.jobs[bench.jobs.name("b")]["AppSpecification"]["ImageUri"] == wanted

    def test_a_step_of_a_branch_runs_without_its_condition(self, bench: Any, step: Any) -> None:
        decision = condition("c", 1, 2, [step("yes")], [])
        run = bench.begin(decision, selective={"SelectedSteps": [{"StepName": "yes"}]})
        assert bench.run(run) == "Succeeded"
        assert bench.statuses(run) == {"yes": "Succeeded"}


CALLBACK: dict[str, Any] = {
    "Name": "cb",
    "Type": "Callback",
    "Arguments": {"n": {"Get": "Parameters.n"}},
    "SqsQueueUrl": "http://localhost/q",
    "OutputParameters": [{"OutputName": "total", "OutputType": "Integer"}],
}


class TestCallback:
    def token(self, bench: Any, run: str) -> str:
        bench.until(lambda: bench.statuses(run).get("cb") in ("Executing", "Stopping"))
        return str(bench.rows(run)["cb"].token)

    def test_the_answer_ends_the_step(self, bench: Any, step: Any) -> None:
        after = step("a", arguments={"Environment": {"T": {"Get": "Steps.cb.OutputParameters['total']"}}})
        run = bench.begin(CALLBACK, after, parameters={"n": 3})
        token = self.token(bench, run)
        given = [{"Name": "total", "Value": "7"}]
        bench.engine.answer(token, "client", lambda row: callback.succeeded(row, given))
        assert bench.run(run) == "Succeeded"
        assert bench.jobs.jobs[bench.jobs.name("a")]["Environment"] == {"T": 7}
        with pytest.raises(Conflict):
            bench.engine.answer(token, "another", lambda row: callback.failed(row, ""))
        with pytest.raises(NotFound):
            bench.engine.answer("nobody0000", "client", lambda row: callback.failed(row, ""))

    def test_stopping_tells_the_worker_and_waits_for_its_answer(self, bench: Any) -> None:
        run = bench.begin(CALLBACK, parameters={"n": 3})
        token = self.token(bench, run)
        bench.engine.stop(run, "stop")
        bench.until(lambda: bench.statuses(run) == {"cb": "Stopping"})
        sent = [request["MessageBody"] for operation, request in bench.jobs.requests if operation == "SendMessage"]
        assert ['"Executing"' in sent[0], '"Stopping"' in sent[1]] == [True, True]
        assert bench.table.get(run).status == "Stopping"
        bench.engine.answer(token, "client", lambda row: callback.failed(row, "cleaned up"))
        assert bench.ended(run) == "Stopped"


class TestRestart:
    def test_a_job_that_was_just_made_is_taken_over(self, bench: Any, step: Any) -> None:
        bench.jobs.gate.clear()
        run = bench.begin(step("a"), step("b", "a"))
        bench.until(lambda: bench.jobs.calls["CreateProcessingJob"] == 1)
        bench.restart()  # the creation is under way: written down, not yet answered
        bench.until(lambda: bench.jobs.calls["CreateProcessingJob"] == 2)
        bench.jobs.gate.set()
        assert bench.run(run) == "Succeeded"
        assert bench.jobs.steps() == ["a", "b"]

    def test_a_job_that_ended_meanwhile_is_seen(self, bench: Any, step: Any) -> None:
        run = bench.begin(step("a"), step("b", "a"))
        bench.until(lambda: bench.statuses(run) == {"a": "Executing"})
        bench.engine._closed = True
        bench.jobs.end("a")
        bench.restart()
        assert bench.run(run) == "Succeeded"
        assert bench.jobs.steps() == ["a", "b"]

    def test_what_was_written_down_and_not_begun_begins(
        self, bench: Any, step: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bench.engine, "_submit", lambda *args, **options: None)
        run = bench.begin(step("a"))
        bench.until(lambda: bench.statuses(run) == {"a": "Starting"})
        bench.restart()
        assert bench.run(run) == "Succeeded"
        assert bench.jobs.steps() == ["a"]

    def test_a_stop_goes_on(self, bench: Any, step: Any) -> None:
        run = bench.begin(step("a"))
        bench.until(lambda: bench.statuses(run) == {"a": "Executing"})
        bench.engine._closed = True
        bench.engine.stop(run, "stop")
        bench.restart()
        assert bench.ended(run) == "Stopped"
        assert bench.statuses(run) == {"a": "Stopped"}

    def test_a_pause_before_an_attempt_goes_on(self, bench: Any, step: Any) -> None:
        run = bench.begin(step("a", RetryPolicies=[policy("ALL", IntervalSeconds=0.3)]))
        bench.until(lambda: bench.jobs.jobs)
        bench.jobs.end("a", "Failed", FailureReason="no")
        bench.until(lambda: "retry_at" in bench.rows(run)["a"].document)
        bench.restart()
        bench.until(lambda: len(bench.jobs.jobs) == 2)
        assert bench.run(run) == "Succeeded"


def test_a_job_whose_end_nobody_told_is_found(bench: Any, step: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfmaker.workflow.engine.DOUBT", 0.05)
    run = bench.begin(step("a"))
    bench.until(lambda: bench.statuses(run) == {"a": "Executing"})
    bench.jobs.jobs[bench.jobs.name("a")]["ProcessingJobStatus"] = "Completed"
    assert bench.ended(run) == "Succeeded"


def test_a_defect_fails_its_step_and_not_the_engine(
    bench: Any, step: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("selfmaker.workflow.engine.AGAIN", 0.01)

    def broken(request: Any) -> dict[str, Any]:
        raise ZeroDivisionError

    bench.jobs.send_message = broken
    run = bench.begin(CALLBACK, step("a"), parameters={"n": 1})
    assert bench.run(run) == "Failed"
    assert bench.statuses(run) == {"cb": "Failed", "a": "Succeeded"}
    assert bench.rows(run)["cb"].document["failure"].startswith("InternalServerError")
    assert "ZeroDivisionError" in caplog.text
