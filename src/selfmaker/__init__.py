"""SageMaker on machines you own.

``import selfmaker; selfmaker.activate()`` points every AWS client of this process at the local server.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__version__ = "0.1.0"


def activate(home: "str | Path | None" = None) -> None:
    """Point every AWS client of this process, and of those it starts, at the server of ``home``.

    When none runs there, one is started that ends with this process. See docs/client.md.
    """
    from selfmaker.client import activation

    activation.activate(home)


def deactivate() -> None:
    """Undo ``activate``."""
    from selfmaker.client import activation

    activation.deactivate()
