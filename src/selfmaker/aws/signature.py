"""A signature as a request carries it, of whichever version, and what may be wrong with it."""

from dataclasses import dataclass
from typing import Any

MAX_SKEW = 15 * 60  # seconds between our clock and the signer's


class RejectionError(Exception):
    """Why a request is not let in. ``kind`` is one of missing, incomplete, unknown_key, mismatch, skewed, expired and
    unsigned_headers."""

    def __init__(self, kind: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.details = details


@dataclass(slots=True)
class Signature:
    """A signature as it was sent. ``version`` is 2 or 4; ``expires`` is, for presigned requests, the moment (seconds
    since the epoch) from which they are no longer good. ``stamp`` is the request's own time, ``20240501T120000Z``."""

    version: int
    access_key: str
    signature: str
    region: str = ""
    service: str = "s3"
    stamp: str = ""
    signed_headers: tuple[str, ...] = ()
    presigned: bool = False
    expires: float | None = None
    payload_hash: str | None = None

    @property
    def scope(self) -> str:
        return f"{self.stamp[:8]}/{self.region}/{self.service}/aws4_request"
