"""Errors as AWS puts them on the wire."""

from typing import Any


class AwsError(Exception):
    """An error answer. ``code`` is AWS's (``ValidationException``), ``members`` go beside the message in the body."""

    def __init__(self, code: str, message: str, status: int = 400, **members: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = members
        self.query_code = code  # where a service that once spoke the query protocol had another name for it
