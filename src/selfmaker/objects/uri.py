"""Where an object is, as clients write it: ``s3://bucket/key``, or its address at AWS."""

import re

# bucket.s3.region.amazonaws.com, and the older s3-region; with the bucket in the host or as the path's first part.
_HOST = re.compile(
    r"(?:(?P<bucket>.+)\.)?s3(?:[.-](?:dualstack\.)?[a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?", re.IGNORECASE
)


def parse_s3_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of an S3 URI or of an ``https`` address in S3; the key may be empty. Raises ValueError for any
    other text."""
    scheme, separator, rest = uri.partition("://")
    if scheme.lower() == "https":
        rest = _without_host(rest)
    elif scheme.lower() != "s3":
        rest = ""
    bucket, _, key = rest.partition("/")
    if not separator or not bucket:
        raise ValueError(f"not an S3 URI: {uri!r}")
    return bucket, key


def _without_host(address: str) -> str:
    """``bucket/key`` of an address in S3 (host and path); empty for an address elsewhere."""
    host, _, path = address.partition("/")
    match = _HOST.fullmatch(host)
    if match is None:
        return ""
    return f"{match['bucket']}/{path}" if match["bucket"] else path


def join_s3_uri(uri: str, *parts: str) -> str:
    """``uri`` with path parts after it, one slash between each two."""
    return "/".join([uri.rstrip("/"), *parts])
