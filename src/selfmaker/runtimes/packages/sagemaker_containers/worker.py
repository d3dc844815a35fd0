"""What a script's output_fn may return."""

from __future__ import annotations

from typing import Any


class Response:
    """A response with its content type, in the form of Flask's. The arguments are in the containers' own order, where
    the second is ``accept``: scripts give it by position and ``mimetype`` beside it."""

    def __init__(
        self,
        response: Any = None,
        accept: str | None = None,
        status: int = 200,
        headers: Any = None,
        mimetype: str | None = None,
        direct_passthrough: bool = False,
    ) -> None:
        self.response = response
        self.status_code = int(status)
        self.mimetype = mimetype or accept or "application/json"
        self.headers: dict[str, str] = dict(headers or {})

    @property
    def data(self) -> bytes:
        return self.get_data()

    def get_data(self) -> bytes:
        body = self.response
        if isinstance(body, (list, tuple)):
            body = b"".join(part.encode() if isinstance(part, str) else bytes(part) for part in body)
        return body.encode("utf-8") if isinstance(body, str) else bytes(body or b"")
