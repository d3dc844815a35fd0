"""QueryLineage: what leads to an entity and what comes of it, along the associations."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from selfmaker.aws.listing import page_of
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.aws.output import describe
from selfmaker.sagemaker import artifact, association
from selfmaker.sagemaker.association import entities_of, entity_of, type_of
from selfmaker.sagemaker.experiment_entity import COMPONENT
from selfmaker.sagemaker.lineage_entity import ACTION, CONTEXT
from selfmaker.store import resources
from selfmaker.store.database import Database
from selfmaker.store.resources import Resource, Resources

DEEPEST = 10  # associations from the start, where the request doesn't say
_KINDS = (artifact.KIND, CONTEXT.kind, ACTION.kind, COMPONENT.kind)
_OF_JOBS = "SageMaker"  # begins the source types of the components that jobs are: the rest is their type here

_Edge = tuple[str, str, str]  # source, destination, association type ("" for none)


@dataclass
class Graph:
    """The associations of a region, from both ends."""

    outgoing: dict[str, list[_Edge]] = field(default_factory=dict)
    incoming: dict[str, list[_Edge]] = field(default_factory=dict)

    @classmethod
    def of_region(cls, call: Call) -> "Graph":
        graph = cls()
        names = ("SourceArn", "DestinationArn", "AssociationType")
        for source, destination, kind in call.use(Database).read(
            lambda c: resources.members(c, association.KIND, call.region, *names)
        ):
            edge = (source or "", destination or "", kind or "")
            graph.outgoing.setdefault(edge[0], []).append(edge)
            graph.incoming.setdefault(edge[1], []).append(edge)
        return graph

    def walk(self, start: str, direction: str, deepest: int) -> "Walk":
        """What is reached from ``start``, each way on its own: what else comes of an ascendant is no relative."""
        walk = Walk({start}, set())
        if direction in ("Both", "Descendants"):
            self._follow(walk, start, self.outgoing, deepest, 1)
        if direction in ("Both", "Ascendants"):
            self._follow(walk, start, self.incoming, deepest, 0)
        return walk

    def _follow(self, walk: "Walk", start: str, ways: Mapping[str, list[_Edge]], deepest: int, end: int) -> None:
        seen, border = {start}, {start}
        for _ in range(deepest):
            edges = [edge for arn in border for edge in ways.get(arn, ())]
            walk.edges.update(edges)
            border = {edge[end] for edge in edges} - seen
            seen |= border
            if not border:
                break
        walk.reached |= seen


@dataclass
class Walk:
    """ARNs that were reached, and the associations that were followed."""

    reached: set[str]
    edges: set[_Edge]


@operation("sagemaker", "QueryLineage")
def query_lineage(call: Call, request: Request) -> Output:
    graph, filters = Graph.of_region(call), request.get("Filters", {})
    starts = {entity_of(call, arn).arn for arn in request.get("StartArns", [])}
    if starts:
        walk = Walk(set(), set())
        for start in starts:
            one = graph.walk(start, request.get("Direction", "Both"), request.get("MaxDepth", DEEPEST))
            walk = Walk(walk.reached | one.reached, walk.edges | one.edges)
        entities = entities_of(call, walk.reached)
    else:
        rows = (row for kind in _KINDS for row in call.use(Resources).list(kind, call.region))
        entities = {row.arn: row for row in rows}
        walk = Walk(set(entities), {edge for edges in graph.outgoing.values() for edge in edges})
    found = {arn for arn, row in entities.items() if row.kind in _KINDS and _admits(row, filters) and arn not in starts}
    edges: set[_Edge] = set()
    if request.get("IncludeEdges"):
        edges = _between(starts, found, walk.edges) if starts else {e for e in walk.edges if {e[0], e[1]} <= found}
        edges = {edge for edge in edges if edge[0] in entities and edge[1] in entities}
        found |= starts | {arn for edge in edges for arn in edge[:2]}
    ordered = sorted(found, key=lambda arn: (entities[arn].created, arn))
    vertices, token = page_of([_vertex(entities[arn]) for arn in ordered], request, limit=max(1, len(ordered)))
    output: dict[str, Any] = {"Vertices": vertices, "Edges": [_shown(edge) for edge in sorted(edges)]}
    return describe("sagemaker", "QueryLineage", output, {} if token is None else {"NextToken": token})


def _between(starts: set[str], found: set[str], edges: set[_Edge]) -> set[_Edge]:
    """The associations on the ways from the starts to what was found."""
    kept: set[_Edge] = set()
    for near, far in ((0, 1), (1, 0)):  # down, then up
        following: dict[str, list[_Edge]] = {}
        for edge in edges:
            following.setdefault(edge[far], []).append(edge)
        below = _closure(starts, edges, near, far)
        border, seen = set(found), set(found)
        while border:
            back = [edge for arn in border for edge in following.get(arn, ()) if edge[near] in below]
            kept.update(back)
            border = {edge[near] for edge in back} - seen
            seen |= border
    return kept


def _closure(starts: set[str], edges: set[_Edge], near: int, far: int) -> set[str]:
    """All that is reached from ``starts`` by going from the ``near`` to the ``far`` end."""
    ways: dict[str, list[str]] = {}
    for edge in edges:
        ways.setdefault(edge[near], []).append(edge[far])
    seen, border = set(starts), set(starts)
    while border:
        border = {arn for start in border for arn in ways.get(start, ())} - seen
        seen |= border
    return seen


def _admits(row: Resource, filters: Mapping[str, Any]) -> bool:
    if filters.get("LineageTypes") and row.kind not in filters["LineageTypes"]:
        return False
    if filters.get("Types") and not {type_of(row), _type(row)}.intersection(filters["Types"]):
        return False
    for member, moment in (("Created", row.created), ("Modified", row.modified)):
        if moment <= filters.get(f"{member}After", moment - 1) or moment >= filters.get(f"{member}Before", moment + 1):
            return False
    properties = row.document.get("Properties", {})
    return all(properties.get(name) == value for name, value in filters.get("Properties", {}).items())


def _type(row: Resource) -> str | None:
    """``TrainingJob`` for the component of one; the others' types are as they are."""
    given = type_of(row)
    return given.removeprefix(_OF_JOBS) if given is not None and row.kind == COMPONENT.kind else given


def _vertex(row: Resource) -> dict[str, Any]:
    return {"Arn": row.arn, "Type": _type(row), "LineageType": row.kind}


def _shown(edge: _Edge) -> dict[str, Any]:
    return {"SourceArn": edge[0], "DestinationArn": edge[1], "AssociationType": edge[2] or None}
