"""What is captured of requests: sampling, encodings, objects, and what a killed server leaves."""

import asyncio
import json
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor

import pytest

from selfmaker.objects.store import ObjectStore
from selfmaker.serving.capture import Capture, deliver_left_behind
from selfmaker.serving.spec import CaptureSpec
from selfmaker.serving.worker.transport import Message
from selfmaker.store.database import Database
from selfmaker.store.schema import metadata

ANSWER = Message(200, "application/json", "", "", b'{"a": 1}')


@pytest.fixture
def objects(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'db'}")
    metadata.create_all(database.engine)
    store = ObjectStore(database, tmp_path / "objects")
    store.create_bucket("box", "us-east-1")
    yield store
    store.close()
    database.close()


def spec(**members):
    given = {"destination": "s3://box/c", "percentage": 100, "inputs": True, "outputs": True, **members}
    return CaptureSpec(**given, csv=("text/csv",), json=("application/json",))


def lines(objects, prefix="c/e"):
    found = list(objects.list("box", prefix))
    return [json.loads(line) for info in found for line in info.path.read_bytes().splitlines()]


def captured(objects, folder, requests, **members):
    async def run():
        capture = Capture(spec(**members), "s3://box/c/e", folder, objects)
        for request in requests:
            capture.take("v", request, ANSWER)
        with ThreadPoolExecutor(1) as threads:
            await capture.close(threads)

    asyncio.run(run())


def request(body, content_type):
    return Message(0, content_type, "", "", body)


def test_bodies_are_text_where_their_type_says_so_and_base64_otherwise(objects, tmp_path):
    given = [request(b"1,2", "Text/CSV; x=y"), request(b"\xff", "text/csv"), request(b"raw", "a/b")]
    captured(objects, tmp_path / "spool", given)
    inputs = [line["captureData"]["endpointInput"] for line in lines(objects)]
    assert [found["encoding"] for found in inputs] == ["CSV", "BASE64", "BASE64"]
    assert inputs[0]["data"] == "1,2"
    assert [b64decode(found["data"]) for found in inputs[1:]] == [b"\xff", b"raw"]
    output = lines(objects)[0]["captureData"]["endpointOutput"]
    assert (output["encoding"], output["data"]) == ("JSON", '{"a": 1}')
    assert len({line["eventMetadata"]["eventId"] for line in lines(objects)}) == 3
    assert not list((tmp_path / "spool").iterdir())


def test_a_percentage_of_the_requests(objects, tmp_path):
    captured(objects, tmp_path / "spool", [request(b"x", "")] * 1000, percentage=20)
    assert 100 < len(lines(objects)) < 300


def test_what_cannot_be_stored_waits_and_comes_later(objects, tmp_path):
    folder = tmp_path / "captures" / "deployment"

    async def run():
        capture = Capture(spec(), "s3://later/c/e", folder, objects)
        capture.take("v", request(b"1", "text/csv"), ANSWER)
        with ThreadPoolExecutor(1) as threads:
            await capture.flush(threads)
            assert len(list(folder.iterdir())) == 2
            objects.create_bucket("later", "us-east-1")
            await capture.close(threads)

    asyncio.run(run())
    assert len(list(objects.list("later", "c/e/v/"))) == 1
    assert not list(folder.iterdir())


def test_the_next_server_delivers_what_a_killed_one_left(objects, tmp_path):
    folder = tmp_path / "captures" / "deployment"

    async def run():
        capture = Capture(spec(), "s3://box/c/e", folder, objects)
        for number in range(3):
            capture.take("v", request(str(number).encode(), "text/csv"), ANSWER)

    asyncio.run(run())
    (part,) = folder.glob("*.part")
    part.write_bytes(part.read_bytes() + b'{"cut sho')
    assert lines(objects) == []
    deliver_left_behind([folder], objects)
    assert [line["captureData"]["endpointInput"]["data"] for line in lines(objects)] == ["0", "1", "2"]
    assert not folder.exists()
