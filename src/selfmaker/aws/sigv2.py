"""S3's signature version 2, which boto3 still uses when it presigns for an endpoint of one's own."""

import base64
import hmac
from urllib.parse import parse_qsl, unquote, unquote_plus

from selfmaker import clock
from selfmaker.aws.http import HttpRequest
from selfmaker.aws.signature import MAX_SKEW, RejectionError, Signature

# The query parameters that are part of the signed resource.
_SIGNED_PARAMETERS = frozenset(
    [
        "accelerate",
        "acl",
        "analytics",
        "cors",
        "defaultObjectAcl",
        "delete",
        "encryption",
        "inventory",
        "lifecycle",
        "location",
        "logging",
        "metrics",
        "notification",
        "object-lock",
        "partNumber",
        "policy",
        "replication",
        "requestPayment",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
        "restore",
        "retention",
        "legal-hold",
        "select",
        "select-type",
        "tagging",
        "torrent",
        "uploadId",
        "uploads",
        "versionId",
        "versioning",
        "versions",
        "website",
        "ownershipControls",
        "publicAccessBlock",
        "intelligent-tiering",
    ]
)


def from_header(http: HttpRequest, authorization: str) -> Signature:
    access_key, _, signature = authorization[4:].strip().partition(":")
    if not access_key or not signature:
        raise RejectionError("incomplete", "AWS authorization header is invalid. Expected AwsAccessKeyId:signature")
    return Signature(2, access_key, signature, payload_hash="UNSIGNED-PAYLOAD")


def from_query(http: HttpRequest) -> Signature:
    query = dict(parse_qsl(http.query, keep_blank_values=True, errors="replace"))
    expires = query.get("Expires", "")
    if not query.get("AWSAccessKeyId") or not query.get("Signature") or not expires:
        raise RejectionError(
            "incomplete", "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters"
        )
    if not (expires.isascii() and expires.isdigit() and len(expires) < 12):
        raise RejectionError("incomplete", f"Invalid date (should be seconds since epoch): {expires}")
    return Signature(
        2,
        query["AWSAccessKeyId"],
        query["Signature"],
        presigned=True,
        expires=float(expires),
        payload_hash="UNSIGNED-PAYLOAD",
    )


def verify(signature: Signature, http: HttpRequest, secret: str) -> None:
    """Raises RejectionError unless ``secret`` made ``signature`` for this request."""
    _check_time(signature, http)
    text = _string_to_sign(signature, http)
    made = base64.b64encode(hmac.digest(secret.encode(), text.encode("latin-1", "replace"), "sha1")).decode()
    if not hmac.compare_digest(made.encode(), signature.signature.encode()):
        raise RejectionError(
            "mismatch",
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method.",
            AWSAccessKeyId=signature.access_key,
            StringToSign=text,
            SignatureProvided=signature.signature,
        )


def _check_time(signature: Signature, http: HttpRequest) -> None:
    from selfmaker.aws.protocols.scalars import MalformedError, timestamp

    now = clock.now()
    if signature.expires is not None:
        if now >= signature.expires:
            raise RejectionError(
                "expired",
                "Request has expired",
                Expires=clock.iso8601(signature.expires),
                ServerTime=clock.iso8601(now),
            )
        return
    date = http.headers.get("x-amz-date") or http.headers.get("date", "")
    try:
        sent = timestamp(date)
    except MalformedError:
        raise RejectionError("incomplete", "AWS authentication requires a valid Date or x-amz-date header") from None
    if abs(now - sent) > MAX_SKEW:
        raise RejectionError(
            "skewed",
            "The difference between the request time and the current time is too large.",
            RequestTime=date,
            ServerTime=clock.iso8601(now),
            MaxAllowedSkewMilliseconds=MAX_SKEW * 1000,
        )


def _string_to_sign(signature: Signature, http: HttpRequest) -> str:
    headers = http.headers
    amz = {k: " ".join(v.split()) for k, v in headers.items() if k.startswith("x-amz-")}
    amz.update(
        (k.lower(), v) for k, v in parse_qsl(http.query, keep_blank_values=True) if k.lower() == "x-amz-security-token"
    )
    date = str(int(signature.expires)) if signature.expires is not None else headers.get("date", "")
    if "x-amz-date" in amz and signature.expires is None:
        date = ""
    lines = [http.method, headers.get("content-md5", ""), headers.get("content-type", ""), date]
    lines += [f"{name}:{value}" for name, value in sorted(amz.items())]
    return "\n".join([*lines, _resource(http)])


def _resource(http: HttpRequest) -> str:
    signed = []
    for part in http.query.split("&"):
        name, equals, value = part.partition("=")
        if unquote(name) in _SIGNED_PARAMETERS:
            signed.append((unquote(name), equals, unquote_plus(value) if equals else ""))
    query = "&".join(f"{name}{equals}{value}" for name, equals, value in sorted(signed))
    return http.resource + ("?" + query if query else "")
