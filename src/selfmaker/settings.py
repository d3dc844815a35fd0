"""One table of settings: the CLI's options, the environment variables and the documentation all come from it.

This is the only module that reads the environment.
"""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from selfmaker.errors import Invalid

N = TypeVar("N", int, float)


@dataclass(frozen=True)
class Setting:
    """One row: the attribute on Settings, its default as text, and what it does. Environment: SELFMAKER_<NAME>."""

    name: str
    default: str
    help: str

    @property
    def variable(self) -> str:
        return "SELFMAKER_" + self.name.upper()


SETTINGS = (
    Setting("home", "", "Folder for everything that selfmaker keeps; the platform's user data folder when empty."),
    Setting("host", "127.0.0.1", "Address to listen on."),
    Setting("port", "4600", "Port to listen on; 0 takes a free one."),
    Setting("account", "123456789012", "The 12-digit AWS account id that ARNs and the default bucket carry."),
    Setting("region", "us-east-1", "The region given to clients that name none."),
    Setting("environments", "", "Folder of the built framework environments; HOME/environments when empty."),
    Setting("slots", "0", "Job instances that run at once; further jobs wait in line. 0: one for each CPU core."),
    Setting("stop_grace_seconds", "120", "Time between SIGTERM and SIGKILL for a job that is stopped."),
    Setting(
        "spot_interruption_seconds",
        "0",
        "Interrupt managed spot training at random, once in about this many seconds of running. 0: only when told to, "
        "by `selfmaker interrupt`.",
    ),
    Setting(
        "spot_discount",
        "0.7",
        "The part of its training time that a spot job is not billed for, as BillableTimeInSeconds shows it.",
    ),
    Setting(
        "serverless_idle_seconds",
        "300",
        "After so many seconds without a request the workers of a serverless endpoint end; the next one starts them.",
    ),
    Setting(
        "capture_flush_seconds",
        "10",
        "Requests that an endpoint's data capture keeps are objects in S3 after so many seconds at the latest.",
    ),
    Setting(
        "warm_workers",
        "2",
        "So many workers with the framework of the last endpoint imported wait for the next one, for 15 minutes.",
    ),
    Setting(
        "deployment_wait_scale",
        "1",
        "The waiting times of a DeploymentConfig are taken times this: 0.1 makes a minute of baking six seconds.",
    ),
    Setting(
        "autoscaling_period_seconds",
        "60",
        "How often scaling policies are looked at; the periods and cooldowns of target tracking are counted in these.",
    ),
    Setting(
        "multi_model_loaded",
        "32",
        "Models that a multi-model endpoint keeps loaded at once; the least recently used goes when one more comes.",
    ),
    Setting(
        "multi_model_memory_mb",
        "0",
        "Memory that the loaded models of a multi-model endpoint may have together, in MiB; 0: no limit.",
    ),
    Setting(
        "endpoint_log_mb",
        "128",
        "Size of a log file of an endpoint's instance, in MiB; the last two are kept. 0: one file without end.",
    ),
    Setting("sandbox", "auto", "How jobs are isolated: auto, namespaces or bubblewrap."),
    Setting("verify_signatures", "true", "Check the SigV4 signature of every request."),
)


@dataclass(frozen=True)
class Settings:
    """The settings in force. Built by ``load``; immutable."""

    home: Path
    host: str
    port: int
    account: str
    region: str
    environments: Path
    slots: int
    stop_grace_seconds: float
    spot_interruption_seconds: float
    spot_discount: float
    serverless_idle_seconds: float
    capture_flush_seconds: float
    warm_workers: int
    deployment_wait_scale: float
    autoscaling_period_seconds: float
    multi_model_loaded: int
    multi_model_memory_mb: int
    endpoint_log_mb: int
    sandbox: str
    verify_signatures: bool


