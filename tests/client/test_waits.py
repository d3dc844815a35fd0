"""Short pauses for the SDKs' loops; time limits stay what they are."""

import ast
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from selfmaker.client.environment import SITE


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The stand-alone module, with its clock in our hands: ``waits.slept`` are the real sleeps that were asked for."""
    monkeypatch.syspath_prepend(str(SITE))
    import _selfmaker.waits as module  # type: ignore[import-not-found]

    clock = SimpleNamespace(now=1000.0, slept=[])

    def sleep(seconds: float) -> None:
        clock.slept.append(seconds)
        clock.now += seconds

    fake = SimpleNamespace(sleep=sleep, time=lambda: clock.now, monotonic=lambda: clock.now, strftime=time.strftime)
    monkeypatch.setattr(module, "time", fake)
    module.clock = clock
    yield module
    for name in [name for name in sys.modules if name.partition(".")[0] == "_selfmaker"]:
        del sys.modules[name]


def test_naps_are_a_share_of_the_time_waited_within_bounds(waits: Any) -> None:
    clock = waits.Clock()
    for _ in range(200):
        clock.sleep(10)
    naps = waits.clock.slept
    assert naps[0] == waits.SHORTEST_NAP
    assert naps == sorted(naps)
    assert naps[-1] == waits.LONGEST_NAP
    waited = 0.0
    for nap in naps:
        assert nap <= max(waits.SHORTEST_NAP, 0.081 * waited)
        waited += nap


def test_no_nap_is_longer_than_asked(waits: Any) -> None:
    clock = waits.Clock()
    for _ in range(30):
        clock.sleep(0.01)
    assert waits.clock.slept == [0.01] * 30


def test_each_loop_starts_short(waits: Any) -> None:
    clock = waits.Clock()

    def loop(rounds: int) -> None:
        for _ in range(rounds):
            clock.sleep(10)

    loop(50)
    loop(1)
    assert waits.clock.slept[-2] > waits.clock.slept[-1] == waits.SHORTEST_NAP


def test_the_clock_is_otherwise_the_real_one(waits: Any) -> None:
    clock = waits.Clock()
    assert clock.time() == 1000.0
    assert clock.strftime("%Y") == time.strftime("%Y")


def test_only_wait_until_is_hastened_where_other_pauses_are_counted(waits: Any) -> None:
    clock = waits.WaitUntilClock()

    def _wait_until() -> None:
        clock.sleep(5)

    def retry_with_backoff() -> None:
        clock.sleep(5)

    _wait_until()
    retry_with_backoff()
    assert waits.clock.slept == [waits.SHORTEST_NAP, 5]


def test_a_throttle_of_30_seconds_is_over_after_one_nap_but_a_deadline_is_not(waits: Any) -> None:
    clock = waits.ThrottleFreeClock()
    last, deadline = clock.time(), clock.time() + 20
    assert not clock.time() - last >= 30
    clock.sleep(10)
    assert clock.time() - last >= 30
    assert not clock.time() > deadline
    waits.clock.now += 21
    assert clock.time() > deadline
    assert clock.time() - 1000.0 == pytest.approx(21 + waits.SHORTEST_NAP)


class Waiter:
    """botocore's loop in its essentials; ``answers`` says at which look it is done."""

    def __init__(self, module: Any, done_at: int, endpoint: str | None = None) -> None:
        self.config = SimpleNamespace(delay=30, max_attempts=60)
        self.looks = 0
        self._done_at, self._module = done_at, module
        client = SimpleNamespace(meta=SimpleNamespace(endpoint_url=endpoint), describe=None)
        self._operation_method = SimpleNamespace(_client_method=SimpleNamespace(__self__=client))

    def wait(self, **kwargs: Any) -> None:
        options = kwargs.get("WaiterConfig", {})
        delay = options.get("Delay", self.config.delay)
        allowed = options.get("MaxAttempts", self.config.max_attempts)
        while True:
            self.looks += 1
            if self.looks >= self._done_at:
                return
            if self.looks >= allowed:
                raise TimeoutError
            self._module.time.sleep(delay)


