"""AWS's signatures: who signed a request, and whether they did.

Reads Signature Version 4 from headers and from query strings, and hands S3's old version 2 to ``sigv2``. What is wrong
with a signature is a RejectionError; ``denials`` says it in the words of the service.
"""

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import lru_cache
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from selfmaker import clock
from selfmaker.aws import sigv2
from selfmaker.aws.http import HttpRequest
from selfmaker.aws.signature import MAX_SKEW, RejectionError, Signature

EMPTY_HASH = sha256(b"").hexdigest()
UNSIGNED = "UNSIGNED-PAYLOAD"
STREAMING = (
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
)
_WEEK = 7 * 24 * 3600
_STAMP = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MARKS = ("X-Amz-Algorithm=", "X-Amz-Signature=", "AWSAccessKeyId=")
_SIGNATURE = re.compile(r"Signature=([^,\s]+)")
_FIELD = re.compile(r"(Credential|SignedHeaders)=([^,\s]*)")


@dataclass(frozen=True)
class ChunkSigner:
    """Continues a request's signature over the chunks of its body."""

    key: bytes
    stamp: str
    scope: str
    seed: str = field(repr=False)

    def chunk(self, previous: str, data_hash: str) -> str:
        text = f"AWS4-HMAC-SHA256-PAYLOAD\n{self.stamp}\n{self.scope}\n{previous}\n{EMPTY_HASH}\n{data_hash}"
        return _mac(self.key, text).hex()

    def trailer(self, previous: str, data_hash: str) -> str:
        text = f"AWS4-HMAC-SHA256-TRAILER\n{self.stamp}\n{self.scope}\n{previous}\n{data_hash}"
        return _mac(self.key, text).hex()


def claimed(http: HttpRequest) -> bool:
    """Whether the request carries a signature of any kind, good or not."""
    return "authorization" in http.headers or any(mark in http.query for mark in _MARKS)


def read(http: HttpRequest) -> Signature | None:
    """The signature that came with the request, None for an anonymous one. Raises RejectionError for half a one."""
    authorization = http.headers.get("authorization")
    if authorization is not None:
        if authorization.startswith("AWS4-HMAC-SHA256"):
            return _from_header(http, authorization)
        if authorization.startswith("AWS "):
            return sigv2.from_header(http, authorization)
        raise RejectionError("incomplete", "Unsupported Authorization Type")
    if "X-Amz-Algorithm=" in http.query or "X-Amz-Signature=" in http.query:
        return _from_query(http)
    if "AWSAccessKeyId=" in http.query:
        return sigv2.from_query(http)
    return None


