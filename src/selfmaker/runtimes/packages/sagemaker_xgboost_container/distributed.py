"""Training on several hosts: they agree on which of them have data, and those meet in XGBoost's own communicator."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sagemaker_algorithm_toolkit.exceptions import PlatformError

_FIRST_PORT = 9099  # where nobody says which: SageMaker's hosts are machines of their own, ours share one
_SUM = 2  # of allreduce; before 1.3 without a name
_PATIENCE = 600.0  # seconds that hosts wait for each other


def wait_hostname_resolution(sm_hosts: Sequence[str]) -> None:
    """Hosts of a job know each other from the start here."""


def rabit_run(
    exec_fun: Callable[..., Any],
    args: dict[str, Any],
    include_in_training: bool,
    hosts: Sequence[str],
    current_host: str,
    first_port: int | None = None,
    second_port: int | None = None,
    max_connect_attempts: int | None = None,
    connect_retry_timeout: int = 10,
    update_rabit_args: bool = False,
) -> None:
    """Run ``exec_fun`` on those of ``hosts`` that have data; the others end here.

    XGBoost finds the hosts' communicator by itself. With ``update_rabit_args`` the function is given ``is_master``:
    whether this is the host that saves the model. Raises PlatformError.
    """
    port = int(os.environ.get("MASTER_PORT") or first_port or _FIRST_PORT)
    patience = max_connect_attempts * connect_retry_timeout if max_connect_attempts else _PATIENCE
    party = Party(sorted(hosts), current_host, port, patience)
    chosen = party.agree(include_in_training)
    if not chosen:
        raise PlatformError("No hosts received training data.")
    if current_host in chosen:
        own = {"is_master": current_host == chosen[0]} if update_rabit_args else {}
        with party.communicator():
            exec_fun(**args, **own)
    party.leave()
    if current_host not in chosen:
        logging.warning("Host %s has no training data and takes no part.", current_host)
        sys.exit(0)


class Party:
    """The hosts of a job. The first gathers what the others say, and has the tracker, which XGBoost's communicator
    needs; it may have no data itself."""

    def __init__(self, hosts: Sequence[str], own: str, port: int, patience: float) -> None:
        self._hosts = list(hosts)
        self._own = own
        self._port = port
        self._patience = patience
        self._tracker: Any = None
        self._told: dict[str, Any] = {}

    def agree(self, takes_part: bool) -> list[str]:
        """The hosts that take part, in order. Raises PlatformError where one does not come."""
        if len(self._hosts) == 1:
            return self._hosts if takes_part else []
        try:
            agreed = self._gather(takes_part) if self._own == self._hosts[0] else self._ask(takes_part)
        except (OSError, ValueError) as error:
            raise PlatformError(f"The hosts {', '.join(self._hosts)} did not find each other: {error}") from None
        self._told = agreed["tracker"]
        return list(agreed["hosts"])

    @contextlib.contextmanager
    def communicator(self) -> Iterator[None]:
        """XGBoost's, for the time of the training; none for a host alone. After a failure it is left as it is: the
        others, whom it would wait for, are told by the platform."""
        if not self._told:
            yield
            return
        collective = _collective()
        if hasattr(collective, "CommunicatorContext"):
            task = "DMLC_TASK_ID" if any(name.isupper() for name in self._told) else "dmlc_task_id"
            collective.init(**self._told, **{task: self._own})
        else:
            told = {**self._told, "DMLC_TASK_ID": self._own}
            collective.init([f"{name}={value}".encode() for name, value in told.items()])
        yield
        collective.finalize()

    def leave(self) -> None:
        """The host that has the tracker stays until the others are done."""
        if self._tracker is not None:
            wait = self._tracker.wait_for if hasattr(self._tracker, "wait_for") else self._tracker.join
            wait()

    def _gather(self, takes_part: bool) -> dict[str, Any]:
        said = {self._own: takes_part}
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.create_server(("", self._port)))
            listener.settimeout(self._patience)
            waiting = []
            while len(said) < len(self._hosts):
                connection = stack.enter_context(listener.accept()[0])
                message = _received(connection)
                if message.get("host") in self._hosts:
                    said[message["host"]] = bool(message["takes_part"])
                    waiting.append(connection)
            chosen = [host for host in self._hosts if said[host]]
            tracker = self._track(len(chosen)) if len(chosen) > 1 else {}
            agreed = {"hosts": chosen, "tracker": tracker}
            for connection in waiting:
                _send(connection, agreed)
        return agreed

    def _ask(self, takes_part: bool) -> dict[str, Any]:
        until = time.monotonic() + self._patience
        while True:
            try:
                connection = socket.create_connection((self._hosts[0], self._port), timeout=self._patience)
                break
            except ConnectionRefusedError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)
        with connection:
            _send(connection, {"host": self._own, "takes_part": takes_part})
            return _received(connection)

    def _track(self, count: int) -> dict[str, Any]:
        """Start the tracker; what the hosts must be told of it."""
        try:
            from xgboost.tracker import RabitTracker
        except ImportError:
            import xgboost

            raise PlatformError(
                f"XGBoost {xgboost.__version__} trains on one host only: its package has no tracker. "
                "Take an image from 1.0-1 on, or set the instance count to 1."
            ) from None
        address = socket.gethostbyname(self._own)
        try:
            self._tracker = RabitTracker(host_ip=address, n_workers=count)
        except TypeError:  # before 1.6
            self._tracker = RabitTracker(address, count)
        if hasattr(self._tracker, "worker_args"):  # from 2.1 on
            self._tracker.start()
            return dict(self._tracker.worker_args())
        self._tracker.start(count)
        told = getattr(self._tracker, "worker_envs", None) or self._tracker.slave_envs
        return dict(told())


def average(values: Sequence[float]) -> list[float]:
    """Each value's mean over the hosts of the communicator, which all of them know then."""
    import numpy

    collective = _collective()
    total = collective.allreduce(numpy.asarray(values, dtype=numpy.float64), _SUM)
    return [float(value) / collective.get_world_size() for value in total]


def _collective() -> Any:
    """XGBoost's module of this name, or what was there before 1.7."""
    try:
        from xgboost import collective
    except ImportError:
        from xgboost import rabit

        return rabit
    return collective


def _send(connection: socket.socket, message: Mapping[str, Any]) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def _received(connection: socket.socket) -> dict[str, Any]:
    with connection.makefile("rb") as file:
        return dict(json.loads(file.readline(1 << 20) or b"{}"))
