"""The models' regular expressions, which are Java's and ECMAScript's, as Python's.

A pattern that Python cannot express is skipped: a constraint that we don't check is better than one that refuses
what AWS takes. Unicode classes become the nearest superset.
"""

import re
from functools import lru_cache

# Inside a character class, \p{..} can only become another class escape, so these are supersets.
_CLASSES = {
    "L": r"\w", "Lu": r"\w", "Ll": r"\w", "Lt": r"\w", "Lm": r"\w", "Lo": r"\w", "IsLetter": r"\w", "Alpha": "a-zA-Z",
    "N": r"\w", "Nd": r"\w", "Nl": r"\w", "No": r"\w", "IsDigit": r"\d", "Digit": "0-9", "Alnum": "a-zA-Z0-9",
    "M": r"\w\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u064b-\u065f\u0900-\u0903\u093a-\u094f\u0e31-\u0e4e\u20d0-\u20ff\ufe00-\ufe0f",
    "Z": r"\s", "Zs": r"\s", "Space": r"\s", "IsWhite_Space": r"\s", "Blank": r" \t",
    "S": r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e\u00a1-\uffff\U00010000-\U0010ffff",
    "P": r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e\u00a1-\uffff\U00010000-\U0010ffff",
    "Punct": r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
    "Print": r"\x20-\x7e", "Graph": r"\x21-\x7e", "Upper": "A-Z", "Lower": "a-z", "ASCII": r"\x00-\x7f",
    "C": r"\x00-\x1f\x7f-\x9f", "Cc": r"\x00-\x1f\x7f-\x9f", "Cntrl": r"\x00-\x1f\x7f",
}
_UNICODE = re.compile(r"\\p(?:\{(\w+)\}|([A-Z]))|\\P|\\u\{([0-9a-fA-F]+)\}")


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> re.Pattern[str] | None:
    """The pattern for ``fullmatch``, or None where Python cannot tell what it means."""
    translated = _translate(pattern)
    if translated is None:
        return None
    source, unicode = translated
    try:
        return re.compile(source, 0 if unicode else re.ASCII)
    except (re.error, OverflowError, RecursionError):
        return None


def _translate(pattern: str) -> tuple[str, bool] | None:
    out: list[str] = []
    position = 0
    depth = 0  # in a character class
    unicode = False
    while position < len(pattern):
        found = _UNICODE.match(pattern, position)
        if found:
            name = found[1] or found[2]
            if found[3]:
                out.append(rf"\U{int(found[3], 16):08x}")
            elif name in _CLASSES:
                unicode = True
                out.append(_CLASSES[name] if depth else f"[{_CLASSES[name]}]")
            else:
                return None
            position = found.end()
            continue
        character = pattern[position]
        if character == "\\":
            escape = pattern[position : position + 2]
            out.append({r"\z": r"\Z", r"\h": r" \t" if depth else r"[ \t]"}.get(escape, escape))
            position += 2
            continue
        if depth and (character == "[" or pattern.startswith("&&", position)):
            if pattern.startswith("&&", position):
                return None  # Java's intersection of classes
            out.append(r"\[")  # a nested class would be a union in Java; AWS's patterns mean the character
        else:
            if character == "[":
                depth = 1
                taken = _class_start(pattern, position)
                out.append(taken)
                position += len(taken)
                continue
            if character == "]":
                depth = 0
            out.append(character)
        position += 1
    return "".join(out), unicode


def _class_start(pattern: str, position: int) -> str:
    """``[``, ``[^``, and a ``]`` that is the class's first character and so stands for itself."""
    end = position + 1
    if pattern.startswith("^", end):
        end += 1
    return pattern[position:end]