def _from_header(http: HttpRequest, authorization: str) -> Signature:
    signature = _SIGNATURE.search(authorization)
    if signature is None:
        raise RejectionError("incomplete", "Authorization header requires 'Signature' parameter.")
    rest = authorization[: signature.start()] + authorization[signature.end() :]
    (access_key, date, region, service), names = _scope_and_names(rest)
    stamp = http.headers.get("x-amz-date") or _from_date(http.headers.get("date", ""))
    if not _STAMP.fullmatch(stamp):
        raise RejectionError(
            "incomplete", "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        )
    if stamp[:8] != date:
        raise RejectionError(
            "mismatch",
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date "
            f"from HTTP: '{date}' != '{stamp[:8]}', from '{stamp}'.",
        )
    return Signature(
        4,
        access_key,
        signature[1],
        region,
        service,
        stamp,
        names,
        payload_hash=http.headers.get("x-amz-content-sha256"),
    )


@lru_cache(maxsize=1024)
def _scope_and_names(authorization: str) -> tuple[tuple[str, str, str, str], tuple[str, ...]]:
    """What is the same in all requests that a client signs alike on one day."""
    found = dict(_FIELD.findall(authorization))
    missing = [name for name in ("Credential", "SignedHeaders") if not found.get(name)]
    if missing:
        wanted = " ".join(f"Authorization header requires '{name}' parameter." for name in missing)
        raise RejectionError("incomplete", wanted)
    return _credential(found["Credential"]), _names(found["SignedHeaders"])


def _from_query(http: HttpRequest) -> Signature:
    query = dict(parse_qsl(http.query, keep_blank_values=True, errors="replace"))
    if query.get("X-Amz-Algorithm") != "AWS4-HMAC-SHA256":
        raise RejectionError("incomplete", 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"')
    names = ("X-Amz-Credential", "X-Amz-Signature", "X-Amz-Date", "X-Amz-SignedHeaders")
    if any(not query.get(name) for name in names):
        raise RejectionError(
            "incomplete",
            "Query-string authentication version 4 requires the X-Amz-Algorithm, "
            "X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
        )
    access_key, date, region, service = _credential(query["X-Amz-Credential"])
    stamp = query["X-Amz-Date"]
    if not _STAMP.fullmatch(stamp) or stamp[:8] != date:
        raise RejectionError("incomplete", "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
    lifetime = query.get("X-Amz-Expires", "" if service == "s3" else "900")
    if not (lifetime.isascii() and lifetime.isdigit() and len(lifetime) < 12):
        raise RejectionError("incomplete", "X-Amz-Expires should be a number")
    if int(lifetime) > _WEEK:
        raise RejectionError(
            "incomplete",
            "X-Amz-Expires must be less than a week (in seconds); "
            "that is, the given X-Amz-Expires must be less than 604800 seconds",
        )
    payload = query.get("X-Amz-Content-Sha256") or http.headers.get("x-amz-content-sha256")
    return Signature(
        4,
        access_key,
        query["X-Amz-Signature"],
        region,
        service,
        stamp,
        _names(query["X-Amz-SignedHeaders"]),
        presigned=True,
        expires=moment(stamp) + int(lifetime),
        payload_hash=payload or (UNSIGNED if service == "s3" else None),
    )


def _credential(text: str) -> tuple[str, str, str, str]:
    parts = text.rsplit("/", 4)
    if len(parts) != 5 or parts[4] != "aws4_request" or not all(parts):
        raise RejectionError(
            "incomplete",
            "Credential must have at least 5 slash-delimited elements and end in 'aws4_request', "
            f"e.g. keyid/date/region/service/aws4_request, got '{text}'",
        )
    return parts[0], parts[1], parts[2], parts[3]


@lru_cache(maxsize=256)
def _names(text: str) -> tuple[str, ...]:
    return tuple(name.lower() for name in text.split(";"))


def _from_date(date: str) -> str:
    from selfmaker.aws.protocols.scalars import MalformedError, timestamp

    try:
        return datetime.fromtimestamp(timestamp(date), tz=timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    except MalformedError:
        return ""


@lru_cache(maxsize=64)
def moment(stamp: str) -> float:
    """``20240501T120000Z`` as seconds since the epoch. Raises RejectionError for a day that doesn't exist."""
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        raise RejectionError("incomplete", f"'{stamp}' is not a date") from None


def verify(signature: Signature, http: HttpRequest, secret: str | None, payload_hash: str) -> None:
    """Raises RejectionError unless ``secret`` made ``signature`` for this request. ``payload_hash`` is what the body
    hashes to, or what the request says of it where that is signed."""
    if secret is None:
        raise RejectionError(
            "unknown_key", "The security token included in the request is invalid.", AWSAccessKeyId=signature.access_key
        )
    if signature.version == 2:
        sigv2.verify(signature, http, secret)
        return
    _check_time(signature)
    _check_coverage(signature, http)
    key = _key(secret, signature)
    given = signature.signature.encode("ascii", "replace").decode()
    tried: list[tuple[str, str]] = []
    for path, query in _spellings(signature, http):
        request = _canonical_request(http, path, query, (signature, payload_hash))
        digest = sha256(request.encode("latin-1", "replace")).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{signature.stamp}\n{signature.scope}\n{digest}"
        if hmac.compare_digest(_mac(key, text).hex(), given):
            return
        tried.append((request, text))
    raise RejectionError(
        "mismatch",
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
        "Key and signing method. Consult the service documentation for details.",
        AWSAccessKeyId=signature.access_key,
        StringToSign=tried[0][1],
        SignatureProvided=signature.signature,
        CanonicalRequest=tried[0][0],
    )


def chunk_signer(signature: Signature, secret: str) -> ChunkSigner:
    return ChunkSigner(_key(secret, signature), signature.stamp, signature.scope, signature.signature)


def _key(secret: str, signature: Signature) -> bytes:
    return signing_key(secret, signature.stamp[:8], signature.region, signature.service)


@lru_cache(maxsize=512)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = _mac(("AWS4" + secret).encode(), date)
    for part in (region, service, "aws4_request"):
        key = _mac(key, part)
    return key


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _check_time(signature: Signature) -> None:
    now, sent = clock.now(), moment(signature.stamp)
    if signature.expires is None and abs(now - sent) <= MAX_SKEW:
        return
    server = clock.iso8601(now)
    if signature.expires is not None:
        if now >= signature.expires:
            raise RejectionError(
                "expired", "Request has expired", Expires=clock.iso8601(signature.expires), ServerTime=server
            )
        if sent > now + MAX_SKEW:
            raise RejectionError("expired", "Request is not valid yet", ServerTime=server)
    else:
        side = "expired" if sent < now else "not yet current"
        stamp = datetime.fromtimestamp(now, tz=timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        raise RejectionError(
            "skewed",
            f"Signature {side}: {signature.stamp} is too far from {stamp} (15 min.)",
            RequestTime=signature.stamp,
            ServerTime=server,
            MaxAllowedSkewMilliseconds=MAX_SKEW * 1000,
        )


def _check_coverage(signature: Signature, http: HttpRequest) -> None:
    if "host" not in signature.signed_headers:
        raise RejectionError("mismatch", "'Host' must be a 'SignedHeader' in the AWS Authorization.")
    if signature.service == "s3":
        loose = [
            name
            for name in http.headers
            if name.startswith("x-amz-")
            and name not in signature.signed_headers
            and not (signature.presigned and name == "x-amz-content-sha256")
        ]
        if loose:
            raise RejectionError(
                "unsigned_headers",
                "There were headers present in the request which were not signed",
                HeadersNotSigned=", ".join(sorted(loose)),
            )


def _spellings(signature: Signature, http: HttpRequest) -> Any:
    """The ways in which clients write the path and query that they sign, the common one first."""
    query = _query(http.query, signature, exact=True)
    tidy = _query(http.query, signature, exact=False)
    if signature.service == "s3":
        yield http.path, query
        yield quote(unquote(http.path), safe="/-._~"), tidy
    elif http.path == "/":
        yield "/", query
    else:
        yield quote(_without_dots(http.path), safe="/-._~"), query
        yield quote(quote(unquote(_without_dots(http.path)), safe="/-._~"), safe="/-._~"), tidy
        yield http.path, query
    yield http.path, tidy


def _query(query: str, signature: Signature, *, exact: bool) -> str:
    if not query:
        return ""
    pairs = []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if signature.presigned and name == "X-Amz-Signature":
            continue
        if not exact:
            name, value = quote(unquote(name), safe="-._~"), quote(unquote(value), safe="-._~")
        pairs.append((name, value))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _without_dots(path: str) -> str:
    if "/." not in path and "//" not in path:
        return path
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del kept[-1:]
        elif part not in ("", "."):
            kept.append(part)
    return "/" + "/".join(kept) + ("/" if path.endswith("/") and kept else "")


def _canonical_request(http: HttpRequest, path: str, query: str, signed: tuple[Signature, str]) -> str:
    signature, payload_hash = signed
    headers = http.headers
    lines = [http.method, path, query]
    for name in signature.signed_headers:
        value = headers.get(name, "")
        if "  " in value:
            value = " ".join(value.split())
        lines.append(f"{name}:{value.strip()}")
    return "\n".join([*lines, "", ";".join(signature.signed_headers), payload_hash])


def is_hash(text: str) -> bool:
    """Whether ``text`` is a SHA-256 in lower-case hexadecimal."""
    return _HASH.fullmatch(text) is not None


def digest_of(data: bytes) -> str:
    return sha256(data).hexdigest() if data else EMPTY_HASH


SecretOf = Callable[[str], str | None]
