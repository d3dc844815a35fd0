"""From a stream of bytes to bytes in a file, digested on the way."""

import io
import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from selfmaker.errors import Invalid
from selfmaker.objects.digest import Digest
from selfmaker.objects.files import Files
from selfmaker.objects.protocol import MIB, ByteSource, Checksum, NoSuchKey, Received, Terms, TooLarge

_CHUNK = MIB
_LARGE = 4 * MIB
_AHEAD = 8  # pieces that may wait to be digested


@dataclass(frozen=True)
class Taken:
    """Bytes that are in a file: its name, and what they are. They are on disk, unless they are ``held`` here."""

    file: str
    size: int
    md5: str
    checksum: Checksum | None
    held: bytes | None = None


def source_of(data: bytes | ByteSource) -> ByteSource:
    """``data`` as something to read from."""
    return io.BytesIO(data) if isinstance(data, bytes) else data


def take_in(files: Files, source: ByteSource, terms: Terms, hold: int = 0) -> Taken:
    """Everything that ``source`` gives, in a file of its own; up to ``hold`` bytes are held instead of being put on
    disk. On any failure nothing is left behind."""
    refuse_if_large(terms)
    blank = files.take()
    held: list[bytes] | None = [] if terms.expected is not None and terms.expected <= hold else None
    try:
        received = _pour(files, source, (blank.descriptor, 0), terms, held)
    except BaseException:
        files.drop(blank)
        raise
    try:
        files.seal(blank, flush=received.size > 0 and held is None)
    except BaseException:
        blank.path.unlink(missing_ok=True)
        raise
    return replace(_taken(blank.name, received, terms), held=b"".join(held) if held else None)


def pour_in(files: Files, source: ByteSource, target: tuple[str, int, int], terms: Terms) -> Taken:
    """Everything that ``source`` gives, into an open file: ``target`` is its name, descriptor and the position. Not
    synced."""
    name, descriptor, position = target
    return _taken(name, _pour(files, source, (descriptor, position), terms), terms)


def digest_file(path: Path, terms: Terms) -> Received:
    """What the file at ``path`` holds. Raises what ``terms.verify`` raises."""
    digest = Digest(_algorithms(terms))
    with path.open("rb") as source:
        for chunk in _chunks(source):
            digest.update(chunk)
    return _received(digest, terms)


def refuse_if_large(terms: Terms) -> None:
    """Raises TooLarge when more bytes are announced than may come."""
    if terms.expected is not None and terms.expected > terms.limit:
        raise TooLarge(str(terms.expected))


class FileSlice:
    """A ByteSource of ``length`` bytes of a file from ``offset``. Close it."""

    def __init__(self, path: Path, offset: int, length: int) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NoSuchKey(path.name) from None  # deleted longer ago than the grace
        self._position, self._end = offset, offset + length

    def read(self, n: int = -1, /) -> bytes:
        left = self._end - self._position
        data = os.pread(self._descriptor, left if n < 0 else min(n, left), self._position)
        self._position += len(data)
        return data

    def __enter__(self) -> "FileSlice":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _pour(
    files: Files, source: ByteSource, target: tuple[int, int], terms: Terms, held: list[bytes] | None = None
) -> Received:
    """Into the open file and position of ``target``, and into ``held`` too where there is such a list."""
    descriptor, position = target
    digest = Digest(_algorithms(terms))
    size = 0
    with _feeding(digest, large=(terms.expected or 0) >= _LARGE) as feed:
        for chunk in _chunks(source):
            size += len(chunk)
            if size > terms.limit:
                raise TooLarge(str(size))
            if terms.expected is not None and size > terms.expected:
                raise Invalid(f"more than the {terms.expected} bytes that were announced")
            feed(chunk)
            if held is not None:
                held.append(chunk)
            files.write(descriptor, chunk, position + size - len(chunk))
    return _received(digest, terms)


@contextmanager
def _feeding(digest: Digest, *, large: bool) -> Iterator[Callable[[bytes], None]]:
    """What to call with each piece; the digest is complete once the block has ended. Much data is digested by a
    thread of its own, because MD5 takes longer than all else that is done to it."""
    if not large:
        yield digest.update
        return
    pieces: queue.Queue[bytes | None] = queue.Queue(_AHEAD)

    def work() -> None:
        while (piece := pieces.get()) is not None:
            digest.update(piece)

    thread = threading.Thread(target=work, name="selfmaker-digest", daemon=True)
    thread.start()
    try:
        yield pieces.put
    finally:
        pieces.put(None)
        thread.join()


def _received(digest: Digest, terms: Terms) -> Received:
    if terms.expected is not None and digest.size != terms.expected:
        raise Invalid(f"{digest.size} bytes came where {terms.expected} were announced")
    received = Received(digest.size, digest.md5, digest.checksums())
    if terms.verify is not None:
        terms.verify(received)
    return received


def _taken(name: str, received: Received, terms: Terms) -> Taken:
    return Taken(name, received.size, received.md5, kept_checksum(received, terms))


def kept_checksum(received: Received, terms: Terms) -> Checksum | None:
    """The checksum that is kept with the bytes."""
    return Checksum(terms.algorithm, received.checksums[terms.algorithm]) if terms.algorithm else None


def _algorithms(terms: Terms) -> set[str]:
    return {name for name in (terms.algorithm, terms.also) if name}


def _chunks(source: ByteSource) -> Iterator[bytes]:
    while chunk := source.read(_CHUNK):
        yield chunk
