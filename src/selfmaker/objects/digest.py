"""Digests of bytes as they stream by: the MD5 of an ETag, and the checksums that S3 knows.

zlib has CRC-32 and hashlib MD5 and SHA; CRC-32C, CRC-64/NVME and xxHash come from awscrt, AWS's own C library.
"""

import base64
import hashlib
import zlib
from collections.abc import Callable, Iterable
from typing import Protocol

from selfmaker.errors import Invalid

ALGORITHMS = (
    "CRC32",
    "CRC32C",
    "CRC64NVME",
    "SHA1",
    "SHA256",
    "SHA512",
    "MD5",
    "XXHASH64",
    "XXHASH3",
    "XXHASH128",
)
"""In S3's spelling."""

SIZES = {
    "CRC32": 4,
    "CRC32C": 4,
    "CRC64NVME": 8,
    "SHA1": 20,
    "SHA256": 32,
    "SHA512": 64,
    "MD5": 16,
    "XXHASH64": 8,
    "XXHASH3": 8,
    "XXHASH128": 16,
}
"""Bytes of each checksum."""


class _Running(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc:
    """A CRC as an object with hashlib's two methods."""

    def __init__(self, step: Callable[[bytes, int], int], size: int) -> None:
        self._step, self._size, self._value = step, size, 0

    def update(self, data: bytes, /) -> None:
        self._value = self._step(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


class _XxHash:
    """awscrt's xxHash, whose ``finalize`` may be called once, with hashlib's two methods."""

    def __init__(self, name: str) -> None:
        from awscrt.checksums import XXHash

        self._hash = getattr(XXHash, f"new_{name}")()

    def update(self, data: bytes, /) -> None:
        self._hash.update(data)

    def digest(self) -> bytes:
        return bytes(self._hash.finalize())


def running(algorithm: str) -> _Running:
    """A fresh digest. Raises Invalid for an algorithm that is not one of ALGORITHMS."""
    if algorithm == "CRC32":
        return _Crc(zlib.crc32, 4)
    if algorithm in ("CRC32C", "CRC64NVME"):
        from awscrt import checksums

        return _Crc(getattr(checksums, algorithm.lower()), SIZES[algorithm])
    if algorithm in ("SHA1", "SHA256", "SHA512", "MD5"):
        return hashlib.new(algorithm.lower(), usedforsecurity=False)
    names = {"XXHASH64": "xxhash64", "XXHASH3": "xxhash3_64", "XXHASH128": "xxhash3_128"}
    if algorithm in names:
        return _XxHash(names[algorithm])
    raise Invalid(f"no checksum algorithm {algorithm!r}; there are {', '.join(ALGORITHMS)}")


class Digest:
    """The MD5 and the checksums by ``algorithms`` of what ``update`` was given. Not thread safe."""

    def __init__(self, algorithms: Iterable[str] = ()) -> None:
        self.size = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._running = {algorithm: running(algorithm) for algorithm in algorithms}

    def update(self, data: bytes) -> None:
        self.size += len(data)
        self._md5.update(data)
        for checksum in self._running.values():
            checksum.update(data)

    @property
    def md5(self) -> str:
        """In hexadecimal."""
        return self._md5.hexdigest()

    def checksums(self) -> dict[str, str]:
        """In base64, by algorithm. To be called once, at the end."""
        return {name: base64.b64encode(checksum.digest()).decode() for name, checksum in self._running.items()}


def multipart_etag(etags: Iterable[str]) -> str:
    """The MD5 of the parts' MD5s and their number: the ETag of an object that was uploaded in parts."""
    raw = [bytes.fromhex(etag) for etag in etags]
    return f"{hashlib.md5(b''.join(raw), usedforsecurity=False).hexdigest()}-{len(raw)}"


def composite(algorithm: str, values: Iterable[str]) -> str:
    """The checksum of the parts' checksums and their number; ``values`` in base64."""
    raw = [base64.b64decode(value) for value in values]
    total = running(algorithm)
    total.update(b"".join(raw))
    return f"{base64.b64encode(total.digest()).decode()}-{len(raw)}"


def combined(algorithm: str, parts: Iterable[tuple[str, int]]) -> str:
    """The CRC of the whole from the parts' CRCs (base64) and sizes, without their bytes."""
    from awscrt import checksums

    combine = getattr(checksums, f"combine_{algorithm.lower()}")
    total = 0
    for value, size in parts:
        total = combine(total, int.from_bytes(base64.b64decode(value), "big"), size)
    return base64.b64encode(total.to_bytes(SIZES[algorithm], "big")).decode()


def combines(algorithm: str) -> bool:
    """Whether ``combined`` knows the algorithm."""
    return algorithm in ("CRC32", "CRC32C", "CRC64NVME")
