"""The folder that holds the bytes: immutable files with names that nobody chose.

    <folder>/3f/<generation><random>     one file: 8 + 24 hexadecimal characters; the folder is the name's last two
    <folder>/ballast                     space held back for deletions on a full disk
    <folder>/generations/<generation>    locked by the process that makes files of that generation, while it lives

A file belongs to the process of its generation until an SQL row refers to it. So ``sweep`` may remove a file when
no row refers to it and the process that made it is gone.
"""

import errno
import fcntl
import os
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from selfmaker.errors import Unavailable
from selfmaker.objects.ballast import FULL, Ballast
from selfmaker.objects.graveyard import Graveyard
from selfmaker.objects.protocol import GRACE_SECONDS, MIB, NoSuchUpload
from selfmaker.objects.stock import Blank, Stock, drop, sync_folder

_SHARDS = tuple(f"{n:02x}" for n in range(256))


class Files:
    """Makes, links and removes the files. Thread safe; several processes may share a folder."""

    def __init__(self, folder: Path, grace: float = GRACE_SECONDS) -> None:
        self.folder = folder
        self._paths = {shard: folder / shard for shard in _SHARDS}
        self._make_folders()
        self._generation, self._lock = _begin_generation(folder / "generations")
        self._graveyard = Graveyard(grace)
        self._ballast = Ballast(folder / "ballast")
        self._stock = Stock(self._place)
        self._sweeper: threading.Thread | None = None

    def path(self, name: str) -> Path:
        """Where the file of that name is."""
        return self._paths[name[-2:]] / name

    def take(self) -> Blank:
        """An empty file of one's own: ``write`` it, then ``seal`` or ``drop`` it. Raises Unavailable on a full disk."""
        try:
            return self._stock.take()
        except OSError as error:
            if error.errno not in FULL or not self._graveyard.empty():
                raise _translated(error) from error
            return self._stock.take()

    def take_open(self) -> str:
        """The name of an empty file of one's own that is to be written through ``opened``."""
        blank = self.take()
        os.fchmod(blank.descriptor, 0o600)
        os.close(blank.descriptor)
        return blank.name

    @contextmanager
    def opened(self, name: str) -> Iterator[int]:
        """A file of ``take_open`` open for reading and writing. Raises NoSuchUpload when it is gone: the upload was
        aborted."""
        path = self.path(name)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NoSuchUpload(name) from None
        except PermissionError:  # a completion was cut short after it had made the file immutable
            path.chmod(0o600)
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def copy(self, name: str, position: int, size: int, target: tuple[int, int]) -> None:
        """Copy ``size`` bytes of the file ``name`` from ``position`` to the open file and position of ``target``, in
        the kernel where it can (file systems that share blocks then copy nothing)."""
        descriptor, to = target
        source = os.open(self.path(name), os.O_RDONLY | os.O_CLOEXEC)
        try:
            done = 0
            while done < size:
                count = _copied(source, descriptor, size - done, position + done, to + done)
                if not count:  # not possible here, or no room: the plain way, which knows what to do about that
                    data = os.pread(source, min(MIB, size - done), position + done)
                    self.write(descriptor, data, to + done)
                    count = len(data)
                if not count:
                    raise OSError(errno.EIO, f"{name} is shorter than its row says")
                done += count
        finally:
            os.close(source)

    def write(self, descriptor: int, data: bytes | memoryview, position: int) -> None:
        """Write all of ``data`` at ``position``. Raises Unavailable when the disk is full even after clearing out."""
        view = memoryview(data)
        while view:
            try:
                done = os.pwrite(descriptor, view, position)
            except OSError as error:
                if error.errno in FULL and self._graveyard.empty():
                    continue
                raise _translated(error) from error
            view, position = view[done:], position + done

    def seal(self, blank: Blank, *, flush: bool) -> None:
        """Close ``blank``; with ``flush``, put its bytes on disk first."""
        try:
            if flush:
                sync(blank.descriptor)
        finally:
            os.close(blank.descriptor)

    def drop(self, blank: Blank) -> None:
        """Close and remove a file that was taken and came to nothing."""
        drop(blank)

    def remove(self, name: str) -> None:
        """Remove at once a file that no row ever referred to."""
        self.path(name).unlink(missing_ok=True)

    def link(self, name: str) -> str:
        """A second name, on disk, for the bytes of the file ``name``, which are on disk already. Raises OSError where
        the file system makes no more links."""
        target = self.path(self._name(name[-2:]))
        os.link(self.path(name), target)
        sync_folder(target.parent)
        return target.name

    def restore(self, name: str, data: bytes) -> None:
        """Make sure that the file ``name`` holds ``data``, on disk, if there is such a file."""
        path = self.path(name)
        if not path.exists():
            return
        if path.read_bytes() != data:
            path.chmod(0o600)
            with path.open("r+b", buffering=0) as file:
                file.write(data)
                file.truncate(len(data))
            path.chmod(0o444)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def adopt(self, path: Path) -> str:
        """Give the file at ``path`` a name of ours; its bytes and that name are then on disk. Raises OSError where it
        cannot be linked (EXDEV: another file system)."""
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            target = self.path(self._name())
            os.link(path, target)
            os.fchmod(descriptor, 0o444)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_folder(target.parent)
        return target.name

    def bury(self, names: Iterable[str]) -> None:
        """Remove files that no row refers to any more, once their readers have had the time to open them."""
        for name in names:
            self._graveyard.bury(self.path(name))

    def make_room(self) -> None:
        """Give a full disk all that can be given, so that the database can write."""
        self._graveyard.empty()
        self._ballast.release()

    def keep_room(self) -> None:
        """Remove all that is buried, and hold back again what ``make_room`` gave."""
        self._graveyard.empty()
        self._ballast.restore()

    def sweep(self, referenced: Callable[[], set[str]]) -> None:
        """Remove, in the background, what dead processes left behind. ``referenced`` names the files to keep."""
        self._sweeper = threading.Thread(
            target=self._sweep, args=(referenced,), name="selfmaker-object-sweep", daemon=True
        )
        self._sweeper.start()

    def settle(self) -> None:
        """Wait for the sweep to end and remove all that is buried."""
        if self._sweeper is not None:
            self._sweeper.join()
        self._graveyard.empty()

    def close(self) -> None:
        """Remove what was made in advance and let the generation go. Idempotent."""
        self.settle()
        self._stock.close()
        self._graveyard.close()
        if self._lock >= 0:
            (self.folder / "generations" / self._generation).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = -1

    def _name(self, shard: str | None = None) -> str:
        return self._generation + secrets.token_hex(11) + (shard or secrets.token_hex(1))

    def _place(self, count: int) -> tuple[Path, list[str]]:
        shard = secrets.token_hex(1)
        return self._paths[shard], [self._name(shard) for _ in range(count)]

    def _make_folders(self) -> None:
        if all(path.is_dir() for path in self._paths.values()):
            return
        for path in (*self._paths.values(), self.folder / "generations"):
            path.mkdir(parents=True, exist_ok=True)
        sync_folder(self.folder)
        sync_folder(self.folder.parent)

    def _sweep(self, referenced: Callable[[], set[str]]) -> None:
        alive = {self._generation}
        for path in (self.folder / "generations").iterdir():
            if path.name != self._generation and not _remove_if_dead(path):
                alive.add(path.name)
        stray = {name for shard in _SHARDS for name in _names(self._paths[shard]) if name[:8] not in alive}
        if stray:
            # Listed before the rows are read: a row may lose an old file meanwhile, but none can gain one.
            self.bury(stray - referenced())


def _copied(source: int, target: int, count: int, source_at: int, target_at: int) -> int:
    """How many bytes the kernel copied by itself; 0 where it does not."""
    if not hasattr(os, "copy_file_range"):
        return 0
    try:
        return os.copy_file_range(source, target, count, source_at, target_at)
    except OSError:
        return 0


def sync(descriptor: int) -> None:
    """Put a file's bytes on disk. Raises Unavailable when there is no room for them."""
    try:
        getattr(os, "fdatasync", os.fsync)(descriptor)
    except OSError as error:
        raise _translated(error) from error


def _translated(error: OSError) -> Exception:
    if error.errno in FULL:
        return Unavailable("the disk that holds the objects is full: free some space and try again")
    return error


def _begin_generation(folder: Path) -> tuple[str, int]:
    while True:
        generation = secrets.token_hex(4)
        path = folder / generation
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            continue
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if path.exists():  # else a sweep found it before it was locked
            return generation, descriptor
        os.close(descriptor)


def _remove_if_dead(path: Path) -> bool:
    """Whether no process holds the generation; its file is then removed."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        path.unlink(missing_ok=True)
        return True
    finally:
        os.close(descriptor)


def _names(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]
