"""``selfmaker.activate()``: the effect of ``selfmaker run`` in a process that is running already, a notebook's say."""

import atexit
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from selfmaker.client.child import Use
from selfmaker.client.environment import SITE, Connection, client_environment
from selfmaker.client.profiles import write_profiles
from selfmaker.settings import load

_undo: list[Callable[[], object]] = []


def activate(home: "str | Path | None" = None) -> None:
    """From now on every AWS client of this process, and of the processes it starts, talks to the local server.

    Uses the server that runs on ``home`` (else SELFMAKER_HOME, else the user data folder); when none does, starts one
    that ends with this process. Clients and boto3 sessions that exist already keep their address; boto3's default
    session is made anew. Again with another home: changes over.
    """
    deactivate()
    folder = load({"home": str(home)} if home else {}).home
    use = Use(folder)
    _undo.append(use.end)
    atexit.register(deactivate)
    try:
        _apply(use.running.connection, folder)
    except BaseException:
        deactivate()
        raise


def deactivate() -> None:
    """Undo ``activate``; nothing when there is nothing to undo."""
    atexit.unregister(deactivate)
    while _undo:
        _undo.pop()()


def _apply(connection: Connection, home: Path) -> None:
    profiles = write_profiles(home / "run" / "profiles", connection, os.environ)
    _set_environment(client_environment(connection, os.environ, profiles, home).applied(os.environ))
    changes = _client_changes()
    if changes.start():
        _undo.append(changes.stop)
    _renew_default_session()


def _renew_default_session() -> None:
    boto3: Any = sys.modules.get("boto3")
    if boto3 is None:
        return
    before = boto3.DEFAULT_SESSION
    boto3.DEFAULT_SESSION = None
    _undo.append(lambda: setattr(boto3, "DEFAULT_SESSION", before))


def _set_environment(wanted: Mapping[str, str]) -> None:
    before = {name: os.environ.get(name) for name in {*os.environ, *wanted} if os.environ.get(name) != wanted.get(name)}
    _assign({name: wanted.get(name) for name in before})
    _undo.append(lambda: _assign(before))


def _assign(values: "Mapping[str, str | None]") -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _client_changes() -> ModuleType:
    """The stand-alone package that changes the clients; under ``selfmaker run`` it is here already."""
    sys.path.insert(0, str(SITE))
    try:
        import _selfmaker  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(SITE))
    module: ModuleType = _selfmaker
    return module
