"""The engine's errors in AWS's words, where a service doesn't word them itself."""

import errno

from selfmaker import errors
from selfmaker.aws.body import ClientDisconnectedError
from selfmaker.aws.errors import AwsError

# Unavailable is 501, not 503: this machine lacks something, so that trying again, as clients do on 503, is no use.
_JSON = {
    errors.NotFound: ("ValidationException", 400),
    errors.AlreadyExists: ("ValidationException", 400),
    errors.Invalid: ("ValidationException", 400),
    errors.Conflict: ("ValidationException", 400),
    errors.LimitExceeded: ("ResourceLimitExceeded", 400),
    errors.Denied: ("AccessDeniedException", 400),
    errors.Unavailable: ("ServiceUnavailable", 501),
}
_QUERY = {
    errors.NotFound: ("NoSuchEntity", 404),
    errors.AlreadyExists: ("EntityAlreadyExists", 409),
    errors.Invalid: ("ValidationError", 400),
    errors.Conflict: ("DeleteConflict", 409),
    errors.LimitExceeded: ("LimitExceeded", 409),
    errors.Denied: ("AccessDenied", 403),
    errors.Unavailable: ("ServiceUnavailable", 501),
}
_S3 = {
    errors.NotFound: ("NoSuchKey", 404),
    errors.AlreadyExists: ("BucketAlreadyOwnedByYou", 409),
    errors.Invalid: ("InvalidArgument", 400),
    errors.Conflict: ("OperationAborted", 409),
    errors.LimitExceeded: ("EntityTooLarge", 400),
    errors.Denied: ("AccessDenied", 403),
    errors.Unavailable: ("ServiceUnavailable", 501),
}
_TABLES = {"rest-xml": _S3, "query": _QUERY}
_INTERNAL = {"rest-xml": "InternalError"}


def translated(error: BaseException, protocol: str) -> AwsError | None:
    """The AWS error for ``error``; None when it is a defect of ours and belongs in the log."""
    if isinstance(error, AwsError):
        return error
    if isinstance(error, errors.SelfmakerError):
        for kind, (code, status) in _TABLES.get(protocol, _JSON).items():
            if isinstance(error, kind):
                return AwsError(code, error.message, status)
    if isinstance(error, ClientDisconnectedError):
        return AwsError("RequestTimeout", str(error), 400)
    if disk_full(error):
        return AwsError("InsufficientStorage", "No space is left on the server's disk", 507)
    return None


def disk_full(error: BaseException | None) -> bool:
    """Whether ``error`` or what it came from says that the disk is full, SQLite's way included."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "database or disk is full" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def internal_failure(protocol: str, request_id: str) -> AwsError:
    """What a client is told of a defect of ours; the log has the rest under the same request id."""
    code = _INTERNAL.get(protocol, "InternalFailure")
    return AwsError(
        code,
        f"The request processing has failed because of an unknown error; the server's log has more under {request_id}",
        500,
    )
