"""The SDKs report each call to Amazon over the Internet; here nobody is to be told, and v2 would wait for it."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from _selfmaker.hooks import replace  # type: ignore[import-not-found]


def silence(module: ModuleType) -> None:
    """The module's senders send nothing. What the SDK prints about its telemetry stays as it is."""
    for name in ("_send_telemetry_request", "_send_telemetry_request_sync", "_send_telemetry", "_requests_helper"):
        if callable(getattr(module, name, None)):
            replace(module, name, _send_nothing)


def _send_nothing(*_args: Any, **_kwargs: Any) -> None:
    return None
