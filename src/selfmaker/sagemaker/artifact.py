"""Artifacts: data somewhere, known by where it is, which associations put into the lineage of components and models."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from selfmaker import clock
from selfmaker.aws.arn import sagemaker_arn
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import page
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.aws.output import describe
from selfmaker.errors import AlreadyExists, NotFound
from selfmaker.sagemaker.checks import invalid
from selfmaker.sagemaker.tag import tag_mapping
from selfmaker.store import resources, tags
from selfmaker.store.database import Database
from selfmaker.store.resources import Change, Resource, Resources, merged

KIND = "Artifact"
MOST_PROPERTIES = 30


@operation("sagemaker", "CreateArtifact")
def create_artifact(call: Call, request: Request) -> Output:
    arn, tag_values, now = _arn(call, request["Source"]), tag_mapping(request.get("Tags", [])), clock.now()
    row = Resource(
        kind=KIND,
        region=call.region,
        name=name_of(request["Source"]),
        arn=arn,
        status="Created",
        created=now,
        modified=now,
        document={k: v for k, v in request.items() if k != "Tags"},
        state={},
    )
    try:
        call.use(Resources).create(row, also=lambda c: tags.add(c, arn, tag_values))
    except AlreadyExists:
        raise invalid(f"Artifact with the same source already exists: {arn}") from None
    return {"ArtifactArn": arn}


@operation("sagemaker", "DescribeArtifact")
def describe_artifact(call: Call, request: Request) -> Output:
    return describe("sagemaker", "DescribeArtifact", _described(find(call, request["ArtifactArn"])))


@operation("sagemaker", "ListArtifacts")
def list_artifacts(call: Call, request: Request) -> Output:
    found = [_described(row) for row in of_source(call, KIND, request.get("SourceUri"))]
    if "ArtifactType" in request:
        found = [artifact for artifact in found if artifact["ArtifactType"] == request["ArtifactType"]]
    return describe("sagemaker", "ListArtifacts", page(found, request, "ArtifactSummaries", name="ArtifactArn"))


@operation("sagemaker", "UpdateArtifact")
def update_artifact(call: Call, request: Request) -> Output:
    found = find(call, request["ArtifactArn"])
    removed = dict.fromkeys(request.get("PropertiesToRemove", []))

    def work(connection: Connection) -> Resource:
        row = resources.get(connection, KIND, call.region, found.name)
        properties = merged({**row.document.get("Properties", {}), **request.get("Properties", {})}, removed)
        if len(properties) > MOST_PROPERTIES:
            raise AwsError("ResourceLimitExceeded", f"An artifact can have at most {MOST_PROPERTIES} Properties.")
        changes = {"Properties": properties, "ArtifactName": request.get("ArtifactName", _given_name(row))}
        return resources.modify(connection, KIND, call.region, row.name, Change(document=changes))

    try:
        return {"ArtifactArn": call.use(Database).write(work).arn}
    except NotFound:
        raise not_found(found.arn) from None


@operation("sagemaker", "DeleteArtifact")
def delete_artifact(call: Call, request: Request) -> Output:
    """By its ArtifactArn or its Source; by both, as SDK v3's resources do, they must be of one artifact."""
    if "ArtifactArn" not in request and "Source" not in request:
        raise invalid("Name the artifact by its ArtifactArn or by its Source.")
    row = find(call, request.get("ArtifactArn") or _arn(call, request["Source"]))
    if "Source" in request and name_of(request["Source"]) != row.name:
        raise invalid(f"The artifact {row.arn} has another Source.")
    try:
        call.use(Resources).delete(KIND, call.region, row.name, also=lambda c: forget(c, call.region, row.arn))
    except NotFound:
        raise not_found(row.arn) from None
    return {"ArtifactArn": row.arn}


def find(call: Call, arn: str) -> Resource:
    """The artifact, or AWS's error."""
    try:
        row = call.use(Resources).by_arn(arn)
    except NotFound:
        raise not_found(arn) from None
    if row.kind != KIND or row.region != call.region:
        raise not_found(arn)
    return row


def forget(connection: Connection, region: str, arn: str) -> None:
    """What hangs on an entity that goes: its tags, and its associations, which must not be those of a later one by the
    same name."""
    tags.forget(connection, arn)
    for end in ("SourceArn", "DestinationArn"):
        for association in resources.having(connection, "Association", region, (end,), arn):
            resources.remove(connection, "Association", region, association.name)


def of_source(call: Call, kind: str, uri: str | None) -> list[Resource]:
    """The artifacts, actions or contexts of a source; of any source where ``uri`` is None."""
    if uri is None:
        return call.use(Resources).list(kind, call.region)
    read = call.use(Database).read
    return read(lambda c: resources.having(c, kind, call.region, ("Source", "SourceUri"), uri))


def not_found(arn: str) -> AwsError:
    return AwsError("ResourceNotFound", f"The lineage entity {arn} does not exist.")


def _described(row: Resource) -> dict[str, Any]:
    state = {"ArtifactArn": row.arn, "CreationTime": row.created, "LastModifiedTime": row.modified}
    return {**row.document, **state}


def _given_name(row: Resource) -> str | None:
    name: str | None = row.document.get("ArtifactName")
    return name


def name_of(source: Mapping[str, Any]) -> str:
    """An artifact is known by its source: the same source is the same artifact."""
    types = sorted((t["SourceIdType"], t["Value"]) for t in source.get("SourceTypes", []))
    return hashlib.sha256(json.dumps([source["SourceUri"], types]).encode()).hexdigest()[:32]


def _arn(call: Call, source: Mapping[str, Any]) -> str:
    return sagemaker_arn(call, "artifact", name_of(source))
