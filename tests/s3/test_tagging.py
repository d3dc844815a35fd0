from typing import Any

import pytest


def tag_set(**tags: str) -> dict[str, Any]:
    return {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}


def test_tags(client: Any, bucket: str, refused: Any) -> None:
    at = {"Bucket": bucket, "Key": "k"}
    client.put_object(**at, Body=b"", Tagging="a=1&b=x%20y&c=")
    before = client.head_object(**at)
    assert client.get_object_tagging(**at)["TagSet"] == tag_set(a="1", b="x y", c="")["TagSet"]
    assert before["TagCount"] == 3
    client.put_object_tagging(**at, Tagging=tag_set(new="é+-=._:/@"))
    assert client.get_object_tagging(**at)["TagSet"] == tag_set(new="é+-=._:/@")["TagSet"]
    client.delete_object_tagging(**at)
    assert client.get_object_tagging(**at)["TagSet"] == []
    after = client.head_object(**at)
    assert "TagCount" not in after
    assert after["LastModified"] == before["LastModified"]
    for call in (client.get_object_tagging, client.delete_object_tagging):
        refused("NoSuchKey", 404, call, Bucket=bucket, Key="none")


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ({f"k{n}": "" for n in range(11)}, "BadRequest"),
        ({"k" * 129: ""}, "InvalidTag"),
        ({"k": "v" * 257}, "InvalidTag"),
        ({"aws:k": ""}, "InvalidTag"),
        ({"k!": ""}, "InvalidTag"),
        ({"k": "a;b"}, "InvalidTag"),
    ],
)
def test_limits(client: Any, bucket: str, refused: Any, tags: dict[str, str], code: str) -> None:
    at = {"Bucket": bucket, "Key": "k"}
    client.put_object(**at, Body=b"")
    wanted = {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}
    refused(code, 400, client.put_object_tagging, **at, Tagging=wanted)
    assert client.get_object_tagging(**at)["TagSet"] == []


def test_the_same_key_twice(client: Any, bucket: str, refused: Any) -> None:
    twice = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
    refused("InvalidTag", 400, client.put_bucket_tagging, Bucket=bucket, Tagging=twice)
    refused("InvalidArgument", 400, client.put_object, Bucket=bucket, Key="k", Body=b"", Tagging="a=1&a=2")


def test_the_most_that_may_be(client: Any, bucket: str) -> None:
    tags = tag_set(**{f"{n:0128}": "v" * 256 for n in range(10)})
    client.put_object(Bucket=bucket, Key="k", Body=b"")
    client.put_object_tagging(Bucket=bucket, Key="k", Tagging=tags)
    assert client.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == tags["TagSet"]
