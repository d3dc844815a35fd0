"""Values of modelled shapes as XML, in both directions."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from selfmaker.aws.model import Shape
from selfmaker.aws.protocols import scalars
from selfmaker.aws.protocols.scalars import MalformedError

_DEPTH = 64


@dataclass
class Element:
    """An XML element; ``tag`` is without its prefix, ``attributes`` keep theirs."""

    tag: str
    attributes: dict[str, str]
    text: list[str] = field(default_factory=list)
    children: list["Element"] = field(default_factory=list)

    def all(self, tag: str) -> list["Element"]:
        return [child for child in self.children if child.tag == tag]


class _Tree:
    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        element = Element(name.rpartition(":")[2], attributes)
        if len(self._open) >= _DEPTH:
            raise MalformedError("the XML is nested too deeply")
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()

    def text(self, data: str) -> None:
        self._open[-1].text.append(data)

    @staticmethod
    def doctype(*_arguments: Any) -> None:
        raise MalformedError("document type declarations are not allowed")


def parse(body: bytes) -> Element:
    """The root element. No DTD, so no entities of the sender's. Raises MalformedError."""
    tree = _Tree()
    parser = expat.ParserCreate()
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.text
    parser.StartDoctypeDeclHandler = tree.doctype
    parser.buffer_text = True
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError):
        raise MalformedError("the body is not well-formed XML") from None
    assert tree.root is not None
    return tree.root


def from_xml(shape: Shape, element: Element) -> Any:
    """The value that ``element`` holds."""
    kind = shape.type_name
    if kind == "structure":
        return _read_structure(shape, element)
    if kind == "list":
        return [from_xml(shape.member, item) for item in element.all(_item_name(shape))]
    if kind == "map":
        return _read_map(shape, element.all("entry"))
    text = "".join(element.text)
    if kind == "string" and element.children:
        raise MalformedError("an element stands where text was expected")
    return scalars.from_text(shape, text)


def _read_structure(shape: Shape, element: Element) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, member in shape.members.items():
        try:
            value = _read_member(member, _member_name(name, member), element)
        except MalformedError as problem:
            problem.path.append(name)
            raise
        if value is not None:
            result[name] = value
    return result


def _read_member(member: Shape, wire: str, element: Element) -> Any:
    if member.serialization.get("location"):
        return None
    if member.serialization.get("xmlAttribute"):
        text = element.attributes.get(wire)
        return None if text is None else scalars.from_text(member, text)
    if member.serialization.get("flattened"):
        found = element.all(wire)
        if not found:
            return None
        if member.type_name == "map":
            return _read_map(member, found)
        return [from_xml(member.member, item) for item in found]
    found = element.all(wire)
    return from_xml(member, found[0]) if found else None


def _read_map(shape: Shape, entries: list[Element]) -> dict[str, Any]:
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    result = {}
    for entry in entries:
        keys, values = entry.all(key_name), entry.all(value_name)
        if not keys or not values:
            raise MalformedError("a map entry lacks its key or value")
        result[from_xml(shape.key, keys[0])] = from_xml(shape.value, values[0])
    return result


def _member_name(name: str, member: Shape) -> str:
    """The element or attribute of a structure's member; a flattened list's may be named by its item."""
    if member.serialization.get("flattened") and member.type_name == "list":
        item = member.member.serialization.get("name")
        if item and "name" not in member.serialization:
            return str(item)
    return str(member.serialization.get("name", name))


def _item_name(shape: Shape) -> str:
    return str(shape.member.serialization.get("name", "member"))


_Add = Callable[[str], None]


def to_xml(shape: Shape, value: Any, name: str, add: _Add, namespace: str = "") -> None:
    """Append ``value`` as the element ``name`` through ``add``."""
    kind = shape.type_name
    if kind == "structure":
        add(f"<{name}{_attributes(shape, value, namespace)}>")
        structure_content(shape, value, add)
        add(f"</{name}>")
    elif kind == "list":
        add(_open(name, namespace))
        for item in value:
            to_xml(shape.member, item, _item_name(shape), add)
        add(f"</{name}>")
    elif kind == "map":
        add(_open(name, namespace))
        _write_entries(shape, value, "entry", add)
        add(f"</{name}>")
    else:
        text = escape(scalars.to_text(shape, value, "iso8601"))
        add(f"{_open(name, namespace)}{text}</{name}>")


def structure_content(shape: Shape, value: Any, add: _Add) -> None:
    """Append the members of a structure that stand inside its element."""
    for name, member in shape.members.items():
        item = value.get(name)
        if item is None or member.serialization.get("location") or member.serialization.get("xmlAttribute"):
            continue
        wire = _member_name(name, member)
        if member.serialization.get("flattened") and member.type_name == "list":
            for one in item:
                to_xml(member.member, one, wire, add)
        elif member.serialization.get("flattened") and member.type_name == "map":
            _write_entries(member, item, wire, add)
        else:
            to_xml(member, item, wire, add)


def _write_entries(shape: Shape, value: Any, name: str, add: _Add) -> None:
    for key, item in value.items():
        add(f"<{name}>")
        to_xml(shape.key, key, shape.key.serialization.get("name", "key"), add)
        to_xml(shape.value, item, shape.value.serialization.get("name", "value"), add)
        add(f"</{name}>")


def _open(name: str, namespace: str) -> str:
    return f'<{name} xmlns="{namespace}">' if namespace else f"<{name}>"


def _attributes(shape: Shape, value: Any, namespace: str) -> str:
    text = f' xmlns="{namespace}"' if namespace else ""
    own = shape.serialization.get("xmlNamespace")
    if isinstance(own, dict) and own.get("prefix"):
        text += f' xmlns:{own["prefix"]}="{own["uri"]}"'
    for name, member in shape.members.items():
        if member.serialization.get("xmlAttribute") and value.get(name) is not None:
            text += f' {member.serialization.get("name", name)}="{escape(str(value[name]))}"'
    return text


_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}
    | {chr(code): f"&#x{code:x};" for code in range(32) if code not in (9, 10, 13)}
)


def escape(text: str) -> str:
    """Text as XML carries it. Control characters become references, as S3 writes them."""
    return text.translate(_ESCAPES)


_ILLEGIBLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def escape_legibly(text: str) -> str:
    """As ``escape``, for errors, which every client must be able to parse: what XML cannot hold is replaced."""
    return escape(_ILLEGIBLE.sub("\N{REPLACEMENT CHARACTER}", text))
