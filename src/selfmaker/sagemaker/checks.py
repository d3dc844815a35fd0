"""What AWS checks in the requests of every kind of job beyond what the model says."""

from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call
from selfmaker.errors import NotFound
from selfmaker.objects.store import ObjectStore
from selfmaker.objects.uri import parse_s3_uri
from selfmaker.runtimes.catalog import runtime_for


def invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)


def check_image(field: str, uri: str) -> None:
    """Some runtime stands for the image."""
    try:
        runtime_for(uri)
    except NotFound as error:
        raise invalid(f"{field}: {error.message}") from None


def s3_location(field: str, uri: str) -> tuple[str, str]:
    """Bucket and key of an S3 URI in a request."""
    try:
        return parse_s3_uri(uri)
    except ValueError:
        raise invalid(f"{field}: {uri!r} is not an S3 URI of the form s3://bucket/key") from None


def check_data(call: Call, field: str, uri: str, role: str) -> None:
    """There is something below ``uri``."""
    bucket, prefix = s3_location(field, uri)
    store = call.use(ObjectStore)
    reason = "The specified bucket does not exist"
    if store.bucket_exists(bucket):
        if next(iter(store.list(bucket, prefix)), None) is not None:
            return
        reason = "no object has that prefix"
    raise invalid(
        f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket exists in '
        f"the selected region ({call.region}), that objects exist under that S3 prefix, and that the role "
        f'"{role}" has "s3:ListBucket" permissions on bucket "{bucket}". Error message from S3: {reason}'
    )
