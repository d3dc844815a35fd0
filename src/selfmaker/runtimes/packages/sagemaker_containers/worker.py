"""What a script's output_fn may return."""

from __future__ import annotations

from typing import Any


class Response:
    """A response with its content type, in the form of Flask's."""

    def __init__(self, response: Any = None, status: int = 200, mimetype: str | None = None, **kwargs: Any) -> None:
        self.response = response
        self.status_code = int(status)
        self.mimetype = mimetype or kwargs.get("accept") or "application/json"
        self.headers: dict[str, str] = dict(kwargs.get("headers") or {})

    @property
    def data(self) -> bytes:
        return self.get_data()

    def get_data(self) -> bytes:
        body = self.response
        if isinstance(body, (list, tuple)):
            body = b"".join(part.encode() if isinstance(part, str) else bytes(part) for part in body)
        return body.encode("utf-8") if isinstance(body, str) else bytes(body or b"")
