"""The body that an operation gets: without its transfer codings, and held to what the signature says of it."""

import zlib

from selfmaker.aws import sigv4
from selfmaker.aws.body import Body, BytesBody, HashedBody
from selfmaker.aws.chunked import ChunkedBody
from selfmaker.aws.errors import AwsError
from selfmaker.aws.http import HttpRequest
from selfmaker.aws.signature import Signature

_MOST = 64 << 20


def is_stream(http: HttpRequest) -> bool:
    """Whether the body is still coming in, so that reading it blocks."""
    return not isinstance(http.body, BytesBody)


def ready(http: HttpRequest, signature: Signature | None, signer: sigv4.ChunkSigner | None) -> Body:
    """The decoded, checked body; ``http.headers`` then describe that instead of what was sent. Raises AwsError."""
    declared = http.headers.get("x-amz-content-sha256", "")
    if signature is not None and signature.presigned and not declared.startswith("STREAMING-"):
        declared = signature.payload_hash or ""
    if declared.startswith("STREAMING-"):
        return _chunked(http, declared, signer)
    if not sigv4.is_hash(declared):
        if declared not in ("", sigv4.UNSIGNED):
            raise AwsError(
                "InvalidArgument",
                "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
                "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER "
                "or a valid sha256 value.",
            )
        return http.body
    body = http.body
    if not isinstance(body, BytesBody):
        return HashedBody(body, declared, lambda found: _mismatch(declared, found))
    found = sigv4.digest_of(body.data)
    if found != declared:
        raise _mismatch(declared, found)
    return body


def _chunked(http: HttpRequest, declared: str, signer: sigv4.ChunkSigner | None) -> Body:
    if declared not in sigv4.STREAMING:
        raise AwsError("InvalidArgument", f"x-amz-content-sha256: {declared} is not supported")
    text = http.headers.get("x-amz-decoded-content-length")
    if text is None or not (text.isascii() and text.isdigit() and len(text) < 16):
        raise AwsError("MissingContentLength", "You must provide the x-amz-decoded-content-length HTTP header.", 411)
    codings = [c.strip() for c in http.headers.get("content-encoding", "").split(",")]
    kept = ",".join(coding for coding in codings if coding and coding.lower() != "aws-chunked")
    http.headers.pop("content-encoding", None)
    if kept:
        http.headers["content-encoding"] = kept
    http.headers["content-length"] = text
    return ChunkedBody(http.body, int(text), signer if "HMAC" in declared else None)


def collect(body: Body, protocol: str) -> bytes:
    """All of it, in memory. Raises AwsError when it is more than any operation takes as a value."""
    data = body.read(_MOST + 1) if body.length is None or body.length <= _MOST else b""
    if len(data) > _MOST or (body.length is not None and body.length > _MOST):
        if protocol == "rest-xml":
            raise AwsError("MaxMessageLengthExceeded", "Your request was too big.")
        raise AwsError("RequestEntityTooLargeException", f"The body is larger than {_MOST} bytes", 413)
    return data


def inflated(data: bytes, http: HttpRequest) -> bytes:
    """The body of a value without the compression that clients give to big requests of some operations (PutMetricData).
    Raises AwsError."""
    coding = http.headers.get("content-encoding", "").strip().lower()
    if coding != "gzip":
        return data
    engine = zlib.decompressobj(wbits=31)
    try:
        whole = engine.decompress(data, _MOST)
    except zlib.error:
        raise AwsError("SerializationException", "the body is not valid gzip") from None
    if not engine.eof:
        raise AwsError("SerializationException", "the body is cut short, or inflates to more than any request holds")
    return whole


def _mismatch(declared: str, found: str) -> AwsError:
    return AwsError(
        "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
        400,
        ClientComputedContentSHA256=declared,
        S3ComputedContentSHA256=found,
    )
