"""The user's AWS profiles with their names, regions and manners, but with the server's address and credentials.

``~/.aws`` may hold endpoints, single sign-on, roles to assume and processes to run for credentials. None of it may win
over the server, yet code that asks for its profile by name must find it, in any language. So clients are shown a
copy of the two files with all of that left out.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from selfmaker.client.environment import Connection, Profiles

_KEPT = frozenset(
    {
        "cli_auto_prompt",
        "cli_binary_format",
        "cli_follow_urlparam",
        "cli_history",
        "cli_pager",
        "cli_timestamp_format",
        "defaults_mode",
        "max_attempts",
        "output",
        "parameter_validation",
        "region",
        "request_checksum_calculation",
        "response_checksum_validation",
        "retry_mode",
        "tcp_keepalive",
    }
)
"""Settings of a profile that say nothing of whom to talk to."""

_KEPT_S3 = frozenset(
    {
        "max_bandwidth",
        "max_concurrent_requests",
        "max_queue_size",
        "multipart_chunksize",
        "multipart_threshold",
        "payload_signing_enabled",
        "preferred_transfer_client",
    }
)


def write_profiles(folder: Path, connection: Connection, environment: Mapping[str, str]) -> Profiles:
    """Write the copies below ``folder``, readable by the owner only, and say where they are.

    A user's profiles have one place, so that commands that run at once don't disturb each other, and a server that
    comes back on another port is found there.
    """
    user = read_profiles(environment)
    config, credentials = render(user, connection)
    place = folder / hashlib.sha256(repr(sorted(user.items())).encode()).hexdigest()[:16]
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(place / "config", config)
    _write(place / "credentials", credentials)
    in_force = environment.get("AWS_PROFILE") or environment.get("AWS_DEFAULT_PROFILE") or "default"
    return Profiles(
        config_file=str(place / "config"),
        credentials_file=str(place / "credentials"),
        names=frozenset(user),
        region=user.get(in_force, {}).get("region"),
    )


def read_profiles(environment: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The user's profiles, ``default`` always among them, with the settings that are kept.

    A file that cannot be read is as good as an empty one.
    """
    home = Path(environment.get("HOME") or "~").expanduser()
    config = Path(environment.get("AWS_CONFIG_FILE") or home / ".aws" / "config").expanduser()
    secrets = Path(environment.get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws" / "credentials").expanduser()
    found: dict[str, dict[str, str]] = {"default": {}}
    for name, settings in _sections(config):
        if name == "default" or name.startswith("profile"):
            profile = name if name == "default" else name[len("profile") :].strip().strip("\"'")
            found.setdefault(profile, {}).update(_kept(settings))
    for name, settings in _sections(secrets):
        found.setdefault(name, {}).update({k: v for k, v in _kept(settings).items() if k == "region"})
    found.pop("", None)
    return found


def render(profiles: Mapping[str, Mapping[str, str]], connection: Connection) -> tuple[str, str]:
    """The text of the configuration file and of the credentials file."""
    keys = {"aws_access_key_id": connection.access_key_id, "aws_secret_access_key": connection.secret_access_key}
    config = credentials = ""
    for name, settings in profiles.items():
        quoted = f'"{name}"' if " " in name else name
        section = name if name == "default" else f"profile {quoted}"
        config += _section(section, {"region": connection.region, **settings, "endpoint_url": connection.endpoint_url})
        credentials += _section(name, keys)
    return config, credentials


def _section(name: str, settings: Mapping[str, str]) -> str:
    return f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items()) + "\n"


def _kept(settings: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in settings.items() if name in _KEPT and "\n" not in value}
    transfer = [line.strip() for line in settings.get("s3", "").splitlines()]
    lines = [f"\n  {line}" for line in transfer if line.split("=")[0].strip() in _KEPT_S3]
    return {**kept, "s3": "".join(lines)} if lines else kept


def _sections(path: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    import configparser  # only for those who have such a file: every `selfmaker run` passes here

    # As botocore reads these files: no section is special.
    parser = configparser.RawConfigParser(default_section="", strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return
    for name in parser.sections():
        yield name, dict(parser.items(name))


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)
