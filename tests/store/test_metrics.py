"""Metric series: what is put comes back in periods."""

import pytest

from selfmaker.store.metrics import Metric, Metrics, Period, Sample

NAME = ("us-east-1", "ns", "loss", {"Job": "a", "Host": "h"})
M = Metric(*NAME)


@pytest.fixture
def metrics(database):
    return Metrics(database)


def test_buckets_are_half_open_and_in_time_order(metrics):
    metrics.put(*NAME, [(119.999, 4.0), (60.0, 2.0), (120.0, 8.0), (59.999, 100.0), (180.0, 100.0)])
    found = metrics.buckets(M, Period(60, 180, 60))
    assert found == [Sample(60, 2, 6.0, 2.0, 4.0), Sample(120, 1, 8.0, 8.0, 8.0)]


def test_dimensions_name_the_series_whatever_their_order(metrics):
    metrics.put("us-east-1", "ns", "loss", {"Host": "h", "Job": "a"}, [(60.0, 1.0)])
    metrics.put(*NAME, [(61.0, 2.0)])
    metrics.put("us-east-1", "ns", "loss", {"Job": "a"}, [(61.0, 50.0)])
    metrics.put("eu-west-1", "ns", "loss", {"Job": "a", "Host": "h"}, [(61.0, 50.0)])
    assert metrics.buckets(M, Period(0, 120, 60)) == [Sample(60, 2, 3.0, 1.0, 2.0)]
    assert len(metrics.list("us-east-1")) == 2


def test_units_are_kept_apart(metrics):
    metrics.put_all([(M, [Sample.value(1, 5, unit="Bytes"), Sample.value(1, 7, count=3, unit="Seconds")])])
    assert [(s.unit, s.count, s.sum) for s in metrics.buckets(M, Period(0, 60, 60))] == [
        ("Bytes", 1, 5), ("Seconds", 3, 21)]  # fmt: skip
    assert [s.unit for s in metrics.buckets(M, Period(0, 60, 60), "Bytes")] == ["Bytes"]


def test_single_values_come_back_unless_only_statistics_are_known(metrics):
    metrics.put_all([(M, [Sample.value(1, 5.0), Sample.value(2, 1.0, 2), Sample(61, 2, 3.0, 1.0, 2.0)])])
    assert metrics.values(M, Period(0, 120, 60)) == {0: [(1.0, 2), (5.0, 1)]}


def test_put_all_is_all_or_nothing(metrics):
    with pytest.raises(Exception, match="NOT NULL"):
        metrics.put_all([(M, [Sample.value(1, 5.0)]), (M, [Sample(1, 1, None, 1, 1)])])  # type: ignore[arg-type]
    assert metrics.list("us-east-1") == []
    assert metrics.buckets(M, Period(0, 60, 60)) == []


def test_list_by_name_time_and_number(database, metrics):
    for index, name in enumerate(("a", "b", "c")):
        metrics.put("us-east-1", f"ns{index % 2}", name, {}, [(100.0 * index, 1.0), (1.0, 1.0)])
    names = lambda **wanted: [metric.name for _, metric in Metrics(database).list("us-east-1", **wanted)]  # noqa: E731
    assert names() == ["a", "b", "c"]
    assert names(namespace="ns0") == ["a", "c"]
    assert names(name="b") == ["b"]
    assert names(since=100.0) == ["b", "c"]
    first = metrics.list("us-east-1")[0][0]
    assert names(after=first) == ["b", "c"]
