"""A model card as a PDF: its content from top to bottom, in the standard fonts, which no reader lacks.

What the fonts have no sign for (they know Windows' Latin letters) is a question mark.
"""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT, MARGIN = 595, 842, 56  # points: A4
_LEADING = 1.35  # lines are that many times as far apart as they are high
_MEAN_WIDTH = 0.52  # of a letter of Helvetica, as a share of its size
_INDENT = 14
_DEEPEST = 8


@dataclass(frozen=True)
class Line:
    """``size`` in points, ``depth`` in indentations."""

    text: str
    size: int = 10
    bold: bool = False
    depth: int = 0


def pdf(title: str, facts: Sequence[tuple[str, str]], content: dict[str, Any]) -> bytes:
    """The document: a title, facts beneath it, and the sections of the content."""
    lines = [Line(title, 18, bold=True), *(Line(f"{name}: {value}") for name, value in facts)]
    for name, value in content.items():
        lines += [Line(""), Line(_words(name), 13, bold=True), *_of(value, 0)]
    return _document(_pages([part for line in lines for part in _wrapped(line)]))


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _of(value: Any, depth: int) -> Iterator[Line]:
    """The lines of a value, below its name."""
    depth = min(depth, _DEEPEST)
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, (dict, list)):
                yield Line(_words(name), bold=True, depth=depth)
                yield from _of(inner, depth + 1)
            else:
                yield Line(f"{_words(name)}: {_plain(inner)}", depth=depth)
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, (dict, list)):
                yield from _of(inner, depth)
                yield Line("", size=5)
            else:
                yield Line(f"- {_plain(inner)}", depth=depth)
    else:
        yield Line(_plain(value), depth=depth)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


def _wrapped(line: Line) -> Iterator[Line]:
    room = WIDTH - 2 * MARGIN - line.depth * _INDENT
    letters = max(10, int(room / (line.size * _MEAN_WIDTH)))
    for paragraph in line.text.splitlines() or [""]:
        for text in textwrap.wrap(paragraph, letters) or [""]:
            yield Line(text, line.size, line.bold, line.depth)


def _pages(lines: Sequence[Line]) -> list[bytes]:
    """The content stream of each page."""
    pages: list[list[str]] = [[]]
    y = float(HEIGHT - MARGIN)
    for line in lines:
        y -= line.size * _LEADING
        if y < MARGIN:
            pages.append([])
            y = HEIGHT - MARGIN - line.size * _LEADING
        if line.text:
            font = "F2" if line.bold else "F1"
            x = MARGIN + line.depth * _INDENT
            pages[-1].append(f"BT /{font} {line.size} Tf {x} {y:.1f} Td ({_escaped(line.text)}) Tj ET")
    return ["\n".join(page).encode("cp1252", "replace") for page in pages]


def _escaped(text: str) -> str:
    for special in "\\()":
        text = text.replace(special, f"\\{special}")
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _document(pages: Sequence[bytes]) -> bytes:
    """Objects 1 to 4 are the catalog, the tree of pages and the fonts; each page has two more."""
    kids = " ".join(f"{5 + 2 * n} 0 R" for n in range(len(pages)))
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /{} /Encoding /WinAnsiEncoding >>"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        font.format("Helvetica").encode(),
        font.format("Helvetica-Bold").encode(),
    ]
    for n, stream in enumerate(pages):
        page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {WIDTH} {HEIGHT}] /Contents {6 + 2 * n} 0 R "
        objects.append((page + "/Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>").encode())
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)
