"""Feature groups: created, described, widened, listed, deleted."""

import contextlib
from typing import Any

from sqlalchemy import Connection

from selfmaker import clock, ids
from selfmaker.analytics import catalog
from selfmaker.aws.arn import sagemaker_arn
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import page
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.aws.output import describe
from selfmaker.errors import AlreadyExists, Conflict, NotFound, SelfmakerError
from selfmaker.features.group import Group, group_of
from selfmaker.features.offline import OfflineStore, table_of
from selfmaker.features.records import Records
from selfmaker.objects.store import ObjectStore
from selfmaker.sagemaker.checks import invalid, s3_location
from selfmaker.sagemaker.tag import tag_mapping
from selfmaker.store import feature_records, resources, tags
from selfmaker.store.resources import Change, Resource, Resources

KIND = "FeatureGroup"

_CREATED = "Created"
_RESERVED = ("is_deleted", "write_time", "api_invocation_time", "year", "month", "day", "hour")
_DATABASE = "sagemaker_featurestore"


@operation("sagemaker", "CreateFeatureGroup")
def create_feature_group(call: Call, request: Request) -> Output:
    name, now = request["FeatureGroupName"], clock.now()
    _check(call, request)
    document = {k: v for k, v in request.items() if k != "Tags"}
    document["FeatureDefinitions"] = [dict(definition) for definition in request["FeatureDefinitions"]]
    if "OfflineStoreConfig" in document:
        document["OfflineStoreConfig"] = _offline(call, request, now)
    arn = sagemaker_arn(call, "feature-group", name)
    row = Resource(KIND, call.region, name, arn, _CREATED, now, now, document, {"id": ids.unique_id()})

    def also(connection: Connection) -> None:
        tags.add(connection, arn, tag_mapping(request.get("Tags", [])))
        table = table_of(row)
        if table is not None:
            catalog.add(connection, call.region, table)

    try:
        call.use(Resources).create(row, also)
    except AlreadyExists:
        raise AwsError("ResourceInUse", f"Resource Already Exists: FeatureGroup with name {name} already exists. "
                       "Choose a different name.") from None  # fmt: skip
    except Conflict as error:
        raise invalid(f"OfflineStoreConfig.DataCatalogConfig: {error.message}") from None
    return {"FeatureGroupArn": arn}


@operation("sagemaker", "DescribeFeatureGroup")
def describe_feature_group(call: Call, request: Request) -> Output:
    row = find(call, request["FeatureGroupName"])
    size = call.use(Records).size(_group(row)) if _group(row).online else None
    return describe("sagemaker", "DescribeFeatureGroup", described(row), {"OnlineStoreTotalSizeBytes": size})


@operation("sagemaker", "ListFeatureGroups")
def list_feature_groups(call: Call, request: Request) -> Output:
    rows = [described(row) for row in call.use(Resources).list(KIND, call.region)]
    wanted, offline = request.get("FeatureGroupStatusEquals"), request.get("OfflineStoreStatusEquals")
    rows = [row for row in rows if wanted in (None, row["FeatureGroupStatus"])]
    rows = [row for row in rows if offline in (None, (row["OfflineStoreStatus"] or {}).get("Status"))]
    if request.get("SortBy") == "OfflineStoreStatus":
        rows.sort(key=lambda row: str((row["OfflineStoreStatus"] or {}).get("Status")))
    listed = page(rows, request, "FeatureGroupSummaries", name="FeatureGroupName", status="FeatureGroupStatus")
    return describe("sagemaker", "ListFeatureGroups", listed)


@operation("sagemaker", "UpdateFeatureGroup")
def update_feature_group(call: Call, request: Request) -> Output:
    row = find(call, request["FeatureGroupName"])
    document: dict[str, Any] = {}
    added = request.get("FeatureAdditions", [])
    if added:
        names = {definition["FeatureName"].lower() for definition in row.document["FeatureDefinitions"]}
        _check_definitions(added, "FeatureAdditions", names)
        document["FeatureDefinitions"] = [*row.document["FeatureDefinitions"], *added]
    if "OnlineStoreConfig" in request:
        if not _group(row).online:
            raise invalid("OnlineStoreConfig: the feature group has no OnlineStore.")
        document["OnlineStoreConfig"] = {**row.document["OnlineStoreConfig"], **request["OnlineStoreConfig"]}
    if "ThroughputConfig" in request:
        document["ThroughputConfig"] = request["ThroughputConfig"]
    change = Change(document=document, state={"LastUpdateStatus": {"Status": "Successful"}})

    def work(connection: Connection) -> None:
        after = resources.modify(connection, KIND, call.region, row.name, change)
        table = table_of(after)
        if table is not None and added:
            catalog.replace(connection, call.region, table)

    call.use(Resources).within(work)
    return {"FeatureGroupArn": row.arn}


@operation("sagemaker", "DeleteFeatureGroup")
def delete_feature_group(call: Call, request: Request) -> Output:
    """The online records go; the offline store's objects and its table stay, as on AWS."""
    row = find(call, request["FeatureGroupName"])
    with contextlib.suppress(SelfmakerError):  # what cannot be written now, its bucket gone, goes with the group
        call.use(OfflineStore).flush(row.state["id"])

    def also(connection: Connection) -> None:
        feature_records.forget(connection, row.state["id"])
        tags.forget(connection, row.arn)

    try:
        call.use(Resources).delete(KIND, call.region, row.name, also)
    except NotFound:
        raise not_found(row.name) from None
    return None


