"""What was answered before a metric is read is in what is read, whoever else reads."""

import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet

import pytest

from selfmaker.serving.endpoint_metrics import EndpointMetrics
from selfmaker.store.metrics import Metrics

KEY = ("us-east-1", "e")


class SlowMetrics(Metrics):
    """A store whose transactions wait for ``gate``; ``entered`` tells that one does."""

    def __init__(self):
        self.entered, self.gate = threading.Event(), threading.Event()
        self.kept = 0.0

    def put_all(self, series):
        self.entered.set()
        assert self.gate.wait(30)
        self.kept += sum(
            sample.count for metric, samples in series for sample in samples
            if metric.name == "Invocations" and len(metric.dimensions) == 2
        )  # fmt: skip


@pytest.fixture
def metrics():
    return SlowMetrics()


@pytest.fixture
def endpoint_metrics(metrics, loop):
    return EndpointMetrics(metrics, loop)


def invoke(endpoint_metrics, on_loop):
    async def count():
        endpoint_metrics.watch(KEY, "v").meter("c").count(200, 0.001, 0.001)

    on_loop(count())


def test_a_reader_waits_for_what_another_is_keeping(metrics, endpoint_metrics, on_loop):
    invoke(endpoint_metrics, on_loop)

    def read():
        endpoint_metrics.keep()
        return metrics.kept

    with ThreadPoolExecutor() as threads:
        first = threads.submit(read)
        assert metrics.entered.wait(30)
        second = threads.submit(read)
        with pytest.raises(NotYet):
            second.result(0.2)
        metrics.gate.set()
        assert (first.result(30), second.result(30)) == (1.0, 1.0)


def test_what_was_answered_a_moment_after_another_reader_is_there(metrics, endpoint_metrics, on_loop):
    metrics.gate.set()
    for number in range(1, 4):
        invoke(endpoint_metrics, on_loop)
        endpoint_metrics.keep()
        assert metrics.kept == number
