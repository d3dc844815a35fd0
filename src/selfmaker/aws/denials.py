"""A rejected signature in each service's own words."""

from selfmaker.aws.errors import AwsError
from selfmaker.aws.signature import RejectionError, Signature

_JSON = {
    "missing": "MissingAuthenticationTokenException",
    "incomplete": "IncompleteSignatureException",
    "unknown_key": "UnrecognizedClientException",
}
_QUERY = {
    "missing": "MissingAuthenticationToken",
    "incomplete": "IncompleteSignature",
    "unknown_key": "InvalidClientTokenId",
}
_S3 = {
    "missing": ("AccessDenied", 403, "Access Denied"),
    "unknown_key": ("InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist in our records."),
    "mismatch": (
        "SignatureDoesNotMatch",
        403,
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method.",
    ),
    "skewed": (
        "RequestTimeTooSkewed",
        403,
        "The difference between the request time and the current time is too large.",
    ),
    "expired": ("AccessDenied", 403, ""),
    "unsigned_headers": ("AccessDenied", 403, ""),
}


def denial(rejection: RejectionError, protocol: str, signature: Signature | None) -> AwsError:
    """The error that the service which speaks ``protocol`` gives."""
    kind = rejection.kind
    if protocol == "rest-xml":
        return _s3(rejection, signature)
    if protocol == "query":
        status = 400 if kind == "incomplete" else 403
        return AwsError(_QUERY.get(kind, "SignatureDoesNotMatch"), rejection.message, status)
    status = 403 if protocol == "rest-json" or kind in ("missing", "incomplete") else 400
    return AwsError(_JSON.get(kind, "InvalidSignatureException"), rejection.message, status)


def _s3(rejection: RejectionError, signature: Signature | None) -> AwsError:
    if rejection.kind == "incomplete":
        in_query = signature is None and rejection.message.startswith(("X-Amz", "Query"))
        code = "AuthorizationQueryParametersError" if in_query else "AuthorizationHeaderMalformed"
        return AwsError(code, rejection.message, 400)
    code, status, message = _S3[rejection.kind]
    return AwsError(code, message or rejection.message, status, **rejection.details)
