"""A page of one log stream, by CloudWatch's rules for time ranges and tokens.

A token is a direction, an offset in the file, and the file's generation: ``f/00000000000000001234/0``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from selfmaker.errors import Invalid
from selfmaker.store.log_file import Event, LogFile

PAGE_BYTES = 1 << 20
PAGE_EVENTS = 10_000

Moved = Callable[[int, int], int]
"""Where an offset of an earlier generation of the file is now."""


@dataclass(frozen=True)
class Window:
    """Which events: ``start_ms`` <= time < ``end_ms``. Without a token, the first page of the range when
    ``from_head``, else the last one."""

    start_ms: int = 0
    end_ms: int | None = None
    limit: int = PAGE_EVENTS
    token: str | None = None
    from_head: bool = False


@dataclass(frozen=True)
class Page:
    """Events in time order, and the tokens for what lies after and before them. At either end of the stream its
    token is the one that was passed in."""

    events: list[Event]
    forward: str
    backward: str


def read(file: LogFile, window: Window, generation: int, moved: Moved) -> Page:
    """Raises Invalid for a token that is none of ours."""
    low = file.seek(window.start_ms) if window.start_ms else 0
    high = file.end if window.end_ms is None else max(low, file.seek(window.end_ms))
    forward, offset = window.from_head, low if window.from_head else high
    if window.token is not None:
        forward, offset = _place(window.token, moved)
        offset = file.align(offset)
    if forward:
        begin = max(offset, low)
        events = _page(file.events(begin, high), window.limit)
        finish = events[-1].end if events else begin
    else:
        finish = min(offset, high)
        begin = file.back(finish, low, min(window.limit, PAGE_EVENTS), PAGE_BYTES)
        events = list(file.events(begin, finish))
    return Page(events, f"f/{finish:020d}/{generation}", f"b/{begin:020d}/{generation}")


def _place(token: str, moved: Moved) -> tuple[bool, int]:
    """Direction (True: forward) and offset of a token."""
    direction, _, rest = token.partition("/")
    offset, _, generation = rest.partition("/")
    if direction not in ("f", "b") or not _is_number(offset) or not _is_number(generation):
        raise Invalid("The specified nextToken is invalid.")
    return direction == "f", moved(int(offset), int(generation))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 20


def _page(events: Iterator[Event], limit: int) -> list[Event]:
    page: list[Event] = []
    for event in events:
        if page and event.end - page[0].offset > PAGE_BYTES:
            break
        page.append(event)
        if len(page) >= min(limit, PAGE_EVENTS):
            break
    return page
