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
from selfmaker.store.resources import Resource, Resources

KIND = "Association"
_NAMES = {artifact.KIND: "ArtifactName", EXPERIMENT.kind: EXPERIMENT.name, COMPONENT.kind: COMPONENT.name}
_ENDS = ("Source", "Destination")


@operation("sagemaker", "AddAssociation")
def add_association(call: Call, request: Request) -> Output:
    ends = {f"{end}Arn": _entity(call, request[f"{end}Arn"]).arn for end in _ENDS}
    now = clock.now()
    row = Resource(
        kind=KIND,
        region=call.region,
        name=_name(ends),
        arn=f"association/{call.region}/{_name(ends)}",  # AWS has none: an association is named by its ends
        status="Created",
        created=now,
        modified=now,
        document={**request, **ends},
        state={},
    )
    try:
        call.use(Resources).create(row)
    except AlreadyExists:
        raise invalid(f"Association between {ends['SourceArn']} and {ends['DestinationArn']} already exists.") from None
    return ends


@operation("sagemaker", "ListAssociations")
def list_associations(call: Call, request: Request) -> Output:
    entities = {row.arn: row for kind in _NAMES for row in call.use(Resources).list(kind, call.region)}
    found = []
    for row in call.use(Resources).list(KIND, call.region):
        ends = [entities.get(row.document[f"{end}Arn"]) for end in _ENDS]
        if all(ends):  # those of entities that are gone are no longer shown
            shown = {**row.document, "CreationTime": row.created}
            for end, entity in zip(_ENDS, ends, strict=True):
                shown |= _shown(end, entity)
            found.append(shown)
    filters = ("SourceArn", "DestinationArn", "SourceType", "DestinationType", "AssociationType")
    wanted = {member: request[member] for member in filters if member in request}
    for member in ("SourceArn", "DestinationArn"):
        if member in wanted:
            wanted[member] = _entity(call, wanted[member]).arn
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


def _entity(call: Call, arn: str) -> Resource:
    """What an association may have at its ends, or AWS's error."""
    for written in (arn, arn.lower()):
        try:
            row = call.use(Resources).by_arn(written)
        except NotFound:
            continue
        if row.kind in _NAMES and row.region == call.region:
            return row
    raise artifact.not_found(arn)


def _shown(end: str, entity: Resource | None) -> dict[str, Any]:
    if entity is None:
        return {}
    kind = entity.document.get("ArtifactType") or entity.state.get("Source", {}).get("SourceType")
    shown = {f"{end}Name": entity.document.get(_NAMES[entity.kind]), f"{end}Type": kind}
    return {member: value for member, value in shown.items() if value is not None}


def _name(ends: Mapping[str, str]) -> str:
    return hashlib.sha256("\n".join(ends[f"{end}Arn"].lower() for end in _ENDS).encode()).hexdigest()
