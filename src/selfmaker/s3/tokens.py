"""Continuation tokens: where a listing goes on, in a form that clients only hand back."""

import base64
import binascii

from selfmaker.s3.wording import invalid_argument


def token_of(place: bytes) -> str:
    return base64.urlsafe_b64encode(b"1" + place).decode()


def place_of(token: str) -> bytes:
    """Raises AwsError for what is no token of ours."""
    try:
        place = base64.b64decode(token, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        place = b""
    if not place.startswith(b"1"):
        raise invalid_argument("The continuation token provided is incorrect", "continuation-token", token)
    return place[1:]
