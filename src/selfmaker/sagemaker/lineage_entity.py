"""What contexts and actions have in common: named lineage entities with a source and properties."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from selfmaker import clock
from selfmaker.aws.arn import sagemaker_arn
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import page
from selfmaker.aws.operation import Call, Output, Request
from selfmaker.errors import AlreadyExists, NotFound
from selfmaker.sagemaker.artifact import forget, of_source
from selfmaker.sagemaker.checks import invalid
from selfmaker.sagemaker.tag import tag_mapping
from selfmaker.store import resources, tags
from selfmaker.store.database import Database
from selfmaker.store.resources import Change, Document, Resource, Resources, merged

MOST_PROPERTIES = 30


@dataclass(frozen=True)
class Noun:
    """``kind`` is that of the rows and begins the members' names, ``path`` is the ARN's."""

    kind: str
    path: str

    @property
    def name(self) -> str:
        return f"{self.kind}Name"

    @property
    def arn(self) -> str:
        return f"{self.kind}Arn"


CONTEXT = Noun("Context", "context")
ACTION = Noun("Action", "action")


def create(call: Call, noun: Noun, request: Request) -> Output:
    name, tag_values = request[noun.name], tag_mapping(request.get("Tags", []))
    row = new(
        call.region, noun, sagemaker_arn(call, noun.path, name), {k: v for k, v in request.items() if k != "Tags"}
    )
    try:
        call.use(Resources).create(row, also=lambda c: tags.add(c, row.arn, tag_values))
    except AlreadyExists:
        raise invalid(f"{noun.kind} names must be unique. {noun.kind} with name ({name}) already exists.") from None
    return {noun.arn: row.arn}


def new(region: str, noun: Noun, arn: str, document: Document) -> Resource:
    """A row that is not stored yet."""
    now = clock.now()
    return Resource(
        kind=noun.kind,
        region=region,
        name=document[noun.name],
        arn=arn,
        status="Created",
        created=now,
        modified=now,
        document=document,
        state={},
    )


def find(call: Call, noun: Noun, name_or_arn: str) -> Resource:
    """The row by its name or ARN, or AWS's error."""
    name = name_or_arn.rpartition("/")[2]
    arn = sagemaker_arn(call, noun.path, name)
    try:
        row = call.use(Resources).get(noun.kind, call.region, name)
    except NotFound:
        raise not_found(noun, arn) from None
    if name_or_arn not in (name, arn):
        raise not_found(noun, name_or_arn)
    return row


def listed(call: Call, noun: Noun, request: Request) -> dict[str, Any]:
    found = [described(row, noun) for row in of_source(call, noun.kind, request.get("SourceUri"))]
    kind = f"{noun.kind}Type"
    if kind in request:
        found = [entity for entity in found if entity[kind] == request[kind]]
    return page(found, request, f"{noun.kind}Summaries", name=noun.name)


def update(call: Call, noun: Noun, request: Request, members: tuple[str, ...]) -> Output:
    """Merge the properties, and replace ``members``."""
    found = find(call, noun, request[noun.name])

    def work(connection: Connection) -> Resource:
        row = resources.get(connection, noun.kind, call.region, found.name)
        changes: Document = {member: request[member] for member in members if member in request}
        changes["Properties"] = properties(row.document.get("Properties", {}), request, noun)
        return resources.modify(connection, noun.kind, call.region, row.name, Change(document=changes))

    try:
        return {noun.arn: call.use(Database).write(work).arn}
    except NotFound:
        raise not_found(noun, found.arn) from None


def delete(call: Call, noun: Noun, request: Request) -> Output:
    row = find(call, noun, request[noun.name])
    try:
        call.use(Resources).delete(noun.kind, call.region, row.name, also=lambda c: forget(c, call.region, row.arn))
    except NotFound:
        raise not_found(noun, row.arn) from None
    return {noun.arn: row.arn}


def described(row: Resource, noun: Noun) -> dict[str, Any]:
    """In the members of the Describe operation."""
    return {**row.document, noun.arn: row.arn, "CreationTime": row.created, "LastModifiedTime": row.modified}


def not_found(noun: Noun, arn: str) -> AwsError:
    return AwsError("ResourceNotFound", f"{noun.kind} {arn} does not exist.")


def properties(before: Mapping[str, str], request: Request, noun: Noun) -> dict[str, str]:
    removed = dict.fromkeys(request.get("PropertiesToRemove", []))
    kept: dict[str, str] = merged({**before, **request.get("Properties", {})}, removed)
    if len(kept) > MOST_PROPERTIES:
        raise AwsError("ResourceLimitExceeded", f"A {noun.path} can have at most {MOST_PROPERTIES} Properties.")
    return kept
