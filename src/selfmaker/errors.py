"""What can go wrong in the engine, in words that know nothing of AWS.

The wire edge translates each of these into the error that the service in question gives.
"""


class SelfmakerError(Exception):
    """The root of all errors that are somebody's doing rather than a defect of ours."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotFound(SelfmakerError):
    """The named thing does not exist."""


class AlreadyExists(SelfmakerError):
    """The name is taken."""


class Invalid(SelfmakerError):
    """The request makes no sense; the message names the field and the remedy."""


class Conflict(SelfmakerError):
    """The thing exists, but its present state does not allow this."""


class LimitExceeded(SelfmakerError):
    """A documented limit would be passed."""


class Denied(SelfmakerError):
    """The caller may not do this."""


class Unavailable(SelfmakerError):
    """This machine lacks what is needed; the message names the remedy."""
