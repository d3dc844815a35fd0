"""Small readers of headers and files."""

from __future__ import annotations

from collections.abc import Mapping


def read_file(path: str, mode: str = "r") -> str:
    with open(path, mode) as file:
        return str(file.read())


def parse_accept(accept: str | None) -> list[str]:
    """``"text/csv;q=0.9, application/json"`` -> ``["text/csv", "application/json"]``."""
    return [part.partition(";")[0].strip() for part in (accept or "").split(",") if part.strip()]


def retrieve_content_type_header(request_property: Mapping[str, str]) -> str | None:
    return next((value for name, value in request_property.items() if name.lower() == "content-type"), None)
