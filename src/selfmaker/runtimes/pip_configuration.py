"""Where pip gets packages from on this machine, said to uv, which reads none of pip's files and variables.

Whoever works behind a mirror has told pip so. The files are those of pip's "Configuration" page, in its order.
"""

import configparser
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

_SECTIONS = ("global", "install")
_UV_INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_NO_INDEX")


@dataclass(frozen=True)
class Sources:
    """The same settings as uv takes them: arguments of ``uv pip install`` (``links`` are those that name no index), and
    variables."""

    indexes: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def arguments(self) -> tuple[str, ...]:
        return self.indexes + self.links


def sources(environment: Mapping[str, str]) -> Sources:
    """What to give to uv. What is said to uv itself, by variables or in its own files, goes before pip's."""
    told = settings(environment)
    links = [] if environment.get("UV_FIND_LINKS") else _items(told, "find-links")
    return Sources(
        indexes=tuple(_indexes(told, environment)),
        links=tuple(item for link in links for item in ("--find-links", link)),
        variables=_variables(told, environment),
    )


def settings(environment: Mapping[str, str]) -> dict[str, str]:
    """pip's settings by their names in its files (``index-url``): later files override, then PIP_* variables do."""
    values: dict[str, str] = {}
    for path in _files(environment):
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, configparser.Error):
            continue
        for section in _SECTIONS:
            if parser.has_section(section):
                values.update({name.replace("_", "-"): value for name, value in parser.items(section)})
    for name, value in environment.items():
        if name.startswith("PIP_") and value:
            values[name[4:].lower().replace("_", "-")] = value
    return values


def _files(environment: Mapping[str, str]) -> Iterable[Path]:
    home = Path(environment.get("HOME") or Path.home())
    chosen = environment.get("PIP_CONFIG_FILE", "")
    if chosen == "/dev/null":
        return
    for folder in reversed((environment.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")):
        yield Path(folder, "pip", "pip.conf")
    yield Path("/etc/pip.conf")
    yield home / ".pip" / "pip.conf"
    yield Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
    if chosen:
        yield Path(chosen)


def _indexes(told: Mapping[str, str], environment: Mapping[str, str]) -> Iterable[str]:
    if any(environment.get(name) for name in _UV_INDEXES) or _uv_configured(environment):
        return
    if told.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        yield "--no-index"
    if _reachable(told.get("index-url", "")):
        yield from ("--default-index", told["index-url"].strip())
    for url in _items(told, "extra-index-url"):
        yield from ("--index", url)


def _variables(told: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    wanted = {}
    certificates = Path(told.get("cert", ""))
    if told.get("cert") and certificates.exists():
        wanted["SSL_CERT_FILE" if certificates.is_file() else "SSL_CERT_DIR"] = str(certificates)
    if _items(told, "trusted-host"):
        wanted["UV_INSECURE_HOST"] = " ".join(_items(told, "trusted-host"))
    if told.get("proxy"):
        wanted["ALL_PROXY"] = told["proxy"]
    return {name: value for name, value in wanted.items() if not environment.get(name)}


def _items(told: Mapping[str, str], name: str) -> list[str]:
    return [item for item in told.get(name, "").split() if name == "trusted-host" or _reachable(item)]


def _reachable(place: str) -> bool:
    """False for a local place that isn't there, which pip passes over and at which uv stops."""
    place = place.strip()
    if not place:
        return False
    parts = urlsplit(place)
    if parts.scheme == "file":
        return Path(unquote(parts.path)).exists()
    return bool(parts.scheme) or Path(place).expanduser().exists()


def _uv_configured(environment: Mapping[str, str]) -> bool:
    """Whether uv's own files name an index."""
    home = Path(environment.get("HOME") or Path.home())
    for folder in (Path("/etc"), Path(environment.get("XDG_CONFIG_HOME") or home / ".config")):
        try:
            if "index" in (folder / "uv" / "uv.toml").read_text(encoding="utf-8"):
                return True
        except (OSError, UnicodeDecodeError):
            continue
    return False
