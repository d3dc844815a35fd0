"""From method, path and query to the operation, for the services whose operations are told apart by their URIs."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, unquote_plus

from selfmaker.aws.model import Plan, Service
from selfmaker.aws.protocols.scalars import MalformedError

_LABEL = re.compile(r"\{(\w+)(\+?)\}")


@dataclass(frozen=True)
class _Candidate:
    """One operation at a path, and what must stand in the query and the headers for it to be meant."""

    plan: Plan
    literals: frozenset[tuple[str, str | None]]
    required_query: frozenset[str]
    required_headers: frozenset[str]
    preferred: bool


@dataclass
class _Template:
    """One path with labels, and the operations that share it."""

    regex: re.Pattern[str]
    labels: tuple[str, ...]
    weight: tuple[int, int, int]
    methods: dict[str, "_Candidates"] = field(default_factory=dict)


@dataclass
class _Candidates:
    """The operations that share path and method: those told by a literal in the query, by its name, and the others."""

    plain: list[_Candidate] = field(default_factory=list)
    told: dict[str, list[_Candidate]] = field(default_factory=dict)

    def add(self, candidate: _Candidate) -> None:
        for name, _ in candidate.literals:
            self.told.setdefault(name, []).append(candidate)
        if not candidate.literals:
            self.plain.append(candidate)

    def only(self) -> _Candidate | None:
        """The operation, where there is but one."""
        return self.plain[0] if len(self.plain) == 1 and not self.told else None


class WrongMethodError(Exception):
    """The path exists, but not with that method."""


class Routes:
    """The URIs of one service. ``answered`` operations win where the model leaves two equally fit."""

    def __init__(self, service: Service, answered: Collection[str] = ()) -> None:
        templates: dict[str, _Template] = {}
        for plan in service.plans():
            path, _, query = plan.uri.partition("?")
            template = templates.get(path)
            if template is None:
                template = templates[path] = _template(path)
            candidate = _candidate(plan, query, preferred=plan.name in answered)
            template.methods.setdefault(plan.method, _Candidates()).add(candidate)
        self._templates = sorted(templates.values(), key=lambda t: t.weight, reverse=True)

    def find(
        self, method: str, path: str, query: str, headers: Mapping[str, str]
    ) -> tuple[Plan, dict[str, str]] | None:
        """The operation and its decoded labels. Raises WrongMethodError, and MalformedError for a path in no UTF-8."""
        wrong_method = False
        for template in self._templates:
            found = template.regex.fullmatch(path)
            if found is None:
                continue
            candidates = template.methods.get(method)
            if candidates is None:
                wrong_method = True
                continue
            chosen = candidates.only() or _choose(candidates, query, headers)
            if chosen is not None:
                return chosen.plan, dict(zip(template.labels, map(_decode, found.groups()), strict=True))
        if wrong_method:
            raise WrongMethodError
        return None


def _choose(candidates: _Candidates, query: str, headers: Mapping[str, str]) -> _Candidate | None:
    pairs: dict[str, str] = {}
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            pairs[unquote_plus(name)] = value
    best: tuple[tuple[int, int, int, int], _Candidate] | None = None
    told = [candidate for name in pairs for candidate in candidates.told.get(name, ())]
    for candidate in [*told, *candidates.plain]:
        if any(name not in pairs or (value is not None and pairs[name] != value) for name, value in candidate.literals):
            continue
        missing = sum(name not in pairs for name in candidate.required_query)
        missing += sum(name not in headers for name in candidate.required_headers)
        needs = len(candidate.required_query) + len(candidate.required_headers)
        rank = (len(candidate.literals), -missing, needs, int(candidate.preferred))
        if best is None or rank > best[0]:
            best = (rank, candidate)
    return best[1] if best is not None else None


def _candidate(plan: Plan, query: str, *, preferred: bool) -> _Candidate:
    literals: set[tuple[str, str | None]] = set()
    for part in query.split("&"):
        name, equals, value = part.partition("=")
        if name and name != "x-id":
            literals.add((name, value if equals else None))
    required = set(plan.input.required_members) if plan.input is not None else set()
    return _Candidate(
        plan,
        frozenset(literals),
        frozenset(m.wire for m in plan.sends.query if m.name in required),
        frozenset(m.wire.lower() for m in plan.sends.headers if m.name in required),
        preferred,
    )


def _template(path: str) -> _Template:
    labels: list[str] = []
    pattern = ""
    position = 0
    greedy = 0
    for found in _LABEL.finditer(path):
        pattern += re.escape(path[position : found.start()])
        labels.append(found[1])
        greedy += bool(found[2])
        pattern += "(.+)" if found[2] else "([^/]+)"
        position = found.end()
    pattern += re.escape(path[position:].rstrip("/") if position else path.rstrip("/"))
    if not path.endswith("+}"):
        pattern += "/?"
    literal = sum(1 for part in path.split("/") if part and not part.startswith("{"))
    return _Template(re.compile(pattern, re.DOTALL), tuple(labels), (literal, -greedy, path.count("/")))


def _decode(label: str) -> str:
    if "%" not in label:
        if not label.isascii():  # raw bytes in the request line; latin-1 by our reading
            try:
                return label.encode("latin-1").decode()
            except UnicodeDecodeError:
                raise MalformedError("the path is not UTF-8") from None
        return label
    try:
        return unquote(label, errors="strict")
    except UnicodeDecodeError:
        raise MalformedError("the path is not UTF-8") from None
