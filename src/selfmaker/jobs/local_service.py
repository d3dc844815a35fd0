"""A service of a ``docker-compose.yaml`` of the SDKs' local mode."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Service:
    """One host, as the document has it."""

    name: str
    image: str
    volumes: tuple[tuple[Path, str], ...]
    environment: Mapping[str, str]
    entrypoint: tuple[str, ...]
    command: str
    ports: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, document: Mapping[str, Any]) -> "Service":
        pairs = [volume.removesuffix(":z").rsplit(":", 1) for volume in document.get("volumes", ())]
        variables = [entry.partition("=") for entry in document.get("environment", ())]
        return cls(
            name=name,
            image=document["image"],
            volumes=tuple((Path(source), target) for source, target in pairs),
            environment={name: value for name, _, value in variables},
            entrypoint=tuple(document.get("entrypoint") or ()),
            command=document.get("command", ""),
            ports=tuple(document.get("ports") or ()),
        )

    def path(self, inside: str) -> Path | None:
        """Where a path of the container's is on this machine, if a volume shows it."""
        for source, target in sorted(self.volumes, key=lambda volume: -len(volume[1])):
            if inside == target or inside.startswith(f"{target}/"):
                return source / inside[len(target) :].lstrip("/")
        return None

    def config(self, name: str) -> Any:
        """A document of /opt/ml/input/config; empty where there is none."""
        path = self.path(f"/opt/ml/input/config/{name}")
        return json.loads(path.read_text()) if path is not None and path.is_file() else {}
