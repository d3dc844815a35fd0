import base64
import hashlib
import os
import zlib
from typing import Any

import pytest

SIZE = 5 << 20
FIRST, SECOND = os.urandom(SIZE), os.urandom(1000)


def crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


@pytest.fixture
def plain(served: Any) -> Any:
    """A client that sends no checksums of its own accord."""
    return served.client(request_checksum_calculation="when_required", response_checksum_validation="when_required")


def begin(client: Any, bucket: str, key: str = "k", **arguments: Any) -> dict[str, Any]:
    upload = client.create_multipart_upload(Bucket=bucket, Key=key, **arguments)
    return {"Bucket": bucket, "Key": key, "UploadId": upload["UploadId"]}


def send(client: Any, at: dict[str, Any], number: int, data: bytes, **arguments: Any) -> dict[str, Any]:
    answer = client.upload_part(**at, PartNumber=number, Body=data, **arguments)
    sums = {name: value for name, value in answer.items() if name.startswith("Checksum")}
    return {"PartNumber": number, "ETag": answer["ETag"], **sums}


def complete(client: Any, at: dict[str, Any], *parts: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    done: dict[str, Any] = client.complete_multipart_upload(**at, MultipartUpload={"Parts": list(parts)}, **arguments)
    return done


def test_an_upload(plain: Any, bucket: str) -> None:
    at = begin(plain, bucket, Metadata={"a": "b"}, ContentType="a/b", Tagging="t=1")
    parts = [send(plain, at, 1, FIRST), send(plain, at, 2, SECOND)]
    answer = complete(plain, at, *parts)
    digests = hashlib.md5(FIRST).digest() + hashlib.md5(SECOND).digest()
    assert answer["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-2"'
    assert answer["Location"].endswith(f"/{bucket}/k")
    got = plain.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == FIRST + SECOND
    assert (got["Metadata"], got["ContentType"], got["TagCount"]) == ({"a": "b"}, "a/b", 1)
    assert complete(plain, at, *parts)["ETag"] == answer["ETag"], "asked again, the same answer"
    assert "Uploads" not in plain.list_multipart_uploads(Bucket=bucket)


def test_reading_by_part(plain: Any, bucket: str, refused: Any) -> None:
    at = begin(plain, bucket)
    complete(plain, at, send(plain, at, 1, FIRST), send(plain, at, 2, SECOND))
    got = plain.get_object(Bucket=bucket, Key="k", PartNumber=2)
    assert (got["Body"].read(), got["PartsCount"]) == (SECOND, 2)
    assert got["ContentRange"] == f"bytes {SIZE}-{SIZE + 999}/{SIZE + 1000}"
    assert plain.head_object(Bucket=bucket, Key="k", PartNumber=1)["ContentLength"] == SIZE
    refused("InvalidPartNumber", 416, plain.get_object, Bucket=bucket, Key="k", PartNumber=3)
    refused("InvalidArgument", 400, plain.get_object, Bucket=bucket, Key="k", PartNumber=0)
    refused("InvalidRequest", 400, plain.get_object, Bucket=bucket, Key="k", PartNumber=1, Range="bytes=0-1")
    attributes = plain.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectParts", "ObjectSize"])
    assert (attributes["ObjectParts"]["TotalPartsCount"], attributes["ObjectSize"]) == (2, SIZE + 1000)


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "SHA1", "SHA256"])
def test_composite_checksums(plain: Any, bucket: str, algorithm: str, refused: Any) -> None:
    at = begin(plain, bucket, ChecksumAlgorithm=algorithm)
    sent = {"ChecksumAlgorithm": algorithm}
    parts = [send(plain, at, 1, FIRST, **sent), send(plain, at, 2, SECOND, **sent)]
    name = f"Checksum{algorithm}"
    listed = plain.list_parts(**at)
    assert [part[name] for part in listed["Parts"]] == [part[name] for part in parts]
    assert (listed["ChecksumAlgorithm"], listed["ChecksumType"]) == (algorithm, "COMPOSITE")
    bare = [{k: v for k, v in part.items() if k != name} for part in parts]
    with pytest.raises(Exception, match="missing for part 1"):
        complete(plain, at, *bare)
    with pytest.raises(Exception, match="InvalidPart"):
        complete(plain, at, {**parts[0], name: parts[1][name]}, parts[1])
    answer = complete(plain, at, *parts)
    assert answer[name].endswith("-2")
    assert answer["ChecksumType"] == "COMPOSITE"
    attributes = plain.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectParts", "Checksum"])
    assert [part[name] for part in attributes["ObjectParts"]["Parts"]] == [part[name] for part in parts]
    assert attributes["Checksum"][name] == answer[name].removesuffix("-2")
    assert plain.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")[name] == answer[name]


