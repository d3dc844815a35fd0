"""The object that a copy is made of."""

from urllib.parse import unquote

from selfmaker.aws.operation import Call, Request
from selfmaker.errors import SelfmakerError
from selfmaker.objects.protocol import ObjectInfo
from selfmaker.s3 import conditions, encryption
from selfmaker.s3.wording import access_denied, check_version, invalid_argument, objects_of, worded


def source_of(call: Call, request: Request) -> ObjectInfo:
    """The source, its conditions and its key of the customer's checked. Raises AwsError."""
    bucket, key = _split(request["CopySource"])
    store = objects_of(call)
    try:
        if request.get("ExpectedSourceBucketOwner") not in (None, call.account):
            store.require_bucket(bucket)
            raise access_denied()
        info = store.head(bucket, key)
    except SelfmakerError as error:
        raise worded(error, bucket, key) from error
    encryption.check_access(info.attributes.system, request, "CopySource")
    conditions.check_copy_source(request, info)
    return info


def _split(text: str) -> tuple[str, str]:
    path, question, query = text.partition("?")
    if question:
        name, _, version = query.partition("=")
        if name != "versionId":
            path = text  # a client that does not encode: the question mark belongs to the key
        else:
            check_version({"VersionId": version})
    try:
        bucket, slash, key = unquote(path, errors="strict").removeprefix("/").partition("/")
    except UnicodeDecodeError:
        bucket, slash, key = "", "", ""
    if not (bucket and slash and key):
        raise invalid_argument("Invalid copy source object key", "x-amz-copy-source", text)
    return bucket, key
