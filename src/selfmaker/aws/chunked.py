"""The ``aws-chunked`` content coding: chunks inside the body, signed or not, with trailing headers at its end."""

import hmac
import re
from hashlib import sha256

from selfmaker.aws.body import Body
from selfmaker.aws.errors import AwsError
from selfmaker.aws.sigv4 import ChunkSigner

_LINE_LIMIT = 4096
_TRAILER_LIMIT = 16 << 10
_CHUNK_LIMIT = 64 << 20
_READ = 256 << 10
_SIZE = re.compile(rb"[0-9a-fA-F]{1,12}")


class ChunkedBody(Body):
    """The decoded body. ``signer`` checks each chunk's signature, and the trailer's, where the client signed them.

    A signed chunk is handed out only after its signature was checked; the last bytes only after the trailer was.
    """

    def __init__(self, source: Body, length: int | None, signer: ChunkSigner | None) -> None:
        super().__init__(length)
        self._source = source
        self._signer = signer
        self._previous = signer.seed if signer is not None else ""
        self._raw = bytearray()
        self._decoded = bytearray()
        self._left = 0  # bytes of the present unsigned chunk that have not come yet
        self._ended = False
        self._given = 0

    def read(self, n: int = -1) -> bytes:
        if n == 0:
            return b""
        while not self._ended and (n < 0 or len(self._decoded) <= n):
            self._advance()
        data = bytes(self._decoded if n < 0 else memoryview(self._decoded)[:n])
        del self._decoded[: len(data)]
        return data

    def _advance(self) -> None:
        if self._left:
            self._take_chunk_part()
            return
        size, signature = self._chunk_header()
        if size == 0:
            self._end(signature)
        elif self._signer is None:
            self._left = size
        else:
            if size > _CHUNK_LIMIT:
                raise AwsError("InvalidChunkSizeError", "A chunk is larger than 64 MiB")
            data = self._exactly(size)
            self._check(self._signer.chunk(self._previous, sha256(data).hexdigest()), signature)
            self._previous = signature
            self._deliver(data)
            self._line_end()

    def _take_chunk_part(self) -> None:
        if not self._raw:
            self._fill()
        part = bytes(self._raw[: self._left])
        del self._raw[: len(part)]
        self._left -= len(part)
        self._deliver(part)
        if not self._left:
            self._line_end()

    def _deliver(self, data: bytes) -> None:
        self._decoded += data
        self._given += len(data)
        if self.length is not None and self._given > self.length:
            raise _incomplete("more bytes came than x-amz-decoded-content-length says")

    def _chunk_header(self) -> tuple[int, str]:
        line = self._line()
        size, _, extension = line.partition(b";")
        if not _SIZE.fullmatch(size.strip()):
            raise _incomplete("a chunk's size is not hexadecimal")
        signature = ""
        if extension.startswith(b"chunk-signature="):
            signature = extension.removeprefix(b"chunk-signature=").decode("latin-1").strip()
        return int(size, 16), signature

    def _end(self, signature: str) -> None:
        if self._signer is not None:
            self._check(self._signer.chunk(self._previous, sha256(b"").hexdigest()), signature)
            self._previous = signature
        self._read_trailers()
        if self.length is not None and self._given != self.length:
            raise _incomplete("fewer bytes came than x-amz-decoded-content-length says")
        self._source.read(1)  # to the end of the message, so that the connection can go on
        self._ended = True

    def _read_trailers(self) -> None:
        lines: list[str] = []
        total = 0
        signature = ""
        while line := self._line(or_end=True):
            name, colon, value = line.decode("latin-1").partition(":")
            total += len(line)
            if not colon or total > _TRAILER_LIMIT:
                raise AwsError(
                    "MalformedTrailerError",
                    "The request contained trailing data that was not well-formed or did not conform to our published "
                    "schema.",
                )
            name = name.strip().lower()
            if name == "x-amz-trailer-signature":
                signature = value.strip()
            else:
                self.trailers[name] = value.strip()
                lines.append(f"{name}:{value.strip()}\n")
        if self._signer is not None and (lines or signature):
            found = self._signer.trailer(self._previous, sha256("".join(lines).encode("latin-1")).hexdigest())
            self._check(found, signature)

    def _check(self, made: str, given: str) -> None:
        if not hmac.compare_digest(made.encode(), given.encode("latin-1", "replace")):
            raise AwsError(
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you "
                "provided. Check your key and signing method.",
                403,
            )

    # --- the coded bytes

    def _fill(self) -> None:
        data = self._source.read(_READ)
        if not data:
            raise _incomplete("the body ended inside a chunk")
        self._raw += data

    def _exactly(self, size: int) -> bytes:
        while len(self._raw) < size:
            self._fill()
        data = bytes(self._raw[:size])
        del self._raw[:size]
        return data

    def _line(self, *, or_end: bool = False) -> bytes:
        while (end := self._raw.find(b"\n")) < 0:
            if len(self._raw) > _LINE_LIMIT:
                raise _incomplete("a line is too long")
            data = self._source.read(_READ)
            if not data:
                if or_end and not self._raw.strip():
                    return b""
                raise _incomplete("the body ended inside a line")
            self._raw += data
        line = bytes(self._raw[:end])
        del self._raw[: end + 1]
        return line.rstrip(b"\r")

    def _line_end(self) -> None:
        if self._line():
            raise _incomplete("a chunk is longer than its size says")


def _incomplete(why: str) -> AwsError:
    return AwsError("IncompleteBody", f"The request body terminated unexpectedly: {why}")