def test_full_object_checksums(plain: Any, bucket: str) -> None:
    at = begin(plain, bucket, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    parts = [send(plain, at, 1, FIRST), send(plain, at, 2, SECOND)]
    whole = crc32(FIRST + SECOND)
    with pytest.raises(Exception, match="BadDigest"):
        complete(plain, at, *parts, ChecksumCRC32=crc32(b"other"))
    with pytest.raises(Exception, match="x-amz-mp-object-size"):
        complete(plain, at, *parts, MpuObjectSize=5)
    answer = complete(plain, at, *parts, ChecksumCRC32=whole, MpuObjectSize=SIZE + 1000)
    assert (answer["ChecksumCRC32"], answer["ChecksumType"]) == (whole, "FULL_OBJECT")


def test_checksums_that_cannot_be(plain: Any, bucket: str, refused: Any) -> None:
    at = {"Bucket": bucket, "Key": "k"}
    begin_ = plain.create_multipart_upload
    for wrong in (
        {"ChecksumAlgorithm": "SHA256", "ChecksumType": "FULL_OBJECT"},
        {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "COMPOSITE"},
        {"ChecksumAlgorithm": "CRC16"},
        {"ChecksumType": "COMPOSITE"},
    ):
        refused("InvalidRequest", 400, begin_, **at, **wrong)
    upload = begin(plain, bucket, ChecksumAlgorithm="SHA256")
    wrong = {"ChecksumCRC32": crc32(b"x")}
    refused("InvalidRequest", 400, plain.upload_part, **upload, PartNumber=1, Body=b"x", **wrong)
    refused("BadDigest", 400, plain.upload_part, **upload, PartNumber=1, Body=b"x", ChecksumSHA256=sha256(b"y"))
    assert "Parts" not in plain.list_parts(**upload)


def sha256(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def test_wrong_completions(plain: Any, bucket: str, refused: Any) -> None:
    at = begin(plain, bucket)
    one, two = send(plain, at, 1, SECOND), send(plain, at, 2, FIRST)
    call = plain.complete_multipart_upload
    for code, parts in (
        ("InvalidPartOrder", [two, one]),
        ("EntityTooSmall", [one, two]),
        ("InvalidPart", [{**one, "ETag": '"0"'}]),
        ("InvalidPart", [{**one, "PartNumber": 9}]),
        ("MalformedXML", []),
    ):
        error = refused(code, 400, call, **at, MultipartUpload={"Parts": parts})
        if code == "EntityTooSmall":
            assert (error["ProposedSize"], error["PartNumber"]) == ("1000", "1")
    refused("MalformedXML", 400, call, **at)
    plain.put_object(Bucket=bucket, Key="k", Body=b"there")
    refused("PreconditionFailed", 412, call, **at, MultipartUpload={"Parts": [two]}, IfNoneMatch="*")
    complete(plain, at, two)
    assert plain.head_object(Bucket=bucket, Key="k")["ContentLength"] == SIZE


def test_no_such_upload(plain: Any, bucket: str, refused: Any) -> None:
    at = {"Bucket": bucket, "Key": "k", "UploadId": "none"}
    parts = {"Parts": [{"PartNumber": 1, "ETag": '"0"'}]}
    refused("NoSuchUpload", 404, plain.upload_part, **at, PartNumber=1, Body=b"")
    refused("NoSuchUpload", 404, plain.complete_multipart_upload, **at, MultipartUpload=parts)
    refused("NoSuchUpload", 404, plain.abort_multipart_upload, **at)
    refused("NoSuchUpload", 404, plain.list_parts, **at)
    upload = begin(plain, bucket)
    refused("NoSuchUpload", 404, plain.list_parts, **{**upload, "Key": "other"})
    refused("InvalidArgument", 400, plain.upload_part, **upload, PartNumber=10_001, Body=b"")
    refused(
        "BadDigest", 400, plain.upload_part, **upload, PartNumber=1, Body=b"x", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg=="
    )
    plain.abort_multipart_upload(**upload)
    refused("NoSuchUpload", 404, plain.upload_part, **upload, PartNumber=1, Body=b"")
    refused("NoSuchBucket", 404, plain.create_multipart_upload, Bucket="no-bucket", Key="k")


def test_copied_parts(plain: Any, bucket: str, refused: Any) -> None:
    plain.put_object(Bucket=bucket, Key="source +é", Body=FIRST + SECOND)
    source = {"CopySource": {"Bucket": bucket, "Key": "source +é"}}
    at = begin(plain, bucket)
    answers = [
        plain.upload_part_copy(**at, **source, PartNumber=1, CopySourceRange=f"bytes=0-{SIZE - 1}"),
        plain.upload_part_copy(**at, **source, PartNumber=2, CopySourceRange=f"bytes={SIZE}-{SIZE + 999}"),
    ]
    assert answers[0]["CopyPartResult"]["ETag"] == f'"{hashlib.md5(FIRST).hexdigest()}"'
    parts = [{"PartNumber": n, "ETag": answer["CopyPartResult"]["ETag"]} for n, answer in enumerate(answers, 1)]
    complete(plain, at, *parts)
    assert plain.get_object(Bucket=bucket, Key="k")["Body"].read() == FIRST + SECOND
    at = begin(plain, bucket)
    for range_ in (f"bytes=0-{SIZE + 1000}", "bytes=0-", "bytes=5-2", "0-5"):
        refused("InvalidArgument", 400, plain.upload_part_copy, **at, **source, PartNumber=1, CopySourceRange=range_)
    none = {"CopySource": {"Bucket": bucket, "Key": "none"}}
    refused("NoSuchKey", 404, plain.upload_part_copy, **at, **none, PartNumber=1)
    refused("PreconditionFailed", 412, plain.upload_part_copy, **at, **source, PartNumber=1, CopySourceIfMatch='"0"')


def test_listing_parts_and_uploads(plain: Any, bucket: str, refused: Any) -> None:
    uploads = [begin(plain, bucket, key) for key in ("b", "a/1", "a/2", "b")]
    for n in (5, 1, 3):
        send(plain, uploads[0], n, b"x")
    pages = plain.get_paginator("list_parts").paginate(**uploads[0], PaginationConfig={"PageSize": 2})
    assert [[part["PartNumber"] for part in page["Parts"]] for page in pages] == [[1, 3], [5]]
    found = [(one["Key"], one["UploadId"]) for one in plain.list_multipart_uploads(Bucket=bucket)["Uploads"]]
    assert found == [(u["Key"], u["UploadId"]) for u in (uploads[1], uploads[2], uploads[0], uploads[3])]
    pages = plain.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, PaginationConfig={"PageSize": 1})
    assert [(one["Key"], one["UploadId"]) for page in pages for one in page["Uploads"]] == found
    answer = plain.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert ([p["Prefix"] for p in answer["CommonPrefixes"]], len(answer["Uploads"])) == (["a/"], 2)
    assert len(plain.list_multipart_uploads(Bucket=bucket, Prefix="a/")["Uploads"]) == 2
    refused("InvalidArgument", 400, plain.list_multipart_uploads, Bucket=bucket, KeyMarker="a/1", UploadIdMarker="none")


def test_the_transfer_library(client: Any, bucket: str, tmp_path: Any) -> None:
    data = os.urandom(21 << 20)
    (tmp_path / "up").write_bytes(data)
    client.upload_file(str(tmp_path / "up"), bucket, "k", ExtraArgs={"Tagging": "a=b", "Metadata": {"c": "d"}})
    head = client.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head["ContentLength"], head["Metadata"], head["TagCount"]) == (len(data), {"c": "d"}, 1)
    assert head["ETag"].endswith('-3"')
    client.copy({"Bucket": bucket, "Key": "k"}, bucket, "copy")
    client.download_file(bucket, "copy", str(tmp_path / "down"))
    assert (tmp_path / "down").read_bytes() == data
