"""The models' regular expressions, which are Java's and ECMAScript's.

A pattern that cannot be compiled here is skipped: a constraint that we don't check is better than one that refuses
what AWS takes. Some of AWS's patterns take exponential time on texts made for it, which is why the time is bounded.
"""

import time
import warnings
from functools import cache, lru_cache

import regex  # type: ignore[import-untyped, unused-ignore]

_PATIENCE = 0.1  # seconds of a thread's own time; a text that fits is found to do so in microseconds
_REMEMBERED = 256  # characters; names come again and again

# Java writes the characters beyond U+FFFF as a range of surrogate pairs; they are single characters here.
_BEYOND = (r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF")


class Pattern:
    """One pattern of a model's; ``text`` is as the model has it."""

    def __init__(self, text: str, compiled: "regex.Pattern[str]") -> None:
        self.text = text
        self._compiled = compiled

    def fits(self, value: str) -> bool:
        """Whether all of ``value`` matches. One that keeps the engine busy beyond reason is held not to."""
        return _fits(self, value) if len(value) <= _REMEMBERED else self.matches(value)

    def matches(self, value: str) -> bool:
        """As ``fits``, without remembering."""
        begun = time.thread_time()
        while True:
            try:
                return self._compiled.fullmatch(value, timeout=_PATIENCE) is not None
            except TimeoutError:  # by the clock on the wall: other threads may have had all of that time
                if time.thread_time() - begun >= _PATIENCE:
                    return False


@lru_cache(maxsize=8192)
def _fits(pattern: Pattern, value: str) -> bool:
    return pattern.matches(value)


@cache
def compiled(text: str) -> Pattern | None:
    """The pattern, or None where we cannot tell what it means."""
    if "&&" in text:  # an intersection of classes in Java, two characters here
        return None
    source = text.replace(*_BEYOND).replace(r"\z", r"\Z")
    flags = regex.VERSION0 if r"\p" in text or r"\P" in text else regex.VERSION0 | regex.ASCII
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a class holds "[[" or "--", which mean themselves
            return Pattern(text, regex.compile(source, flags))
    except regex.error:
        return None
