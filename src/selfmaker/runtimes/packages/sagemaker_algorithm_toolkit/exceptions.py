"""Whose doing an error is: UserError the customer's, PlatformError the machine's, AlgorithmError the algorithm's."""

from __future__ import annotations


class BaseToolkitError(Exception):
    """``caused_by``, where there is one, is named in the message."""

    def __init__(self, message: str | None = None, caused_by: BaseException | None = None) -> None:
        text = message or (str(caused_by) if caused_by else "unknown error occurred")
        if caused_by is not None:
            text += f" (caused by {type(caused_by).__name__})"
        super().__init__(text)
        self.message = text
        self.caused_by = caused_by


class AlgorithmError(BaseToolkitError):
    pass


class UserError(BaseToolkitError):
    pass


class PlatformError(BaseToolkitError):
    pass
