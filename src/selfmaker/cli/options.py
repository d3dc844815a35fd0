"""Options that several commands have."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from selfmaker import settings
from selfmaker.client import server
from selfmaker.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


def home_option(command: F) -> F:
    """``--home``; the command gets the text, or None."""
    text = "The server's folder; else SELFMAKER_HOME, else the user data folder."
    return click.option("--home", metavar="FOLDER", help=text)(command)


def region_option(command: F) -> F:
    """``--region``; the command gets the text, or None."""
    text = "The AWS region to look at; else AWS_DEFAULT_REGION, else the server's."
    return click.option("--region", metavar="NAME", help=text)(command)


def json_option(command: F) -> F:
    """``--json``; the command gets a flag called ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(command)


def load(home: str | None, **overrides: object) -> Settings:
    """The settings in force, with those options that were given."""
    given = {name: str(value) for name, value in overrides.items() if value is not None}
    return settings.load({**given, **({"home": home} if home else {})})


def expect_server(home: str | None) -> server.Running:
    """The server that runs on that home; an error with the remedy when none does."""
    return server.expect(load(home).home)


def region_of(running: server.Running, region: str | None) -> str:
    """The region that a command looks at."""
    named = region or os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION")
    return named or running.connection.region
