"""Associations: which artifact, experiment or trial component contributed to which other."""

import hashlib
from collections.abc import Mapping
from typing import Any

from selfmaker import clock
from selfmaker.aws.listing import page
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.aws.output import describe
from selfmaker.errors import AlreadyExists, NotFound
from selfmaker.sagemaker import artifact
from selfmaker.sagemaker.checks import invalid
from selfmaker.sagemaker.experiment_entity import COMPONENT, EXPERIMENT
from selfmaker.sagemaker.lineage_entity import ACTION, CONTEXT
from selfmaker.store import resources
from selfmaker.store.database import Database
from selfmaker.store.resources import Resource, Resources

KIND = "Association"
_NAMES = {
    artifact.KIND: "ArtifactName",
    CONTEXT.kind: CONTEXT.name,
    ACTION.kind: ACTION.name,
    EXPERIMENT.kind: EXPERIMENT.name,
    COMPONENT.kind: COMPONENT.name,
}
_ENDS = ("Source", "Destination")
_FEW = 500  # entities that are looked up one by one


@operation("sagemaker", "AddAssociation")
def add_association(call: Call, request: Request) -> Output:
    ends = {f"{end}Arn": entity_of(call, request[f"{end}Arn"]).arn for end in _ENDS}
    row = new(call.region, ends["SourceArn"], ends["DestinationArn"], request)
    try:
        call.use(Resources).create(row)
    except AlreadyExists:
        raise invalid(f"Association between {ends['SourceArn']} and {ends['DestinationArn']} already exists.") from None
    return ends


@operation("sagemaker", "ListAssociations")
def list_associations(call: Call, request: Request) -> Output:
    wanted = _wanted(call, request)
    rows = _with_ends(call, wanted)
    entities = entities_of(call, {row.document[f"{end}Arn"] for row in rows for end in _ENDS})
    found = []
    for row in rows:
        ends = [entities.get(row.document[f"{end}Arn"]) for end in _ENDS]
        if all(ends):  # those of entities that are gone are no longer shown
            shown = {**row.document, "CreationTime": row.created}
            for end, entity in zip(_ENDS, ends, strict=True):
                shown |= _shown(end, entity)
            found.append(shown)
    kept = [a for a in found if all(a.get(member) == value for member, value in wanted.items())]
    listed = page(kept, request, "AssociationSummaries", name="DestinationArn")
    return describe("sagemaker", "ListAssociations", listed)


@operation("sagemaker", "DeleteAssociation")
def delete_association(call: Call, request: Request) -> Output:
    ends = {f"{end}Arn": request[f"{end}Arn"] for end in _ENDS}
    try:
        call.use(Resources).delete(KIND, call.region, _name(ends))
    except NotFound:
        raise artifact.not_found(f"association of {ends['SourceArn']} and {ends['DestinationArn']}") from None
    return ends


def new(region: str, source: str, destination: str, members: Mapping[str, Any]) -> Resource:
    """The row of an association that is not stored yet."""
    ends, now = {"SourceArn": source, "DestinationArn": destination}, clock.now()
    name = _name(ends)
    return Resource(
        kind=KIND,
        region=region,
        name=name,
        arn=f"association/{region}/{name}",  # AWS has none: an association is named by its ends
        status="Created",
        created=now,
        modified=now,
        document={**members, **ends},
        state={},
    )


def entities_of(call: Call, arns: set[str]) -> dict[str, Resource]:
    """The lineage entities of those ARNs that are there."""
    if len(arns) <= _FEW:
        found = [_known(call, arn) for arn in arns]
        return {row.arn: row for row in found if row is not None}
    rows = (row for kind in _NAMES for row in call.use(Resources).list(kind, call.region))
    return {row.arn: row for row in rows if row.arn in arns}


def type_of(entity: Resource) -> str | None:
    """What kind of artifact, action, context or job it is."""
    members = (entity.document.get(f"{kind}Type") for kind in (artifact.KIND, CONTEXT.kind, ACTION.kind))
    given: str | None = next((member for member in members if member), None)
    return given or entity.state.get("Source", {}).get("SourceType")


def _wanted(call: Call, request: Request) -> dict[str, str]:
    """The members that a listed association must have."""
    filters = ("SourceArn", "DestinationArn", "SourceType", "DestinationType", "AssociationType")
    wanted = {member: request[member] for member in filters if member in request}
    for member in ("SourceArn", "DestinationArn"):
        if member in wanted:
            wanted[member] = entity_of(call, wanted[member]).arn
    return wanted


def _with_ends(call: Call, wanted: Mapping[str, str]) -> list[Resource]:
    """The associations with the ends that are wanted."""
    end = next((member for member in ("SourceArn", "DestinationArn") if member in wanted), None)
    if end is None:
        return call.use(Resources).list(KIND, call.region)
    read = call.use(Database).read
    return read(lambda c: resources.having(c, KIND, call.region, (end,), wanted[end]))


def _known(call: Call, arn: str) -> Resource | None:
    try:
        row = call.use(Resources).by_arn(arn)
    except NotFound:
        return None
    return row if row.kind in _NAMES and row.region == call.region else None


def entity_of(call: Call, arn: str) -> Resource:
    """What an association may have at its ends, or AWS's error."""
    for written in (arn, arn.lower()):
        row = _known(call, written)
        if row is not None:
            return row
    raise artifact.not_found(arn)


def _shown(end: str, entity: Resource | None) -> dict[str, Any]:
    if entity is None:
        return {}
    shown = {f"{end}Name": entity.document.get(_NAMES[entity.kind]), f"{end}Type": type_of(entity)}
    return {member: value for member, value in shown.items() if value is not None}


def _name(ends: Mapping[str, str]) -> str:
    return hashlib.sha256("\n".join(ends[f"{end}Arn"].lower() for end in _ENDS).encode()).hexdigest()
