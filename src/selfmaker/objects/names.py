"""Which names buckets and keys may have."""

import re

from selfmaker.errors import Invalid
from selfmaker.objects.protocol import MAX_KEY_BYTES, InvalidName, KeyTooLong

# "General purpose bucket naming rules" in the S3 User Guide.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+", re.ASCII)
_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


def check_bucket_name(name: str) -> None:
    """Raises InvalidName."""
    good = (
        _BUCKET.fullmatch(name)
        and ".." not in name
        and not _ADDRESS.fullmatch(name)
        and not name.startswith(_PREFIXES)
        and not name.endswith(_SUFFIXES)
    )
    if not good:
        raise InvalidName(name)


def key_bytes(key: str) -> bytes:
    """The bytes that stand for ``key`` in SQL. Raises KeyTooLong, or Invalid for what is no UTF-8 text or is empty."""
    try:
        data = key.encode()
    except UnicodeEncodeError:
        raise Invalid("the key is not valid UTF-8") from None
    if len(data) > MAX_KEY_BYTES:
        raise KeyTooLong(key)
    if not data:
        raise Invalid("the key is empty")
    return data


def after(prefix: bytes) -> bytes | None:
    """The smallest string above everything that starts with ``prefix``; None when there is none."""
    trimmed = prefix.rstrip(b"\xff")
    return trimmed[:-1] + bytes([trimmed[-1] + 1]) if trimmed else None
