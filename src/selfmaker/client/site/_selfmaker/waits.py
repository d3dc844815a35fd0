"""The pauses between two looks at a job, which are made for jobs that take an hour, become short.

Only the SDKs' own modules are given another ``time``; the user's sleeps are exact. Where a loop is bounded, it stays
bounded by the same time: loops that look at the clock do so as before, and botocore's waiters, which count their
attempts, are given a deadline instead.
"""

from __future__ import annotations

import functools
import sys
import threading
import time
from types import FrameType, ModuleType
from typing import Any

from _selfmaker.aws_clients import our_endpoint  # type: ignore[import-not-found]
from _selfmaker.hooks import replace  # type: ignore[import-not-found]

SHORTEST_NAP = 0.05
LONGEST_NAP = 1.0
SHARE = 0.08
"""A nap is this share of the time that the loop has waited so far: a job's end is seen at most so much late."""


def hasten_loops(module: ModuleType) -> None:
    """Every ``time.sleep`` of the module is the pause of a polling loop."""
    _give_clock(module, Clock())


def hasten_async_predictors(module: ModuleType) -> None:
    """As hasten_loops. A prediction that has succeeded leaves behind a thread that waits, for minutes, for the file
    that would tell of a failure: the process doesn't end before the thread does, unless the thread is a daemon."""
    _give_clock(module, Clock())
    if getattr(module, "threading", None) is threading:
        replace(module, "threading", DaemonThreading())


def hasten_wait_until(module: ModuleType) -> None:
    """Only ``_wait_until`` polls; the module's other sleeps are back-offs whose number is bounded."""
    _give_clock(module, WaitUntilClock())


def hasten_throttled_loops(module: ModuleType) -> None:
    """As hasten_loops, for a module that also asks the clock whether enough time has passed to look again."""
    _give_clock(module, ThrottleFreeClock())


def hasten_failed_deployments(module: ModuleType) -> None:
    """This function imports ``time`` by itself, to wait for a failed endpoint's last log lines."""
    name = "_live_logging_deploy_done_with_progress"
    original = getattr(module, name, None)
    if original is None:
        return

    @functools.wraps(original)
    def look(client: Any, endpoint: Any, paginator: Any, config: Any, poll: float, *args: Any, **kwargs: Any) -> Any:
        return original(client, endpoint, paginator, config, min(poll, SHORTEST_NAP), *args, **kwargs)

    replace(module, name, look)


def remember_endpoints(module: ModuleType) -> None:
    """Before each upload the SDKs read all of AWS's addresses from a file (0.1 s and more), for the one of STS."""
    replace(module, "_botocore_resolver", functools.lru_cache(maxsize=1)(module._botocore_resolver))


def hasten_common_utils(module: ModuleType) -> None:
    """SDK v3's utilities: both of the above."""
    hasten_wait_until(module)
    remember_endpoints(module)


def hasten_waiters(module: ModuleType) -> None:
    """botocore's waiters on our server look often, for as long as their delay times their attempts comes to."""
    original = module.Waiter.wait

    @functools.wraps(original)
    def wait(self: Any, **kwargs: Any) -> Any:
        asked = kwargs.get("WaiterConfig") or {}
        delay = asked.get("Delay", self.config.delay)
        attempts = asked.get("MaxAttempts", self.config.max_attempts)
        if _is_ours(self) and isinstance(attempts, int) and isinstance(delay, (int, float)):
            kwargs["WaiterConfig"] = {**asked, "Delay": Delay(delay), "MaxAttempts": Attempts(attempts, delay)}
        return original(self, **kwargs)

    replace(module.Waiter, "wait", wait)
    _give_clock(module, WaiterClock())


class Delay(float):
    """A pause that may be cut short."""


class Attempts(int):
    """A number of attempts, reached once so many have been made *and* the time they would have taken is over.

    botocore asks ``made >= allowed``; Python lets the right side, being of a derived class, answer first.
    """

    deadline: float

    def __new__(cls, attempts: int, delay: float) -> Attempts:
        self = super().__new__(cls, attempts)
        self.deadline = time.monotonic() + (attempts - 1) * delay
        return self

    def __le__(self, made: int) -> bool:
        return int(self) <= made and time.monotonic() >= self.deadline


class Clock:
    """The module ``time`` as a polling module sees it: its ``sleep`` takes a nap."""

    def __init__(self) -> None:
        self._loop = threading.local()

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def sleep(self, seconds: float) -> None:
        """Sleep ``seconds``, or less."""
        self._nap(seconds, sys._getframe(1))

    def _nap(self, seconds: float, caller: FrameType) -> None:
        """One nap of the loop that runs in ``caller``. The frame is kept until the thread's next loop: as long as it
        is, no other loop can be taken for this one."""
        if getattr(self._loop, "frame", None) is not caller:
            self._loop.frame, self._loop.since = caller, time.monotonic()
        nap = SHARE * (time.monotonic() - self._loop.since)
        time.sleep(min(seconds, LONGEST_NAP, max(nap, SHORTEST_NAP)))


class DaemonThreading:
    """The module ``threading`` whose threads keep no process from ending."""

    def __getattr__(self, name: str) -> Any:
        return getattr(threading, name)

    def Thread(self, *args: Any, **kwargs: Any) -> threading.Thread:  # noqa: N802 - the name of what it stands for
        return threading.Thread(*args, **{"daemon": True, **kwargs})


class WaitUntilClock(Clock):
    """Only naps in a function called ``_wait_until``."""

    def sleep(self, seconds: float) -> None:
        caller = sys._getframe(1)
        if caller.f_code.co_name == "_wait_until":
            self._nap(seconds, caller)
        else:
            time.sleep(seconds)


class WaiterClock(Clock):
    """Only naps where the pause is a Delay."""

    def sleep(self, seconds: float) -> None:
        if isinstance(seconds, Delay):
            self._nap(seconds, sys._getframe(1))
        else:
            time.sleep(seconds)


class ThrottleFreeClock(Clock):
    """A Clock on which every nap counts as long enough for ``time.time() - then >= 30`` to hold.

    Deadlines (``time.time() > then + timeout``) are not differences of two readings and stay true to the clock.
    """

    def __init__(self) -> None:
        super().__init__()
        self._naps = 0

    def sleep(self, seconds: float) -> None:
        self._nap(seconds, sys._getframe(1))
        self._naps += 1

    def time(self) -> float:
        return Moment(time.time(), self._naps)


class Moment(float):
    """A reading of a ThrottleFreeClock."""

    naps: int

    def __new__(cls, seconds: float, naps: int) -> Moment:
        self = super().__new__(cls, seconds)
        self.naps = naps
        return self

    def __sub__(self, other: float) -> float:
        naps = self.naps - other.naps if isinstance(other, Moment) else 0
        return float(self) - float(other) + 60 * naps


def _give_clock(module: ModuleType, clock: Clock) -> None:
    if getattr(module, "time", None) is time:
        replace(module, "time", clock)


def _is_ours(waiter: Any) -> bool:
    """Whether the waiter asks our server; when that cannot be told, it does."""
    method = getattr(getattr(waiter, "_operation_method", None), "_client_method", None)
    meta = getattr(getattr(method, "__self__", None), "meta", None)
    url = getattr(meta, "endpoint_url", None)
    return url is None or url.rstrip("/") == (our_endpoint() or "").rstrip("/")
