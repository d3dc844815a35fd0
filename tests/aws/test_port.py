import asyncio
import threading

import pytest

from selfmaker.aws.dispatch import Registry
from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, operation
from selfmaker.aws.port import Port
from selfmaker.errors import NotFound
from selfmaker.services import Services


@operation("sts", "GetCallerIdentity")
async def get_caller_identity(call: Call, request: dict) -> dict:
    await asyncio.sleep(0)
    return {"Account": call.account, "Arn": call.region}


@operation("sts", "GetSessionToken")
def get_session_token(call: Call, request: dict) -> dict:
    raise NotFound("nobody")


@operation("sts", "GetAccessKeyInfo")
def get_access_key_info(call: Call, request: dict) -> dict:
    raise ZeroDivisionError


@pytest.fixture
def port():
    registry = Registry()
    for function in (get_caller_identity, get_session_token, get_access_key_info):
        registry.add(function, "sts")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield Port(registry, Services(), loop, "123456789012", "AKIA", "http://localhost:1")
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_an_operation_of_the_loop_is_awaited(port: Port) -> None:
    assert port.call("sts", "GetCallerIdentity", {}, "eu-west-1") == {"Account": "123456789012", "Arn": "eu-west-1"}


@pytest.mark.parametrize(
    ("name", "request_", "code"),
    [
        ("GetSessionToken", {}, "NoSuchEntity"),
        ("GetSessionToken", {"DurationSeconds": 1}, "ValidationException"),
        ("GetAccessKeyInfo", {"AccessKeyId": "A" * 20}, "InternalFailure"),
        ("AssumeRole", {}, "NotImplemented"),
        ("Nonsense", {}, "UnknownOperationException"),
    ],
)
def test_whatever_goes_wrong_is_an_error_of_aws(port: Port, name: str, request_: dict, code: str) -> None:
    with pytest.raises(AwsError) as caught:
        port.call("sts", name, request_, "eu-west-1")
    assert caught.value.code == code
