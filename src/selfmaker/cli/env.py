"""``selfmaker env``"""

import os
import shlex

import click

from selfmaker.cli.options import expect_server, home_option
from selfmaker.client.environment import Change, client_environment
from selfmaker.client.profiles import write_profiles


@click.command(name="env")
@home_option
@click.option("--shell", type=click.Choice(["sh", "fish"]), default="sh", show_default=True, help="Whose syntax.")
def command(home: str | None, shell: str) -> None:
    """Print the variables that make this shell's AWS clients talk to the running server.

    \b
    eval "$(selfmaker env)"                 sh, bash, zsh
    selfmaker env --shell fish | source     fish
    """
    running = expect_server(home)
    profiles = write_profiles(running.home / "run" / "profiles", running.connection, os.environ)
    change = client_environment(running.connection, os.environ, profiles, running.home)
    click.echo("\n".join(_fish(change) if shell == "fish" else _sh(change)))


def _sh(change: Change) -> list[str]:
    lines = [f"export {name}={shlex.quote(value)}" for name, value in change.set.items()]
    return lines + [f"unset {name}" for name in change.unset]


def _fish(change: Change) -> list[str]:
    def quoted(text: str) -> str:
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

    lines = [f"set -gx {name} {quoted(value)}" for name, value in change.set.items()]
    return lines + [f"set -e {name}" for name in change.unset]