@pytest.fixture
def hastened(waits: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(Waiter, "wait", Waiter.wait)
    monkeypatch.setenv("SELFMAKER_ENDPOINT_URL", "http://127.0.0.1:4600")
    module = ModuleType("botocore.waiter")
    module.Waiter, module.time = Waiter, waits.time  # type: ignore[attr-defined]
    waits.hasten_waiters(module)
    module.clock = waits.clock  # type: ignore[attr-defined]
    return module


def test_a_waiter_returns_soon(hastened: Any) -> None:
    Waiter(hastened, done_at=4).wait()
    assert hastened.clock.slept == [0.05] * 3


def test_a_waiter_gives_up_when_its_time_is_over_and_not_before(hastened: Any) -> None:
    waiter = Waiter(hastened, done_at=10**9)
    with pytest.raises(TimeoutError):
        waiter.wait()
    assert sum(hastened.clock.slept) == pytest.approx(59 * 30, abs=1.5)
    assert waiter.looks > 60


def test_a_waiters_own_limits_count(hastened: Any) -> None:
    with pytest.raises(TimeoutError):
        Waiter(hastened, done_at=10**9).wait(WaiterConfig={"Delay": 5, "MaxAttempts": 3})
    assert sum(hastened.clock.slept) == pytest.approx(10, abs=0.5)


def test_a_waiter_of_one_attempt_makes_one(hastened: Any) -> None:
    waiter = Waiter(hastened, done_at=10**9)
    with pytest.raises(TimeoutError):
        waiter.wait(WaiterConfig={"MaxAttempts": 1})
    assert waiter.looks == 1


def test_a_waiter_on_somebody_elses_server_is_left_alone(hastened: Any) -> None:
    Waiter(hastened, done_at=2, endpoint="http://minio.example:9000").wait()
    assert hastened.clock.slept == [30]
    Waiter(hastened, done_at=2, endpoint="http://127.0.0.1:4600/").wait()
    assert hastened.clock.slept == [30, 0.05]


def test_a_failed_deployments_last_pause_is_short(waits: Any) -> None:
    module = ModuleType("sagemaker.serve.deployment_progress")
    seen = []

    def look(client: Any, endpoint: Any, paginator: Any, config: Any, poll: float, tracker: Any = None) -> str:
        seen.append((poll, tracker))
        return "looked"

    module._live_logging_deploy_done_with_progress = look  # type: ignore[attr-defined]
    waits.hasten_failed_deployments(module)
    assert module._live_logging_deploy_done_with_progress(1, 2, 3, 4, 30, tracker="t") == "looked"
    assert seen == [(waits.SHORTEST_NAP, "t")]


def test_what_an_asynchronous_prediction_leaves_behind_keeps_no_process_from_ending(waits: Any) -> None:
    module = ModuleType("sagemaker.predictor_async")
    module.time, module.threading = time, threading  # type: ignore[attr-defined]
    waits.hasten_async_predictors(module)
    done = module.threading.Event()
    thread = module.threading.Thread(target=done.set)
    thread.start()
    thread.join()
    assert thread.daemon
    assert done.is_set()


def test_the_addresses_are_read_once(waits: Any) -> None:
    module = ModuleType("sagemaker.utils")
    read = []
    module._botocore_resolver = lambda: read.append(1) or len(read)  # type: ignore[attr-defined]
    waits.remember_endpoints(module)
    assert [module._botocore_resolver(), module._botocore_resolver()] == [1, 1]


def test_the_folder_stands_alone() -> None:
    """It is brought by path into environments that have nothing of ours, and runs on Python 3.8."""
    for path in Path(SITE).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(), feature_version=(3, 8))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] == "selfmaker"], path
