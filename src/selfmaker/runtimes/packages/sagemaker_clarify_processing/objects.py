"""Objects in S3, by their URIs."""

from __future__ import annotations

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from sagemaker_clarify_processing.job import UserError


def read(uri: str) -> bytes:
    """The bytes of an object, or of all below a prefix. Raises UserError."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    try:
        s3 = boto3.client("s3")
        found = s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
        parts = [s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read() for item in found if item["Size"]]
    except (BotoCoreError, ClientError) as error:
        raise UserError(f"{uri} cannot be read: {error}") from None
    if not parts:
        raise UserError(f"There is nothing at {uri}.")
    return b"".join(parts)
