"""rest-xml with streams; objects live in a dictionary and, for downloads, in files."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from selfmaker.aws.body import Body
from selfmaker.aws.dispatch import raw_route
from selfmaker.aws.errors import AwsError
from selfmaker.aws.http import HttpRequest, HttpResponse
from selfmaker.aws.operation import Call, FileRange, Reply, operation

OBJECTS: dict[tuple[str, str], dict[str, Any]] = {}
FOLDER: list[Path] = []


@operation("s3", "PutObject")
def put_object(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    if request["Bucket"] == "refused":
        raise AwsError("NoSuchBucket", "The specified bucket does not exist", 404, BucketName="refused")
    body: Body = request["Body"]
    digest = hashlib.md5()
    target = FOLDER[0] / hashlib.sha256(f"{request['Bucket']}/{request['Key']}".encode()).hexdigest()
    size = 0
    with target.with_suffix(".new").open("wb") as file:
        while data := body.read(1 << 20):
            size += len(data)
            digest.update(data)
            file.write(data)
    target.with_suffix(".new").rename(target)
    OBJECTS[request["Bucket"], request["Key"]] = {
        **request,
        "Path": target,
        "Size": size,
        "ETag": f'"{digest.hexdigest()}"',
        "Trailers": dict(body.trailers),
        "Length": body.length,
    }
    return {"ETag": f'"{digest.hexdigest()}"'}


def _found(request: dict[str, Any]) -> dict[str, Any]:
    stored = OBJECTS.get((request["Bucket"], request["Key"]))
    if stored is None:
        raise AwsError("NoSuchKey", "The specified key does not exist.", 404, Key=request["Key"])
    return stored


@operation("s3", "GetObject")
def get_object(call: Call, request: dict[str, Any]) -> dict[str, Any] | Reply:
    if request["Key"] in ("pieces", "endless", "failing"):
        source = {"pieces": _pieces, "endless": _endless, "failing": _failing}[request["Key"]]
        return {"Body": source(), "ContentType": "text/plain"}
    stored = _found(request)
    output = {
        "ETag": stored["ETag"],
        "LastModified": 1700000000.0,
        "Metadata": stored.get("Metadata", {}),
        "ContentType": stored.get("ContentType", "binary/octet-stream"),
    }
    if "Range" in request:
        return Reply(
            {**output, "Body": FileRange(stored["Path"], 1, 3), "ContentRange": f"bytes 1-3/{stored['Size']}"}, 206
        )
    return {**output, "Body": FileRange(stored["Path"], 0, stored["Size"])}


CLOSED: list[str] = []


def _pieces() -> Iterator[bytes]:
    for number in range(5):
        yield str(number).encode() * 10


def _endless() -> Iterator[bytes]:
    try:
        while True:
            yield b"." * 65536
    finally:
        CLOSED.append("endless")


def _failing() -> Iterator[bytes]:
    yield b"so far so good"
    raise RuntimeError("the source dried up")


@operation("s3", "HeadObject")
def head_object(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    stored = _found(request)
    return {"ContentLength": stored["Size"], "ETag": stored["ETag"], "LastModified": 1700000000.0}


@operation("s3", "UploadPart")
def upload_part(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"ETag": f'"{request["UploadId"]}-{request["PartNumber"]}-{len(request["Body"].read())}"'}


@operation("s3", "ListObjectsV2")
def list_objects_v2(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    keys = sorted(
        key for bucket, key in OBJECTS if bucket == request["Bucket"] and key.startswith(request.get("Prefix", ""))
    )
    return {
        "Name": request["Bucket"],
        "Prefix": request.get("Prefix"),
        "KeyCount": len(keys),
        "IsTruncated": False,
        "MaxKeys": request.get("MaxKeys", 1000),
        "Contents": [{"Key": key, "Size": 1, "LastModified": 1700000000.123, "ETag": '"x"'} for key in keys],
        "CommonPrefixes": [{"Prefix": "p/"}],
    }


@operation("s3", "DeleteObjects")
def delete_objects(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"Deleted": [{"Key": item["Key"]} for item in request["Delete"]["Objects"]]}


@operation("s3", "ListBuckets")
def list_buckets(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"Buckets": [{"Name": "b", "CreationDate": 1700000000.0}], "Owner": {"ID": "me"}}


@operation("s3", "GetBucketLocation")
def get_bucket_location(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {} if request["Bucket"] == "default" else {"LocationConstraint": "eu-west-1"}


@operation("s3", "CreateBucket")
def create_bucket(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    place = request.get("CreateBucketConfiguration", {}).get("LocationConstraint", "none")
    return {"Location": f"/{request['Bucket']}@{place}"}


def _is_form(http: HttpRequest) -> bool:
    return http.method == "POST" and http.headers.get("content-type", "").startswith("multipart/form-data")


@raw_route("s3", "PostObject", _is_form)
def post_object(call: Call, http: HttpRequest) -> HttpResponse:
    return HttpResponse(204, {"x-size": str(len(http.body.read())), "x-key": call.access_key or "anonymous"})