def default_home(environment: Mapping[str, str]) -> Path:
    """The platform's user data folder for selfmaker."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "selfmaker"
    base = environment.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "selfmaker"


def load(overrides: Mapping[str, str] | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from ``overrides`` (the command line), else the environment, else the defaults.

    Raises Invalid, naming the setting, when a value does not parse.
    """
    environment = os.environ if environment is None else environment
    overrides = overrides or {}
    text = {s.name: overrides.get(s.name) or environment.get(s.variable) or s.default for s in SETTINGS}
    home = Path(text["home"]).expanduser().resolve() if text["home"] else default_home(environment)
    account = text["account"]
    if len(account) != 12 or not account.isdigit():
        raise Invalid(f"account: expected 12 digits, got {account!r}")
    return Settings(
        home=home,
        host=text["host"],
        port=_number("port", text["port"], int),
        account=account,
        region=text["region"],
        environments=Path(text["environments"]).expanduser().resolve()
        if text["environments"]
        else home / "environments",
        slots=_number("slots", text["slots"], int) or os.cpu_count() or 1,
        stop_grace_seconds=_number("stop_grace_seconds", text["stop_grace_seconds"], float),
        spot_interruption_seconds=_number("spot_interruption_seconds", text["spot_interruption_seconds"], float),
        spot_discount=_fraction("spot_discount", text["spot_discount"]),
        serverless_idle_seconds=_number("serverless_idle_seconds", text["serverless_idle_seconds"], float),
        capture_flush_seconds=_number("capture_flush_seconds", text["capture_flush_seconds"], float),
        warm_workers=_number("warm_workers", text["warm_workers"], int),
        deployment_wait_scale=_number("deployment_wait_scale", text["deployment_wait_scale"], float),
        autoscaling_period_seconds=_number("autoscaling_period_seconds", text["autoscaling_period_seconds"], float),
        multi_model_loaded=_number("multi_model_loaded", text["multi_model_loaded"], int),
        multi_model_memory_mb=_number("multi_model_memory_mb", text["multi_model_memory_mb"], int),
        endpoint_log_mb=_number("endpoint_log_mb", text["endpoint_log_mb"], int),
        sandbox=_one_of("sandbox", text["sandbox"], ("auto", "namespaces", "bubblewrap")),
        verify_signatures=_one_of("verify_signatures", text["verify_signatures"].lower(), ("true", "false")) == "true",
    )


def inherited_environment(names: tuple[str, ...], prefixes: tuple[str, ...] = ()) -> dict[str, str]:
    """Those variables of our own environment that are passed on to jobs and installers, by name or by prefix."""
    return {k: v for k, v in os.environ.items() if k in names or k.startswith(prefixes)}


def markdown() -> str:
    """The page docs/settings.md: ``python -m selfmaker.settings > docs/settings.md``."""
    rows = [f"| `{s.name}` | `{s.variable}` | {f'`{s.default}`' if s.default else ''} | {s.help} |" for s in SETTINGS]
    head = (
        "# Settings",
        "",
        "Each is taken from the command line where the command has the option, else from the environment, else it is",
        "the default. Generated from the table in `settings.py`.",
        "",
        "| setting | environment variable | default | what it does |",
        "|---|---|---|---|",
    )
    return "\n".join([*head, *rows]) + "\n"


def _number(name: str, text: str, kind: Callable[[str], N]) -> N:
    try:
        value = kind(text)
    except ValueError:
        raise Invalid(f"{name}: expected a number, got {text!r}") from None
    if value < 0:
        raise Invalid(f"{name}: expected a number that is not negative, got {text!r}")
    return value


def _fraction(name: str, text: str) -> float:
    value = _number(name, text, float)
    if value >= 1:
        raise Invalid(f"{name}: expected a number from 0 to below 1, got {text!r}")
    return value


def _one_of(name: str, text: str, choices: tuple[str, ...]) -> str:
    if text not in choices:
        raise Invalid(f"{name}: expected one of {', '.join(choices)}, got {text!r}")
    return text


if __name__ == "__main__":
    sys.stdout.write(markdown())
