"""How a model enters the registry: what CreateModelPackage checks and completes, and the version that it gives.

A version's number is taken from its group's row in the transaction that stores the version: two clients at once get
two numbers, and a number whose version was deleted does not come back.
"""

from collections import Counter
from typing import Any

from sqlalchemy import Connection, select

from selfmaker import clock
from selfmaker.aws.arn import sagemaker_arn
from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Request
from selfmaker.errors import NotFound
from selfmaker.objects.store import ObjectStore
from selfmaker.objects.uri import parse_s3_uri
from selfmaker.sagemaker import lineage
from selfmaker.sagemaker import model_package_group as group
from selfmaker.sagemaker.checks import invalid
from selfmaker.sagemaker.model_card_content import content_of
from selfmaker.sagemaker.tag import tag_mapping
from selfmaker.sagemaker.user_context import user_context
from selfmaker.store import resources, tags
from selfmaker.store.database import Database
from selfmaker.store.resources import Change, Resource, Resources

KIND = group.PACKAGE_KIND
TOKEN_LIFE = 8 * 3600.0  # seconds within which a ClientToken means the same registration

_CLONED = (
    "InferenceSpecification",
    "AdditionalInferenceSpecifications",
    "SourceAlgorithmSpecification",
    "Domain",
    "Task",
    "SamplePayloadUrl",
)
_OF_CONTAINER = (
    "ContainerHostname",
    "Image",
    "ModelDataUrl",
    "ModelDataSource",
    "Environment",
    "AdditionalModelDataSources",
)


def register(call: Call, request: Request) -> Resource:
    """Store the package that the request describes, or find the one that the same request has stored already."""
    check(request)
    tag_values = tag_mapping(request.get("Tags", []))
    document = with_etags(call, _completed(call, {k: v for k, v in request.items() if k != "Tags"}))
    versioned = "ModelPackageGroupName" in document
    if versioned:
        document["ModelPackageGroupName"] = group.given_name(call, document["ModelPackageGroupName"])
        document.setdefault("ModelApprovalStatus", "PendingManualApproval")
    else:
        document.pop("ModelApprovalStatus", None)  # "does not apply to unversioned models"

    def work(connection: Connection) -> Resource:
        earlier = _same(connection, call, document)
        if earlier is not None:
            return earlier
        name = _next_version(connection, call, document) if versioned else document["ModelPackageName"]
        row = _row(call, name, document)
        if not versioned and _exists(connection, call, name):
            raise invalid(f"ModelPackage already exists: {row.arn}")
        resources.create(connection, row)
        tags.add(connection, row.arn, tag_values)
        lineage.registered(connection, row, _group(connection, call, document))
        return row

    return call.use(Database).write(work)


def find(call: Call, name_or_arn: str) -> Resource:
    """The package by its name, ``group/version`` or ARN, or AWS's error."""
    name = name_or_arn
    if name_or_arn.startswith("arn:"):
        name = name_or_arn.split("/", 1)[1] if "/" in name_or_arn else ""
    arn = sagemaker_arn(call, "model-package", name)
    if name_or_arn not in (name, arn):
        raise not_found(name_or_arn)
    try:
        return call.use(Resources).get(KIND, call.region, name)
    except NotFound:
        raise not_found(arn) from None


def not_found(arn: str) -> AwsError:
    return invalid(f"ModelPackage {arn} does not exist.")


def check(request: Request) -> None:
    """What AWS refuses in a registration beyond what the service model says."""
    named, versioned = "ModelPackageName" in request, "ModelPackageGroupName" in request
    if named and versioned:
        raise invalid(
            "Both ModelPackageName and ModelPackageGroupName are provided in the input. "
            "Cannot determine which one to use."
        )
    if not named and not versioned:
        raise invalid("Missing ARN: either ModelPackageName or ModelPackageGroupName must be provided.")
    if versioned and request.get("Tags"):
        raise invalid(
            "Tags: a version of a model package group uses the tags of its group; tags cannot be given for it."
        )
    if versioned and request.get("CertifyForMarketplace"):
        raise invalid(
            "CertifyForMarketplace: versions of a model package group cannot be certified for the Marketplace."
        )
    sources = ("InferenceSpecification", "SourceAlgorithmSpecification", "SourceUri")
    if named and not any(member in request for member in sources):
        raise invalid("Either InferenceSpecification or SourceAlgorithmSpecification must be provided.")
    check_additional(request.get("AdditionalInferenceSpecifications", []))
    if "ModelCard" in request:
        card_content(request["ModelCard"])


def check_additional(specifications: list[dict[str, Any]]) -> None:
    """Additional inference specifications are told apart by their names."""
    repeated = [name for name, times in Counter(item["Name"] for item in specifications).items() if times > 1]
    if repeated:
        raise invalid(f"AdditionalInferenceSpecifications: the Name {repeated[0]!r} is given more than once.")


