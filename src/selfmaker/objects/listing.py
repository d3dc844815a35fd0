"""Pages of keys: an index scan that jumps over what lies behind a common prefix instead of reading it."""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection

from selfmaker.objects.names import after
from selfmaker.objects.protocol import NoSuchBucket, ObjectInfo, Page, Query
from selfmaker.store import objects as rows

_FIRST_BATCH = 32
_LARGEST_BATCH = 1001


def page(connection: Connection, bucket: str, query: Query, path: Callable[[str], Path]) -> Page:
    """One page. Raises NoSuchBucket."""
    if not rows.bucket_there(connection, bucket):
        raise NoSuchBucket(bucket)
    if query.limit <= 0:
        return Page((), None)
    walk = _Walk(query, path)
    stop = after(query.prefix)
    start: bytes | None = max(query.prefix, query.start)
    size = min(query.limit + 1, _FIRST_BATCH if query.delimiter else _LARGEST_BATCH)
    while start is not None and (stop is None or start < stop):
        batch = rows.scan(connection, bucket, start, stop, size)
        before = len(walk.entries)
        for row in batch:
            if not walk.add(row):
                return Page(tuple(walk.entries), walk.next)
        if len(batch) < size:
            break
        start = walk.resume(batch[-1].key)
        useful = len(walk.entries) - before
        size = min(_LARGEST_BATCH, size * 2) if useful * 2 >= size else max(4, useful * 2)
    return Page(tuple(walk.entries), None)


class _Walk:
    """The entries found so far, and the common prefix that the last row was below."""

    def __init__(self, query: Query, path: Callable[[str], Path]) -> None:
        self._query = query
        self._path = path
        self._below: bytes | None = None
        self.entries: list[ObjectInfo | bytes] = []
        self.next: bytes | None = None

    def add(self, row: rows.ObjectRow) -> bool:
        """Take a row in; False, with ``next`` set, when the page was full before it."""
        key: bytes = row.key
        if self._below is not None and key.startswith(self._below):
            return True
        if len(self.entries) == self._query.limit:
            self.next = key
            return False
        self._below = common_prefix(key, self._query)
        self.entries.append(ObjectInfo(row, self._path) if self._below is None else self._below)
        return True

    def resume(self, last: bytes) -> bytes | None:
        """Where the scan goes on after the row of key ``last``."""
        return last + b"\0" if self._below is None else after(self._below)


def common_prefix(key: bytes, query: Query) -> bytes | None:
    """The key up to and with the first delimiter after the prefix, or None when it has none."""
    if not query.delimiter:
        return None
    at = key.find(query.delimiter, len(query.prefix))
    return None if at < 0 else key[: at + len(query.delimiter)]
