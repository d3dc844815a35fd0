"""Training on one host, by the names under which the container trains on several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sagemaker_algorithm_toolkit.exceptions import PlatformError


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
    """Run ``exec_fun``. Raises PlatformError for several hosts."""
    if len(hosts) > 1:
        raise PlatformError("XGBoost's distributed training is not supported here yet: set the instance count to 1.")
    exec_fun(**args, **({"is_master": True} if update_rabit_args else {}))
