"""Tags of objects and buckets: S3's limits ("Object tagging" in the User Guide), and the two forms in which they
come."""

import unicodedata
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from selfmaker.aws.errors import AwsError
from selfmaker.s3.wording import invalid_argument, malformed_xml

_SIGNS = frozenset("_.:/=+-@")
OBJECT_LIMIT = 10
BUCKET_LIMIT = 50


def from_header(header: str | None) -> dict[str, str]:
    """The tags of an x-amz-tagging header. Raises AwsError."""
    if not header:
        return {}
    try:
        pairs = parse_qsl(header, keep_blank_values=True, strict_parsing=False, errors="strict")
    except (UnicodeDecodeError, ValueError):
        pairs = []
    tags = dict(pairs)
    if not pairs or len(tags) != len(pairs):
        raise invalid_argument(
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query "
            "parameters without tag name "
            "duplicates.",
            "x-amz-tagging",
            header,
        )
    _check(tags, OBJECT_LIMIT)
    return tags


def from_document(tagging: Mapping[str, Any] | None, limit: int) -> dict[str, str]:
    """The tags of a Tagging document. Raises AwsError."""
    if not tagging or "TagSet" not in tagging:
        raise malformed_xml()
    tags: dict[str, str] = {}
    for tag in tagging["TagSet"]:
        key, value = tag.get("Key"), tag.get("Value")
        if key is None or value is None:
            raise malformed_xml()
        if key in tags:
            raise _invalid("Cannot provide multiple Tags with the same key", key)
        tags[key] = value
    _check(tags, limit)
    return tags


def to_document(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """A TagSet."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _check(tags: Mapping[str, str], limit: int) -> None:
    if len(tags) > limit:
        what = "Object tags cannot be" if limit == OBJECT_LIMIT else "Bucket tag count cannot be"
        raise AwsError("BadRequest", f"{what} greater than {limit}", 400)
    for key, value in tags.items():
        if key.lower().startswith("aws:"):
            raise _invalid("System tags cannot be added/updated by requester", key)
        if not 1 <= len(key) <= 128 or not _spelled(key):
            raise _invalid("The TagKey you have provided is invalid", key)
        if len(value) > 256 or not _spelled(value):
            raise _invalid("The TagValue you have provided is invalid", key)


def _spelled(text: str) -> bool:
    return all(sign in _SIGNS or unicodedata.category(sign)[0] in "LZN" for sign in text)


def _invalid(message: str, key: str) -> AwsError:
    return AwsError("InvalidTag", message, 400, TagKey=key)