def find(call: Call, name: str) -> Resource:
    """The feature group, by name or ARN, or AWS's error."""
    plain = name.rpartition("/")[2]
    try:
        return call.use(Resources).get(KIND, call.region, plain)
    except NotFound:
        raise not_found(plain) from None


def not_found(name: str) -> AwsError:
    message = f"Resource Not Found: Amazon SageMaker can't find a FeatureGroup with name {name}"
    return AwsError("ResourceNotFound", message)


def engine_group(call: Call, name: str) -> Group | None:
    """What the engine knows of the group of that name; None when there is none."""
    try:
        return _group(call.use(Resources).get(KIND, call.region, name))
    except NotFound:
        return None


def described(row: Resource) -> dict[str, Any]:
    """In the members of DescribeFeatureGroup, and of Search's FeatureGroup."""
    document = row.document
    return {
        **document,
        "FeatureGroupArn": row.arn,
        "FeatureGroupStatus": row.status,
        "CreationTime": row.created,
        "LastModifiedTime": row.modified,
        "OfflineStoreStatus": {"Status": "Active"} if "OfflineStoreConfig" in document else None,
        "LastUpdateStatus": row.state.get("LastUpdateStatus"),
    }


def _group(row: Resource) -> Group:
    return group_of(row.state["id"], row.document)


def _check(call: Call, request: Request) -> None:
    definitions = request["FeatureDefinitions"]
    _check_definitions(definitions, "FeatureDefinitions", set())
    by_name = {definition["FeatureName"]: definition for definition in definitions}
    for member in ("RecordIdentifierFeatureName", "EventTimeFeatureName"):
        definition = by_name.get(request[member])
        if definition is None:
            raise invalid(f"Validation Error: {member} {request[member]} is not defined in FeatureDefinitions.")
        if "CollectionType" in definition:
            raise invalid(f"Validation Error: {member} {request[member]} must not be a collection.")
    if by_name[request["EventTimeFeatureName"]]["FeatureType"] == "Integral":
        raise invalid("Validation Error: EventTimeFeatureName must name a feature of type String or Fractional.")
    online = request.get("OnlineStoreConfig", {})
    if not online.get("EnableOnlineStore") and "OfflineStoreConfig" not in request:
        raise invalid(
            "Validation Error: OnlineStoreConfig must enable the OnlineStore, or OfflineStoreConfig be given."
        )
    collections = any("CollectionType" in definition for definition in definitions)
    if collections and online.get("EnableOnlineStore") and online.get("StorageType", "Standard") == "Standard":
        raise invalid("Validation Error: a CollectionType needs an OnlineStoreConfig with StorageType InMemory.")


def _check_definitions(definitions: list[dict[str, Any]], member: str, known: set[str]) -> None:
    names = set(known)
    for definition in definitions:
        name, collection = definition.get("FeatureName"), definition.get("CollectionType")
        if name is None or "FeatureType" not in definition:
            raise invalid(f"Validation Error: {member}: each needs a FeatureName and a FeatureType.")
        if name.lower() in _RESERVED[:3]:
            raise invalid(f"Validation Error: {member}: the FeatureName {name} is reserved.")
        if name.lower() in names:
            raise invalid(f"Validation Error: {member}: the FeatureName {name} is there more than once.")
        names.add(name.lower())
        if collection == "Vector":
            vector = definition.get("CollectionConfig", {}).get("VectorConfig")
            if not vector or definition["FeatureType"] != "Fractional":
                raise invalid(f"Validation Error: {member}: the Vector {name} must be Fractional, with a VectorConfig.")


def _offline(call: Call, request: Request, now: float) -> dict[str, Any]:
    """The OfflineStoreConfig with what AWS fills in: where the objects go, and the table's name."""
    config: dict[str, Any] = dict(request["OfflineStoreConfig"])
    if "RoleArn" not in request:
        raise invalid("Validation Error: RoleArn is required with an OfflineStoreConfig.")
    if config.get("TableFormat") == "Iceberg":
        raise invalid("OfflineStoreConfig.TableFormat: selfmaker writes the format Glue, not Iceberg.")
    uri = config["S3StorageConfig"]["S3Uri"].rstrip("/")
    bucket, _ = s3_location("OfflineStoreConfig.S3StorageConfig.S3Uri", uri)
    if not call.use(ObjectStore).bucket_exists(bucket):
        raise invalid(f"OfflineStoreConfig.S3StorageConfig.S3Uri: the bucket {bucket} does not exist.")
    name, moment = request["FeatureGroupName"], int(now)
    place = f"{uri}/{call.account}/sagemaker/{call.region}/offline-store/{name}-{moment}/data"
    config["S3StorageConfig"] = {**config["S3StorageConfig"], "ResolvedOutputS3Uri": place}
    config.setdefault("DisableGlueTableCreation", False)
    if not config["DisableGlueTableCreation"] and "DataCatalogConfig" not in config:
        table = f"{name.replace('-', '_')}_{moment}".lower()
        config["DataCatalogConfig"] = {"TableName": table, "Catalog": "AwsDataCatalog", "Database": _DATABASE}
    return config
