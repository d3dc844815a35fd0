"""Scripts import it beside the others. The toolkit's server has nothing to do here: a script's functions are called
directly."""

from __future__ import annotations


def start_server(module_app: str) -> None:
    raise NotImplementedError(
        f"There is no need to start a server for {module_app}: its functions are called directly."
    )
