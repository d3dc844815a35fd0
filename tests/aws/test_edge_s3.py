"""S3's protocol through a real socket: streams, keys, errors."""

import hashlib
import os
import urllib.request

import pytest
from botocore.exceptions import ClientError
from edge_packages import s3

KEYS = [
    "a",
    "a/b",
    "/leading",
    "trailing/",
    "a//b",
    "../up",
    "a/./b/..",
    "sp ace",
    "plus+",
    "per%cent",
    "%2F",
    "é/日本",
    "q?x=1#f",
    "a&b=c",
    "'quote\"",
    "~tilde-_.",
    "new\nline",
    "*(!)",
    "x" * 1024,
]


@pytest.fixture
def client(edge):
    return edge.client("s3")


@pytest.mark.parametrize("key", KEYS)
def test_keys_arrive_as_they_are(client, key):
    client.put_object(Bucket="keys", Key=key, Body=b"12345")
    assert ("keys", key) in s3.OBJECTS
    assert client.get_object(Bucket="keys", Key=key)["Body"].read() == b"12345"
    del s3.OBJECTS["keys", key]


def test_keys_that_look_alike_never_collide(client):
    for key in KEYS:
        client.put_object(Bucket="alike", Key=key, Body=key.encode())
    for key in KEYS:
        assert client.get_object(Bucket="alike", Key=key)["Body"].read() == key.encode()


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, 50 << 20])
def test_upload_and_download(client, size):
    data = os.urandom(size)
    etag = client.put_object(Bucket="b", Key=f"size/{size}", Body=data)["ETag"]
    assert etag == f'"{hashlib.md5(data).hexdigest()}"'
    assert s3.OBJECTS["b", f"size/{size}"]["Length"] == size
    response = client.get_object(Bucket="b", Key=f"size/{size}")
    assert response["ContentLength"] == size
    assert response["Body"].read() == data


def test_range_head_and_pieces(client):
    client.put_object(Bucket="b", Key="r", Body=b"abcdef", Metadata={"One": "1", "two": "zwei"}, ContentType="text/x")
    response = client.get_object(Bucket="b", Key="r", Range="bytes=1-3")
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert response["ContentRange"] == "bytes 1-3/6" and response["Body"].read() == b"bcd"
    response = client.get_object(Bucket="b", Key="r")
    assert response["Metadata"] == {"one": "1", "two": "zwei"} and response["ContentType"] == "text/x"
    assert response["LastModified"].timestamp() == 1700000000
    head = client.head_object(Bucket="b", Key="r")
    assert head["ContentLength"] == 6 and head["ETag"] == s3.OBJECTS["b", "r"]["ETag"]
    assert client.get_object(Bucket="b", Key="pieces")["Body"].read() == b"".join(b"%d" % n * 10 for n in range(5))


def test_sub_resources_by_query(client):
    part = client.upload_part(Bucket="b", Key="k", UploadId="u", PartNumber=7, Body=b"xyz")
    assert part["ETag"] == '"u-7-3"'
    assert client.list_buckets()["Buckets"][0]["Name"] == "b"
    assert client.get_bucket_location(Bucket="x")["LocationConstraint"] == "eu-west-1"
    assert client.get_bucket_location(Bucket="default")["LocationConstraint"] is None
    assert client.create_bucket(Bucket="n")["Location"] == "/n@none"
    made = client.create_bucket(Bucket="n", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert made["Location"] == "/n@eu-west-1"
    deleted = client.delete_objects(Bucket="b", Delete={"Objects": [{"Key": "<&>"}, {"Key": " a\r\n"}]})
    assert [item["Key"] for item in deleted["Deleted"]] == ["<&>", " a\r\n"]


def test_listing(client):
    for key in ("l/1 2", "l/a+b", "l/&"):
        client.put_object(Bucket="list", Key=key, Body=b"")
    listed = client.list_objects_v2(Bucket="list", Prefix="l/")
    assert [item["Key"] for item in listed["Contents"]] == ["l/&", "l/1 2", "l/a+b"]
    assert listed["Contents"][0]["LastModified"].timestamp() == 1700000000.123
    assert listed["CommonPrefixes"] == [{"Prefix": "p/"}]


def test_errors(client):
    with pytest.raises(client.exceptions.NoSuchKey) as caught:
        client.get_object(Bucket="b", Key="none such")
    error = caught.value.response["Error"]
    assert error["Key"] == "none such" and error["Resource"] == "/b/none%20such"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    assert caught.value.response["ResponseMetadata"]["RequestId"]
    with pytest.raises(ClientError) as caught:
        client.head_object(Bucket="b", Key="none such")
    assert caught.value.response["Error"]["Code"] == "404"


@pytest.mark.parametrize("size", [10, 5 << 20])
def test_refused_without_reading_the_body(client, size):
    with pytest.raises(client.exceptions.NoSuchBucket):
        client.put_object(Bucket="refused", Key="k", Body=b"x" * size)
    client.put_object(Bucket="b", Key="after", Body=b"1")


def test_bucket_in_the_host(edge):
    for host in ("vhost.localhost", "vhost.s3.localhost", "vhost.s3.eu-west-1.amazonaws.com"):
        client = edge.client("s3", s3={"addressing_style": "path"})
        client.put_object(Bucket="vhost", Key="k", Body=b"here")
        url = client.generate_presigned_url("get_object", Params={"Bucket": "vhost", "Key": "k"})
        # a version 2 signature covers the resource, with the bucket in front wherever it stood
        request = urllib.request.Request(url.replace("/vhost/", "/"), headers={"Host": f"{host}:{edge.port}"})
        with urllib.request.urlopen(request) as response:
            assert response.read() == b"here"
