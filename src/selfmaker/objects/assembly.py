"""Where the parts of an upload are put so that, in the end, nothing need be copied.

Clients cut a file into parts of one size, the last being shorter. So the parts are written side by side into one file,
each at (number - 1) x that size, and this file becomes the object. A part that does not fit the
pattern (another size, sent a second time) gets a file of its own and is copied into place at completion.
"""

import threading
from collections.abc import Iterable

from selfmaker.objects.protocol import MAX_OBJECT_BYTES


class Assembly:
    """Who may write where in the common file of one upload. Thread safe. ``placed``: number, size and position of the
    parts in it already. ``completing`` is held by whoever makes an object of it."""

    def __init__(self, placed: Iterable[tuple[int, int, int]] = ()) -> None:
        self.completing = threading.Lock()
        self._lock = threading.Lock()
        self._slot: int | None = None
        self._seen: int | None = None
        self._writers = 0
        self._sealed = False
        self._used: set[int] = set()
        for number, size, position in placed:
            self._used.add(number)
            if number > 1:
                self._slot = position // (number - 1)
            elif self._slot is None:
                self._slot = size

    def claim(self, number: int, size: int | None) -> int | None:
        """A position where the part may be written, or None: it needs a file of its own. After a position:
        ``written``."""
        with self._lock:
            if not size or self._sealed or number in self._used:
                return None
            slot = self._slot_for(number, size)
            if slot is None or size > slot or (number - 1) * slot + size > MAX_OBJECT_BYTES:
                return None
            self._used.add(number)
            self._writers += 1
            return (number - 1) * slot

    def written(self, number: int, *, kept: bool) -> None:
        """The writing of a claimed part has ended; unless it is ``kept`` its place is free again."""
        with self._lock:
            self._writers -= 1
            if not kept:
                self._used.discard(number)

    def seal(self) -> bool:
        """From now on nobody gets a place; whether nobody is writing either, so that the file is the caller's alone."""
        with self._lock:
            self._sealed = True
            return self._writers == 0

    def unseal(self) -> None:
        """The completion failed and the upload goes on."""
        with self._lock:
            self._sealed = False

    def _slot_for(self, number: int, size: int) -> int | None:
        # One part alone may be the short last one, which says nothing of the others; the first part does, and two do.
        if self._slot is None:
            if number == 1:
                self._slot = size
            elif self._seen is None:
                self._seen = size
            else:
                self._slot = max(self._seen, size)
        return self._slot
