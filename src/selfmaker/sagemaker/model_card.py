"""Model cards: what is known of a model, in versions. A new content is a new version; a new status is not."""

import json
from typing import Any

from sqlalchemy import Connection

from selfmaker import clock
from selfmaker.aws.arn import sagemaker_arn
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import Usual, page
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.aws.output import describe
from selfmaker.errors import NotFound
from selfmaker.sagemaker.checks import invalid
from selfmaker.sagemaker.model_card_content import content_of, metadata, summary_members
from selfmaker.sagemaker.tag import tag_mapping
from selfmaker.sagemaker.user_context import makers, user_context
from selfmaker.store import resources, tags
from selfmaker.store.database import Database
from selfmaker.store.resources import Change, Resource, Resources

KIND = "ModelCard"
VERSION_KIND = "ModelCardVersion"
EXPORT_KIND = "ModelCardExportJob"
_OF_VERSION = ("ModelCardVersion", "Content", "ModelCardStatus")


@operation("sagemaker", "CreateModelCard")
def create_model_card(call: Call, request: Request) -> Output:
    content_of(request["Content"], "Content")
    name, tag_values, now = request["ModelCardName"], tag_mapping(request.get("Tags", [])), clock.now()
    arn = sagemaker_arn(call, "model-card", name)
    document = {**{k: v for k, v in request.items() if k != "Tags"}, "ModelCardVersion": 1}
    row = Resource(KIND, call.region, name, arn, "Created", now, now, document, {"user": user_context(call)})

    def work(connection: Connection) -> None:
        if _exists(connection, call, name):
            raise AwsError("ConflictException", f"Model card already exists: {arn}")
        resources.create(connection, row)
        resources.create(connection, _version(row))
        tags.add(connection, arn, tag_values)

    call.use(Database).write(work)
    return {"ModelCardArn": arn}


@operation("sagemaker", "DescribeModelCard")
def describe_model_card(call: Call, request: Request) -> Output:
    card = find(call, request["ModelCardName"])
    document = described(card)
    if "ModelCardVersion" in request:
        document |= _described_version(of_version(call, card, request["ModelCardVersion"]))
    if request.get("IncludedData") == "MetadataOnly":
        document["Content"] = json.dumps(metadata(content_of(document["Content"], "Content")))
    return describe("sagemaker", "DescribeModelCard", document)


@operation("sagemaker", "ListModelCards")
def list_model_cards(call: Call, request: Request) -> Output:
    found = [described(row) for row in call.use(Resources).list(KIND, call.region)]
    listed = page(_with_status(found, request), request, "ModelCardSummaries", name="ModelCardName")
    return describe("sagemaker", "ListModelCards", listed)


@operation("sagemaker", "ListModelCardVersions")
def list_model_card_versions(call: Call, request: Request) -> Output:
    card = find(call, request["ModelCardName"])
    rows = call.use(Resources).list(VERSION_KIND, call.region)
    own = [{**described(card), **_described_version(row)} for row in rows if row.document["ModelCardName"] == card.name]
    usual = Usual(sort="ModelCardVersion")
    by_version = {**request, "SortBy": "ModelCardVersion"}
    listed = page(
        _with_status(own, request), by_version, "ModelCardVersionSummaryList", name="ModelCardName", usual=usual
    )
    return describe("sagemaker", "ListModelCardVersions", listed)


@operation("sagemaker", "UpdateModelCard")
def update_model_card(call: Call, request: Request) -> Output:
    if "Content" in request and "ModelCardStatus" in request:
        raise invalid("Content and ModelCardStatus cannot be updated in the same call. Update one, then the other.")
    if "Content" in request:
        content_of(request["Content"], "Content")
    card = find(call, request["ModelCardName"])

    def work(connection: Connection) -> Resource:
        before = resources.get(connection, KIND, call.region, card.name)
        changes: dict[str, Any] = {k: v for k, v in request.items() if k != "ModelCardName"}
        number = before.document["ModelCardVersion"]
        if "Content" in changes:
            changes["ModelCardVersion"] = number + 1
        change = Change(document=changes, state={"modified_by": user_context(call)})
        after = resources.modify(connection, KIND, call.region, card.name, change)
        if "Content" in changes:
            resources.create(connection, _version(after))
        elif changes:
            change = Change(document={"ModelCardStatus": request["ModelCardStatus"]})
            resources.modify(connection, VERSION_KIND, call.region, f"{card.name}/{number}", change)
        return after

    try:
        return {"ModelCardArn": call.use(Database).write(work).arn}
    except NotFound:
        raise not_found(card.arn) from None


@operation("sagemaker", "DeleteModelCard")
def delete_model_card(call: Call, request: Request) -> Output:
    card = find(call, request["ModelCardName"])

    def work(connection: Connection) -> None:
        last = resources.get(connection, KIND, call.region, card.name).document["ModelCardVersion"]
        resources.remove(connection, KIND, call.region, card.name)
        for number in range(1, last + 1):
            resources.remove(connection, VERSION_KIND, call.region, f"{card.name}/{number}")
        for export in resources.having(connection, EXPORT_KIND, call.region, ("ModelCardName",), card.name):
            resources.remove(connection, EXPORT_KIND, call.region, export.name)
        tags.forget(connection, card.arn)

    try:
        call.use(Database).write(work)
    except NotFound:
        raise not_found(card.arn) from None
    return None


def find(call: Call, name_or_arn: str) -> Resource:
    """The card by its name or ARN, or AWS's error."""
    name = name_or_arn.rpartition("/")[2]
    arn = sagemaker_arn(call, "model-card", name)
    if name_or_arn not in (name, arn):
        raise not_found(name_or_arn)
    try:
        return call.use(Resources).get(KIND, call.region, name)
    except NotFound:
        raise not_found(arn) from None


def of_version(call: Call, card: Resource, number: int) -> Resource:
    """The card as it was in that version, or AWS's error."""
    try:
        return call.use(Resources).get(VERSION_KIND, call.region, f"{card.name}/{number}")
    except NotFound:
        raise not_found(f"{card.arn} version {number}") from None


def not_found(arn: str) -> AwsError:
    return AwsError("ResourceNotFound", f"Model card {arn} does not exist.")


def described(row: Resource) -> dict[str, Any]:
    """In the members of DescribeModelCard."""
    own = {"ModelCardArn": row.arn, "CreationTime": row.created, "LastModifiedTime": row.modified}
    return {**row.document, **own, **makers(row.state)}


def found(row: Resource) -> dict[str, Any]:
    """In the members of Search's ModelCard, with what it takes from the content."""
    return {**described(row), **summary_members(content_of(row.document["Content"], "Content"))}


def _described_version(row: Resource) -> dict[str, Any]:
    own = {member: row.document[member] for member in _OF_VERSION}
    return {**own, "CreationTime": row.created, "LastModifiedTime": row.modified}


def _version(card: Resource) -> Resource:
    """The row that keeps the card's present version."""
    number, now = card.document["ModelCardVersion"], clock.now()
    document = {member: card.document[member] for member in ("ModelCardName", *_OF_VERSION)}
    name, arn = f"{card.name}/{number}", f"{card.arn}/{number}"
    return Resource(VERSION_KIND, card.region, name, arn, "Created", now, now, document, {})


def _with_status(rows: list[dict[str, Any]], request: Request) -> list[dict[str, Any]]:
    wanted = request.get("ModelCardStatus")
    return [row for row in rows if wanted is None or row["ModelCardStatus"] == wanted]


def _exists(connection: Connection, call: Call, name: str) -> bool:
    try:
        resources.get(connection, KIND, call.region, name)
    except NotFound:
        return False
    return True
