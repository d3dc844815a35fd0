"""Digests that clients send with their bytes, and checksums that they are told.

A checksum comes in a header, or in a trailer after the bytes, which is known only once they have been read.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from selfmaker.aws.body import Body
from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Request
from selfmaker.objects.digest import ALGORITHMS, SIZES
from selfmaker.objects.protocol import Checksum, Received
from selfmaker.s3.wording import invalid_request

_HEADER = "x-amz-checksum-"
_PREFIX = "Checksum"


@dataclass(frozen=True)
class Claim:
    """What the client says of its bytes. ``value`` is None where it follows in a trailer; ``algorithm`` where it says
    nothing."""

    algorithm: str | None
    value: str | None
    md5: str | None

    def verifier(self, body: Body | None = None) -> Callable[[Received], None]:
        """The check of what was received against the claim; raises AwsError."""

        def verify(received: Received) -> None:
            if self.md5 is not None and received.md5 != self.md5:
                message = "The Content-MD5 you specified did not match what we received."
                raise AwsError("BadDigest", message, 400, ExpectedDigest=self.md5, CalculatedDigest=received.md5)
            if self.algorithm is not None:
                value = self.value if self.value is not None else _trailer(body, self.algorithm)
                if received.checksums[self.algorithm] != value:
                    raise mismatch(self.algorithm)

        return verify


def claim(call: Call, request: Request) -> Claim:
    """Raises AwsError for digests that cannot be, or contradict each other."""
    headers = call.headers
    md5 = _content_md5(request.get("ContentMD5"))
    named = [name for name in ALGORITHMS if request.get(member(name)) is not None]
    trailing = _trailer_algorithm(headers.get("x-amz-trailer", ""))
    if len(named) > 1 or (named and trailing):
        raise invalid_request("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
    announced = algorithm_named(headers.get("x-amz-sdk-checksum-algorithm") or request.get("ChecksumAlgorithm"))
    if not named and not trailing:
        if announced and "x-amz-sdk-checksum-algorithm" in headers:
            raise invalid_request(
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* "
                "or x-amz-trailer headers "
                "were found."
            )
        return Claim(None, None, md5)
    algorithm = named[0] if named else trailing
    assert algorithm is not None
    if announced not in (None, algorithm):
        raise invalid_request("Value for x-amz-sdk-checksum-algorithm header is invalid.")
    value = request.get(member(algorithm)) if named else None
    if value is not None:
        check_value(algorithm, value)
    return Claim(algorithm, value, md5)


def algorithm_named(text: str | None) -> str | None:
    """The algorithm that a header names. Raises AwsError when there is none of that name."""
    if not text:
        return None
    if text.upper() not in ALGORITHMS:
        raise invalid_request(
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: "
            f"[{', '.join(ALGORITHMS)}]"
        )
    return text.upper()


def member(algorithm: str) -> str:
    """The member that carries a checksum: ChecksumCRC32."""
    return _PREFIX + algorithm


def check_value(algorithm: str, value: str) -> None:
    """Raises AwsError unless ``value`` can be a checksum of that algorithm."""
    try:
        good = len(base64.b64decode(value, validate=True)) == SIZES[algorithm]
    except (binascii.Error, ValueError):
        good = False
    if not good:
        raise invalid_request(f"Value for {_HEADER}{algorithm.lower()} header is invalid.")


def mismatch(algorithm: str) -> AwsError:
    return AwsError("BadDigest", f"The {algorithm} you specified did not match the calculated checksum.", 400)


def named_checksum(members: Mapping[str, Any]) -> Checksum | None:
    """The checksum that a document (a part of a completion) names, if any."""
    for algorithm in ALGORITHMS:
        value = members.get(member(algorithm))
        if value is not None:
            return Checksum(algorithm, value)
    return None


def checksum_members(checksum: Checksum | None, *, kind: bool = True) -> dict[str, str]:
    """A checksum as members of an output; ``kind``: with its ChecksumType."""
    if checksum is None:
        return {}
    members = {member(checksum.algorithm): checksum.value}
    if kind:
        members["ChecksumType"] = type_name(checksum)
    return members


def type_name(checksum: Checksum) -> str:
    return "COMPOSITE" if checksum.composite else "FULL_OBJECT"


def _content_md5(text: str | None) -> str | None:
    """In hexadecimal."""
    if text is None:
        return None
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != 16:
        raise AwsError("InvalidDigest", "The Content-MD5 you specified was invalid.", 400, **{"Content-MD5": text})
    return digest.hex()


def _trailer_algorithm(header: str) -> str | None:
    names = [name.strip().lower() for name in header.split(",") if name.strip()]
    for name in names:
        algorithm = name.removeprefix(_HEADER).upper()
        if not name.startswith(_HEADER) or algorithm not in ALGORITHMS:
            raise invalid_request("The value specified in the x-amz-trailer header is not supported")
        return algorithm
    return None


def _trailer(body: Body | None, algorithm: str) -> str:
    value = body.trailers.get(_HEADER + algorithm.lower()) if body is not None else None
    if value is None:
        message = (
            "The request contained trailing data that was not well-formed or did not conform to our published schema."
        )
        raise AwsError("MalformedTrailerError", message, 400)
    check_value(algorithm, value)
    return value