def card_content(card: dict[str, Any]) -> dict[str, Any]:
    """What a model card says. Raises ValidationException for anything but a JSON object."""
    return content_of(card.get("ModelCardContent", "{}"), "ModelCard.ModelCardContent")


def _completed(call: Call, document: dict[str, Any]) -> dict[str, Any]:
    """With what SourceUri leads to: another package is cloned, a model is registered."""
    source = document.get("SourceUri", "")
    if ":model-package/" in source:
        original = find(call, source).document
        return {**{k: original[k] for k in _CLONED if k in original}, **document}
    prefix = sagemaker_arn(call, "model", "")
    if source.startswith(prefix) and "InferenceSpecification" not in document:
        try:
            model = call.use(Resources).get("Model", call.region, source.removeprefix(prefix))
        except NotFound:
            raise invalid(f'SourceUri: Could not find model "{source}".') from None
        containers = model.state.get("Containers") or model.document.get("Containers")
        found = containers or [model.document["PrimaryContainer"]]
        return {**document, "InferenceSpecification": {"Containers": [_packaged(item) for item in found]}}
    return document


def _packaged(container: dict[str, Any]) -> dict[str, Any]:
    """A model's container as a package has it."""
    return {member: container[member] for member in _OF_CONTAINER if member in container}


def with_etags(call: Call, document: dict[str, Any]) -> dict[str, Any]:
    """With the ETag of each container's data, by which one sees later whether the data are still the same."""
    found = dict(document)
    if "InferenceSpecification" in document:
        found["InferenceSpecification"] = _specification_with_etags(call, document["InferenceSpecification"])
    for member in ("AdditionalInferenceSpecifications", "AdditionalInferenceSpecificationsToAdd"):
        if member in document:
            found[member] = [_specification_with_etags(call, item) for item in document[member]]
    return found


def _specification_with_etags(call: Call, specification: dict[str, Any]) -> dict[str, Any]:
    if "Containers" not in specification:
        return specification
    return {**specification, "Containers": [_with_etag(call, container) for container in specification["Containers"]]}


def _with_etag(call: Call, container: dict[str, Any]) -> dict[str, Any]:
    if "ModelDataUrl" not in container or "ModelDataETag" in container:
        return container
    try:
        bucket, key = parse_s3_uri(container["ModelDataUrl"])
        etag = call.use(ObjectStore).head(bucket, key).etag
    except (ValueError, NotFound):  # AWS does not look at the data before somebody creates a model from the package
        return container
    return {**container, "ModelDataETag": etag.strip('"')}


def _next_version(connection: Connection, call: Call, document: dict[str, Any]) -> str:
    """The name of the group's next version, whose number goes into ``document``, and is used up."""
    name = document["ModelPackageGroupName"]
    try:
        last = resources.get(connection, group.KIND, call.region, name).state.get("LastVersion", 0)
    except NotFound:
        raise group.not_found(call, name) from None
    resources.modify(connection, group.KIND, call.region, name, Change(state={"LastVersion": last + 1}))
    document["ModelPackageVersion"] = last + 1
    return f"{name}/{last + 1}"


def _group(connection: Connection, call: Call, document: dict[str, Any]) -> Resource | None:
    name = document.get("ModelPackageGroupName")
    return None if name is None else resources.get(connection, group.KIND, call.region, name)


def _same(connection: Connection, call: Call, document: dict[str, Any]) -> Resource | None:
    """The package that a request with this ClientToken has stored lately."""
    token = document.get("ClientToken")
    if token is None:
        return None
    table = resources.resources.c
    query = select(table.name).where(
        table.kind == KIND,
        table.region == call.region,
        table.created > clock.now() - TOKEN_LIFE,
        table.document["ClientToken"].as_string() == token,
    )
    name = connection.execute(query).scalar()
    if name is None:
        return None
    earlier = resources.get(connection, KIND, call.region, name)
    for member in ("ModelPackageGroupName", "ModelPackageName"):
        if earlier.document.get(member) != document.get(member):
            raise invalid(f"ClientToken: {token} was used for {earlier.arn}, and cannot be used with other parameters.")
    return earlier


def _exists(connection: Connection, call: Call, name: str) -> bool:
    try:
        resources.get(connection, KIND, call.region, name)
    except NotFound:
        return False
    return True


def _row(call: Call, name: str, document: dict[str, Any]) -> Resource:
    now = clock.now()
    return Resource(
        kind=KIND,
        region=call.region,
        name=name,
        arn=sagemaker_arn(call, "model-package", name),
        status="Completed",
        created=now,
        modified=now,
        document=document,
        state={"user": user_context(call)},
    )
