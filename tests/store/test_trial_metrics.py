"""Series of trial components and of jobs, summarised."""

import pytest

from selfmaker.store.database import Database
from selfmaker.store.metrics import Metrics
from selfmaker.store.trial_metrics import JobSeries, Point, Summary, TrialMetrics, forget


def test_the_last_value_is_the_latest_in_time_then_in_arrival(database: Database) -> None:
    store = TrialMetrics(database)
    store.put("arn:a", [("loss", Point(9.0, 3.0, 4)), ("loss", Point(5.0, 1.0)), ("other", Point(1.0, 8.0))])
    store.put("arn:a", [("loss", Point(9.0, 2.0))])
    store.put("arn:b", [("loss", Point(1.0, 100.0))])
    store.put("arn:b", [])
    [loss, other] = store.of_components(["arn:a"])["arn:a"]
    deviation = pytest.approx((2 / 3) ** 0.5)
    assert loss == Summary("loss", 9.0, 2.0, 1.0, 3.0, 2.0, 3, deviation)
    assert other == Summary("other", 1.0, 8.0, 8.0, 8.0, 8.0, 1, 0.0)
    assert set(store.of_components()) == {"arn:a", "arn:b"}
    assert store.of_components(["arn:c"]) == {}
    assert store.component_points("arn:a", "loss") == [Point(5.0, 1.0), Point(9.0, 3.0, 4), Point(9.0, 2.0)]
    database.write(lambda c: forget(c, "arn:a"))
    assert set(store.of_components()) == {"arn:b"}


def test_a_constant_far_from_zero_does_not_deviate(database: Database) -> None:
    store = TrialMetrics(database)
    store.put("arn:a", [("m", Point(float(n), 1e9 + n % 2)) for n in range(1000)])
    assert store.of_components(["arn:a"])["arn:a"][0].deviation == pytest.approx(0.5)


def test_jobs_series_are_summarised_where_they_are(database: Database) -> None:
    metrics, store = Metrics(database), TrialMetrics(database)
    series = JobSeries("here", "/jobs", "TrainingJobName")
    for job, value in (("one", 1.0), ("two", 2.0)):
        metrics.put("here", "/jobs", "acc", {"TrainingJobName": job}, [(1.0, value), (2.0, value + 1)])
    metrics.put("there", "/jobs", "acc", {"TrainingJobName": "one"}, [(1.0, 50.0)])
    metrics.put("here", "/else", "acc", {"TrainingJobName": "one"}, [(1.0, 50.0)])
    found = store.of_jobs(series)
    assert {job: summaries[0].last for job, summaries in found.items()} == {"one": 2.0, "two": 3.0}
    assert store.of_jobs(series, ["one"]) == {"one": found["one"]}
    assert store.job_points(series, "two", "acc") == [Point(1.0, 2.0), Point(2.0, 3.0)]


def test_what_others_put_under_our_namespace_is_no_job_s(database: Database) -> None:
    metrics, store = Metrics(database), TrialMetrics(database)
    metrics.put("here", "/jobs", "acc", {"Host": "a"}, [(1.0, 1.0)])
    assert store.of_jobs(JobSeries("here", "/jobs", "TrainingJobName")) == {}
