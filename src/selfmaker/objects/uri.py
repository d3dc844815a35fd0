"""The form ``s3://bucket/key``."""


def parse_s3_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of an S3 URI; the key may be empty. Raises ValueError for any other text."""
    scheme, separator, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if not separator or scheme.lower() != "s3" or not bucket:
        raise ValueError(f"not an S3 URI: {uri!r}")
    return bucket, key


def join_s3_uri(uri: str, *parts: str) -> str:
    """``uri`` with path parts after it, one slash between each two."""
    return "/".join([uri.rstrip("/"), *parts])
