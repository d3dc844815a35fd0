"""The environment variables by which any AWS client, in any language, finds the server. Pure functions.

``selfmaker run``, ``selfmaker env``, ``selfmaker.activate`` and the jobs all get their variables here.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

SITE = Path(__file__).parent / "site"
"""The folder that goes on PYTHONPATH. It needs nothing of selfmaker's and may be mounted elsewhere."""

_ELSEWHERE = (
    "AWS_ACCOUNT_ID",
    "AWS_ACCOUNT_ID_ENDPOINT_MODE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)
"""Variables that would lead a client to another account or address."""


@dataclass(frozen=True)
class Connection:
    """How to reach a server: the document ``run/credentials.json``."""

    endpoint_url: str
    access_key_id: str
    secret_access_key: str
    region: str
    account: str


@dataclass(frozen=True)
class Change:
    """What to do to an environment: set these, then remove those."""

    set: Mapping[str, str]
    unset: tuple[str, ...] = ()

    def applied(self, environment: Mapping[str, str]) -> dict[str, str]:
        """``environment`` as it becomes."""
        return {k: v for k, v in {**environment, **self.set}.items() if k not in self.unset}


@dataclass(frozen=True)
class Profiles:
    """AWS configuration that stands in for the user's own. ``names``: its profiles; ``region``: that of the profile in
    force, if it has one."""

    config_file: str
    credentials_file: str
    names: frozenset[str]
    region: str | None = None


def client_environment(
    connection: Connection, environment: Mapping[str, str], profiles: Profiles, home: Path
) -> Change:
    """What turns a user's ``environment`` into one whose AWS clients, and ``selfmaker`` itself, mean that server.

    The user's region is kept: AWS_DEFAULT_REGION, else AWS_REGION, else the profile's, else the server's.
    """
    region = environment.get("AWS_DEFAULT_REGION") or environment.get("AWS_REGION") or profiles.region
    changes = {
        **_essentials(connection, environment, region or connection.region, str(SITE)),
        "SELFMAKER_HOME": str(home),
        "SELFMAKER_PYTHON": sys.executable,
        "AWS_CONFIG_FILE": profiles.config_file,
        "AWS_SHARED_CREDENTIALS_FILE": profiles.credentials_file,
    }
    named = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")
    unset = [name for name in named if name in environment and environment[name] not in profiles.names]
    unset += [name for name in environment if name in _ELSEWHERE]
    unset += [name for name in environment if name.startswith("AWS_ENDPOINT_URL_")]
    return Change(changes, tuple(sorted(unset)))


def job_environment(connection: Connection, site: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a job whose own variables are ``environment`` (they win), with the server reachable.

    ``site``: where the folder SITE is inside the job; ``connection``: with the credentials meant for the job.
    """
    ours = _essentials(connection, environment, connection.region, site)
    combined = {name: ours[name] for name in ours if name == "PYTHONPATH" or name.lower() == "no_proxy"}
    return {**ours, **environment, **combined}


def _essentials(connection: Connection, environment: Mapping[str, str], region: str, site: str) -> dict[str, str]:
    host = urlsplit(connection.endpoint_url).hostname or ""
    return {
        "SELFMAKER_ENDPOINT_URL": connection.endpoint_url,
        "AWS_ENDPOINT_URL": connection.endpoint_url,
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
        "AWS_ACCESS_KEY_ID": connection.access_key_id,
        "AWS_SECRET_ACCESS_KEY": connection.secret_access_key,
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ALLOW_HTTP": "true",
        "PYTHONPATH": _first(site, environment.get("PYTHONPATH", ""), ":"),
        **_without_proxy(host, environment),
    }


def _without_proxy(host: str, environment: Mapping[str, str]) -> dict[str, str]:
    """NO_PROXY in both spellings (programs differ in which they read), with the server's host and what they held."""
    before = [environment.get(name, "") for name in ("NO_PROXY", "no_proxy")]
    hosts = [part.strip() for text in before for part in text.split(",") if part.strip()]
    value = ",".join(dict.fromkeys([*hosts, "127.0.0.1", "localhost", host]))
    return {"NO_PROXY": value, "no_proxy": value}


def _first(entry: str, path: str, separator: str) -> str:
    """``path`` with ``entry`` in front, and only there."""
    return separator.join([entry, *(part for part in path.split(separator) if part and part != entry)])
