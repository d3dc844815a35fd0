from typing import Any

import pytest

KEYS = ("a", "a/1", "a/2", "a/b/3", "b", "c/1", "d e", "d+e", "é")


@pytest.fixture(scope="module")
def filled(client: Any) -> str:
    client.create_bucket(Bucket="listing")
    for key in KEYS:
        client.put_object(Bucket="listing", Key=key, Body=b"x")
    return "listing"


def keys(answer: dict[str, Any]) -> list[str]:
    return [item["Key"] for item in answer.get("Contents", ())]


def prefixes(answer: dict[str, Any]) -> list[str]:
    return [item["Prefix"] for item in answer.get("CommonPrefixes", ())]


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
def test_all_and_by_prefix_and_delimiter(client: Any, filled: str, operation: str) -> None:
    call = getattr(client, operation)
    assert keys(call(Bucket=filled)) == list(KEYS)
    assert keys(call(Bucket=filled, Prefix="a/")) == ["a/1", "a/2", "a/b/3"]
    answer = call(Bucket=filled, Delimiter="/")
    assert (keys(answer), prefixes(answer)) == (["a", "b", "d e", "d+e", "é"], ["a/", "c/"])
    answer = call(Bucket=filled, Prefix="a/", Delimiter="/")
    assert (keys(answer), prefixes(answer)) == (["a/1", "a/2"], ["a/b/"])
    assert keys(call(Bucket=filled, Prefix="none")) == []
    assert answer["IsTruncated"] is False
    item = call(Bucket=filled, MaxKeys=1)["Contents"][0]
    assert (item["Size"], item["StorageClass"], item["ETag"]) == (1, "STANDARD", '"9dd4e461268c8034f5c8564e155c67a6"')


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2", "list_object_versions"])
@pytest.mark.parametrize("delimiter", ["", "/"])
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_pages(client: Any, filled: str, operation: str, delimiter: str, size: int) -> None:
    pages = client.get_paginator(operation).paginate(
        Bucket=filled, Delimiter=delimiter, PaginationConfig={"PageSize": size}
    )
    found, shared = [], []
    for page in pages:
        found += [item["Key"] for item in page.get("Contents", page.get("Versions", ()))]
        shared += prefixes(page)
    if delimiter:
        assert (found, shared) == (["a", "b", "d e", "d+e", "é"], ["a/", "c/"])
    else:
        assert (found, shared) == (list(KEYS), [])


def test_markers(client: Any, filled: str) -> None:
    assert keys(client.list_objects(Bucket=filled, Marker="b")) == ["c/1", "d e", "d+e", "é"]
    assert prefixes(client.list_objects(Bucket=filled, Marker="a/1", Delimiter="/")) == ["c/"]
    assert keys(client.list_objects_v2(Bucket=filled, StartAfter="d")) == ["d e", "d+e", "é"]
    assert prefixes(client.list_objects_v2(Bucket=filled, StartAfter="a/1", Delimiter="/")) == ["a/", "c/"]
    assert client.list_objects(Bucket=filled, MaxKeys=1).get("NextMarker") is None
    assert client.list_objects(Bucket=filled, MaxKeys=2, Delimiter="/")["NextMarker"] == "a/"
    answer = client.list_objects_v2(Bucket=filled, MaxKeys=2, Delimiter="/")
    assert (answer["KeyCount"], answer["IsTruncated"]) == (2, True)


def test_nothing_is_asked_for(client: Any, filled: str) -> None:
    answer = client.list_objects_v2(Bucket=filled, MaxKeys=0)
    assert (keys(answer), answer["IsTruncated"], answer["KeyCount"]) == ([], False, 0)


def test_owner_when_asked_for(client: Any, filled: str) -> None:
    assert "Owner" not in client.list_objects_v2(Bucket=filled)["Contents"][0]
    assert client.list_objects_v2(Bucket=filled, FetchOwner=True)["Contents"][0]["Owner"]["ID"]
    assert client.list_objects(Bucket=filled)["Contents"][0]["Owner"]["ID"]


def test_versions(client: Any, filled: str) -> None:
    version = client.list_object_versions(Bucket=filled)["Versions"][0]
    assert (version["VersionId"], version["IsLatest"], version["Key"]) == ("null", True, "a")


@pytest.mark.parametrize(
    "arguments", [{"MaxKeys": -1}, {"EncodingType": "xml"}, {"ContinuationToken": "?"}, {"ContinuationToken": ""}]
)
def test_bad_arguments(client: Any, filled: str, refused: Any, arguments: dict[str, Any]) -> None:
    refused("InvalidArgument", 400, client.list_objects_v2, Bucket=filled, **arguments)


def test_no_bucket(client: Any, refused: Any) -> None:
    for operation in ("list_objects", "list_objects_v2", "list_object_versions", "list_multipart_uploads"):
        refused("NoSuchBucket", 404, getattr(client, operation), Bucket="no-bucket")
