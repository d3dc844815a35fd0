"""Feature groups and their records as a user of boto3 knows them."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
DEFINITIONS = [
    {"FeatureName": "id", "FeatureType": "Integral"},
    {"FeatureName": "when", "FeatureType": "String"},
    {"FeatureName": "x", "FeatureType": "Fractional"},
    {"FeatureName": "Word", "FeatureType": "String"},
]
T = ["2024-05-01T12:00:00Z", "2024-05-01T12:30:00.500Z", "2024-05-02T01:00:00Z"]


def record(**values: Any) -> list[dict[str, Any]]:
    return [
        {"FeatureName": name, "ValueAsStringList" if isinstance(value, list) else "ValueAsString": value}
        for name, value in values.items()
    ]


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    return {v["FeatureName"]: v.get("ValueAsString", v.get("ValueAsStringList")) for v in answer.get("Record", [])}


def refused(call: Callable[..., Any], **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    assert 400 <= caught.value.response["ResponseMetadata"]["HTTPStatusCode"] < 500
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


class Features:
    """A user with clients of both halves of the store."""

    def __init__(self, server: Any, account: Any) -> None:
        self.server, self.account = server, account
        self.connect()

    def connect(self) -> None:
        self.sagemaker = self.server.client("sagemaker")
        self.runtime = self.server.client("sagemaker-featurestore-runtime")

    def create(self, offline: bool = False, **members: Any) -> str:
        name = self.account.unique("group")
        request: dict[str, Any] = {
            "FeatureGroupName": name, "RecordIdentifierFeatureName": "id", "EventTimeFeatureName": "when",
            "FeatureDefinitions": DEFINITIONS, "OnlineStoreConfig": {"EnableOnlineStore": True}, **members,
        }  # fmt: skip
        if offline:
            request["OfflineStoreConfig"] = {"S3StorageConfig": {"S3Uri": f"s3://{self.account.bucket}/{name}"}}
            request["RoleArn"] = ROLE
        self.sagemaker.create_feature_group(**request)
        return name

    def put(self, group: str, values: dict[str, Any], **members: Any) -> None:
        self.runtime.put_record(FeatureGroupName=group, Record=record(**values), **members)

    def get(self, group: str, identifier: str = "1", **members: Any) -> dict[str, Any]:
        return plain(self.runtime.get_record(
            FeatureGroupName=group, RecordIdentifierValueAsString=identifier, **members
        ))  # fmt: skip

    def delete(self, group: str, when: str, identifier: str = "1", **members: Any) -> None:
        self.runtime.delete_record(
            FeatureGroupName=group, RecordIdentifierValueAsString=identifier, EventTime=when, **members
        )


@pytest.fixture(scope="module")
def features(server: Any, account: Any) -> Features:
    return Features(server, account)


def test_a_group_is_described_listed_widened_and_deleted(features) -> None:
    name = features.create(Description="d", Tags=[{"Key": "a", "Value": "b"}])
    described = features.sagemaker.describe_feature_group(FeatureGroupName=name)
    assert described["FeatureGroupStatus"] == "Created" and described["FeatureDefinitions"] == DEFINITIONS
    assert described["Description"] == "d" and described["OnlineStoreConfig"] == {"EnableOnlineStore": True}
    assert features.sagemaker.list_tags(ResourceArn=described["FeatureGroupArn"])["Tags"] == [
        {"Key": "a", "Value": "b"}
    ]
    listed = features.sagemaker.list_feature_groups(NameContains=name, FeatureGroupStatusEquals="Created")
    assert [row["FeatureGroupName"] for row in listed["FeatureGroupSummaries"]] == [name]
    features.sagemaker.update_feature_group(
        FeatureGroupName=name, FeatureAdditions=[{"FeatureName": "y", "FeatureType": "String"}]
    )
    features.put(name, {"id": "1", "when": T[0], "y": "new"})
    assert features.get(name)["y"] == "new"
    features.sagemaker.delete_feature_group(FeatureGroupName=name)
    assert refused(features.sagemaker.describe_feature_group, FeatureGroupName=name)[0] == "ResourceNotFound"
    assert refused(features.runtime.get_record, FeatureGroupName=name, RecordIdentifierValueAsString="1")[0] == (
        "ResourceNotFound"
    )


def test_the_latest_event_time_counts(features) -> None:
    name = features.create()
    features.put(name, {"id": "1", "when": T[1], "x": "1.5", "Word": "ü"})
    features.put(name, {"id": "1", "when": T[0], "x": "9"})
    assert features.get(name) == {"id": "1", "when": T[1], "x": "1.5", "Word": "ü"}
    features.put(name, {"id": "1", "when": T[2], "x": "2"})
    assert features.get(name) == {"id": "1", "when": T[2], "x": "2"}
    assert features.get(name, FeatureNames=["x"]) == {"x": "2"}
    assert features.get(name, "2") == {}


def test_a_deleted_record_is_gone_until_a_later_one_comes(features) -> None:
    name = features.create()
    features.put(name, {"id": "1", "when": T[1]})
    features.delete(name, T[0])
    assert features.get(name) != {}
    features.delete(name, T[2])
    assert features.get(name) == {}
    features.put(name, {"id": "1", "when": T[1]})
    assert features.get(name) == {}
    listed = features.runtime.list_records(FeatureGroupName=name)
    assert listed["RecordIdentifiers"] == []
    assert features.runtime.list_records(FeatureGroupName=name, IncludeSoftDeletedRecords=True)[
        "RecordIdentifiers"
    ] == ["1"]


def test_a_hard_deletion_leaves_nothing(features) -> None:
    name = features.create()
    features.put(name, {"id": "1", "when": T[1]})
    with pytest.raises(ClientError, match="EventTime"):
        features.delete(name, T[0], DeletionMode="HardDelete")
    features.delete(name, T[2], DeletionMode="HardDelete")
    features.put(name, {"id": "1", "when": T[0]})
    assert features.get(name) == {"id": "1", "when": T[0]}


def test_a_record_expires(features) -> None:
    name = features.create(OnlineStoreConfig={"EnableOnlineStore": True, "TtlDuration": {"Unit": "Weeks", "Value": 1}})
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    features.put(name, {"id": "1", "when": now})
    answer = features.runtime.get_record(
        FeatureGroupName=name, RecordIdentifierValueAsString="1", ExpirationTimeResponse="Enabled"
    )
    assert answer["ExpiresAt"] > now
    features.put(name, {"id": "2", "when": now}, TtlDuration={"Unit": "Seconds", "Value": 2})
    features.put(name, {"id": "3", "when": T[0]})
    assert features.get(name, "3") == {}
    time.sleep(2.5)
    assert features.get(name, "2") == {} and features.get(name) != {}


def test_batches(features) -> None:
    name, other = features.create(), features.create()
    entries = [{"FeatureGroupName": name, "Record": record(id=str(n), when=T[0])} for n in range(5)]
    entries.append({"FeatureGroupName": name, "Record": record(id="x", when=T[0])})
    answer = features.runtime.batch_write_record(Entries=entries)
    assert [error["ErrorCode"] for error in answer["Errors"]] == ["ValidationError"]
    features.put(other, {"id": "7", "when": T[0], "x": "7"})
    answer = features.runtime.batch_get_record(Identifiers=[
        {"FeatureGroupName": name, "RecordIdentifiersValueAsString": ["0", "4", "9"]},
        {"FeatureGroupName": other, "RecordIdentifiersValueAsString": ["7"], "FeatureNames": ["x"]},
        {"FeatureGroupName": "nobody", "RecordIdentifiersValueAsString": ["1"]},
    ])  # fmt: skip
    assert [found["RecordIdentifierValueAsString"] for found in answer["Records"]] == ["0", "4", "7"]
    assert plain(answer["Records"][2]) == {"x": "7"}
    assert [error["ErrorCode"] for error in answer["Errors"]] == ["ResourceNotFound"]
    first = features.runtime.list_records(FeatureGroupName=name, MaxResults=3)
    rest = features.runtime.list_records(FeatureGroupName=name, NextToken=first["NextToken"])
    assert first["RecordIdentifiers"] + rest["RecordIdentifiers"] == ["0", "1", "2", "3", "4"]


def test_some_values_are_changed(features) -> None:
    name = features.create(OnlineStoreConfig={"EnableOnlineStore": True, "StorageType": "InMemory"})
    features.put(name, {"id": "1", "when": T[1], "x": "1", "Word": "w"})
    update = {"FeatureGroupName": name, "RecordIdentifierValueAsString": "1"}
    features.runtime.update_record(**update, Features=record(x="2"))
    assert features.get(name) == {"id": "1", "when": T[1], "x": "2", "Word": "w"}
    assert refused(features.runtime.update_record, **update, Features=record(when=T[0]))[0] == "ConflictException"
    update["RecordIdentifierValueAsString"] = "2"
    assert refused(features.runtime.update_record, **update, Features=record(x="2"))[0] == "ResourceNotFound"


def test_collections(features) -> None:
    definitions = [
        *DEFINITIONS,
        {"FeatureName": "l", "FeatureType": "Integral", "CollectionType": "List"},
        {"FeatureName": "s", "FeatureType": "String", "CollectionType": "Set"},
        {"FeatureName": "v", "FeatureType": "Fractional", "CollectionType": "Vector",
         "CollectionConfig": {"VectorConfig": {"Dimension": 2}}},
    ]  # fmt: skip
    online = {"EnableOnlineStore": True, "StorageType": "InMemory"}
    name = features.create(FeatureDefinitions=definitions, OnlineStoreConfig=online)
    values = {"id": "1", "when": T[0], "l": ["1", "1"], "s": ["a", "b"], "v": ["0.5", "1"]}
    features.put(name, values)
    assert features.get(name) == values
    for wrong in ({"l": ["x"]}, {"s": ["a", "a"]}, {"v": ["1"]}, {"l": "1"}, {"x": ["1"]}):
        request = {"FeatureGroupName": name, "Record": record(**{**values, **wrong})}
        code, message = refused(features.runtime.put_record, **request)
        assert code == "ValidationError" and f"[{next(iter(wrong))}]" in message


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"id": "1"}, "when"),
        ({"when": T[0]}, "id"),
        ({"id": "1", "when": "2024-05-01"}, "when"),
        ({"id": "1", "when": "2024-13-01T00:00:00Z"}, "when"),
        ({"id": "one", "when": T[0]}, "id"),
        ({"id": "1", "when": T[0], "x": "nothing"}, "x"),
        ({"id": "1", "when": T[0], "z": "1"}, "z"),
    ],
)
def test_a_record_that_does_not_fit_is_refused(features, values: dict, named: str) -> None:
    name = features.create()
    code, message = refused(features.runtime.put_record, FeatureGroupName=name, Record=record(**values))
    assert code == "ValidationError" and f"[{named}" in message
    assert features.runtime.list_records(FeatureGroupName=name)["RecordIdentifiers"] == []


def test_a_group_that_makes_no_sense_is_refused(features) -> None:
    good = {"FeatureGroupName": "g", "RecordIdentifierFeatureName": "id", "EventTimeFeatureName": "when",
            "FeatureDefinitions": DEFINITIONS, "OnlineStoreConfig": {"EnableOnlineStore": True}}  # fmt: skip
    create = features.sagemaker.create_feature_group
    offline = {"S3StorageConfig": {"S3Uri": "s3://no-such-bucket-here/x"}}
    for wrong, named in (
        ({"RecordIdentifierFeatureName": "nothing"}, "RecordIdentifierFeatureName"),
        ({"EventTimeFeatureName": "id"}, "EventTimeFeatureName"),
        ({"FeatureDefinitions": [*DEFINITIONS, DEFINITIONS[0]]}, "FeatureDefinitions"),
        ({"FeatureDefinitions": [*DEFINITIONS, {"FeatureName": "write_time", "FeatureType": "String"}]}, "write_time"),
        ({"OnlineStoreConfig": {"EnableOnlineStore": False}}, "OnlineStoreConfig"),
        ({"OfflineStoreConfig": offline}, "RoleArn"),
        ({"OfflineStoreConfig": offline, "RoleArn": ROLE}, "no-such-bucket-here"),
    ):
        code, message = refused(create, **{**good, **wrong})
        assert code == "ValidationException" and named in message
    assert refused(create, **{**good, "FeatureGroupName": features.create()})[0] == "ResourceInUse"


def test_what_is_said_of_a_feature(features) -> None:
    name = features.create()
    features.sagemaker.update_feature_metadata(
        FeatureGroupName=name, FeatureName="x", Description="a number", ParameterAdditions=[{"Key": "k", "Value": "v"}]
    )
    told = features.sagemaker.describe_feature_metadata(FeatureGroupName=name, FeatureName="x")
    assert told["Description"] == "a number" and told["Parameters"] == [{"Key": "k", "Value": "v"}]
    assert told["FeatureType"] == "Fractional"
    for path, operator, value in (
        ("Parameters.k", "Equals", "v"), ("AllParameters", "Contains", "V"), ("AllParameters", "Contains", "k"),
    ):  # fmt: skip
        filters = [
            {"Name": "FeatureGroupName", "Operator": "Equals", "Value": name},
            {"Name": path, "Operator": operator, "Value": value},
        ]
        found = features.sagemaker.search(Resource="FeatureMetadata", SearchExpression={"Filters": filters})["Results"]
        assert [result["FeatureMetadata"] for result in found] == [
            {key: value for key, value in told.items() if key != "ResponseMetadata"}
        ]
    features.sagemaker.update_feature_metadata(FeatureGroupName=name, FeatureName="x", ParameterRemovals=["k"])
    told = features.sagemaker.describe_feature_metadata(FeatureGroupName=name, FeatureName="x")
    assert told["Parameters"] == [] and told["Description"] == "a number"
    expression = {"Filters": [{"Name": "FeatureGroupName", "Operator": "Equals", "Value": name}]}
    found = features.sagemaker.search(Resource="FeatureGroup", SearchExpression=expression)["Results"]
    assert [result["FeatureGroup"]["FeatureGroupName"] for result in found] == [name]
    found = features.sagemaker.search(Resource="FeatureMetadata", SearchExpression=expression)["Results"]
    assert {result["FeatureMetadata"]["FeatureName"] for result in found} == {"id", "when", "x", "Word"}


@pytest.mark.frameworks
def test_the_offline_store_is_parquet_in_aws_layout(features, account) -> None:
    name = features.create(offline=True)
    for when in T:
        features.put(name, {"id": "1", "when": when, "x": "1"})
    described = features.sagemaker.describe_feature_group(FeatureGroupName=name)
    storage = described["OfflineStoreConfig"]["S3StorageConfig"]
    prefix = storage["ResolvedOutputS3Uri"].removeprefix(f"s3://{account.bucket}/")
    assert f"{name}/123456789012/sagemaker/us-east-1/offline-store/{name}-" in prefix and prefix.endswith("/data")
    deadline = time.monotonic() + 60
    while len(keys := account.keys(prefix + "/")) < 2:
        assert time.monotonic() < deadline, keys
        time.sleep(0.2)
    hours = sorted(key.rpartition("/")[0] for key in keys)
    assert set(hours) == {"year=2024/month=05/day=01/hour=12", "year=2024/month=05/day=02/hour=01"}
    assert all(key.endswith(".parquet") and "T" in key.rpartition("/")[2] for key in keys)
    assert account.get(f"s3://{account.bucket}/{prefix}/{keys[0]}")[:4] == b"PAR1"


@pytest.mark.frameworks
def test_records_survive_a_kill_in_both_stores(new_server, account_on) -> None:
    server = new_server()
    features = Features(server, account_on(server))
    name = features.create(offline=True)
    for number in range(20):
        features.put(name, {"id": str(number), "when": T[0], "x": "1"})
    server.kill()
    server.start()
    features.account.connect()
    features.connect()
    assert features.get(name, "19")["x"] == "1"
    described = features.sagemaker.describe_feature_group(FeatureGroupName=name)
    table = described["OfflineStoreConfig"]["DataCatalogConfig"]["TableName"]
    athena = server.client("athena")
    started = athena.start_query_execution(
        QueryString=f'SELECT count(DISTINCT id), count(*) FROM "{table}"',
        QueryExecutionContext={"Database": "sagemaker_featurestore"},
        ResultConfiguration={"OutputLocation": f"s3://{features.account.bucket}/results/"},
    )["QueryExecutionId"]
    while athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"]["State"] in (
        "QUEUED", "RUNNING",
    ):  # fmt: skip
        pass
    rows = athena.get_query_results(QueryExecutionId=started)["ResultSet"]["Rows"]
    assert [datum["VarCharValue"] for datum in rows[1]["Data"]] == ["20", "20"]
