"""CBOR and the protocol on it, with botocore's own serializer and parser as the client."""

import math
from datetime import datetime, timezone

import pytest
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from botocore.session import get_session
from edge_packages import cloudwatch
from hypothesis import given
from hypothesis import strategies as st
from wire import send

from selfmaker.aws.protocols import cbor
from selfmaker.aws.protocols.scalars import MalformedError

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.text()
    | st.binary()
    | st.floats(allow_nan=False)
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(VALUES)
def test_what_is_encoded_is_decoded(value):
    assert cbor.decode(cbor.encode(value)) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_decoded_or_refused(data):
    try:
        cbor.decode(data)
    except MalformedError:
        return


@pytest.mark.parametrize(
    ("data", "value"),
    [  # from RFC 8949, appendix A
        ("00", 0),
        ("1818", 24),
        ("1bffffffffffffffff", 18446744073709551615),
        ("3903e7", -1000),
        ("f93c00", 1.0),
        ("fa47c35000", 100000.0),
        ("f97c00", math.inf),
        ("f4", False),
        ("f6", None),
        ("c11a514b67b0", 1363896240),
        ("43010203", b"\x01\x02\x03"),
        ("62c3bc", "ü"),
        ("83010203", [1, 2, 3]),
        ("a26161016162820203", {"a": 1, "b": [2, 3]}),
        ("5f42010243030405ff", b"\x01\x02\x03\x04\x05"),
        ("7f657374726561646d696e67ff", "streaming"),
        ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]),
        ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}),
    ],
)
def test_the_standards_examples(data, value):
    assert cbor.decode(bytes.fromhex(data)) == value


@pytest.mark.parametrize(
    "data",
    [
        "",
        "18",
        "ff",
        "1c",
        "5f",
        "9f",
        "a1",
        "a101",
        "0000",
        "81" * 100,
        "9bffffffffffffffff",
        "62ff00",
        "5f6161ff",
        "bf01ff",
        "a18001",
        "1f",
    ],
)
def test_what_is_not_cbor(data):
    with pytest.raises(MalformedError):
        cbor.decode(bytes.fromhex(data))


def call(edge, operation, **members):
    session = get_session()
    model = session.get_service_model("cloudwatch")
    request = create_serializer("smithy-rpc-v2-cbor", include_validation=False).serialize_to_request(
        members, model.operation_model(operation)
    )
    headers = dict(request["headers"].items())
    path = f"/service/GraniteServiceVersion20100801/operation/{operation}"
    status, answer_headers, body = send(edge, "POST", path, request["body"], headers, "monitoring")
    shape = model.operation_model(operation).output_shape
    parser = create_parser("smithy-rpc-v2-cbor")
    return status, parser.parse({"status_code": status, "headers": answer_headers, "body": body}, shape)


def test_an_operation(edge):
    status, answer = call(
        edge,
        "GetMetricStatistics",
        Namespace="N",
        MetricName="loss",
        StartTime=datetime(2024, 1, 1, tzinfo=timezone.utc),
        EndTime=datetime(2024, 1, 2, tzinfo=timezone.utc),
        Period=60,
        Statistics=["Average"],
    )
    assert status == 200 and answer["Label"] == "loss"
    assert answer["Datapoints"][0]["Timestamp"].timestamp() == 1700000000.5
    assert answer["Datapoints"][0]["SampleCount"] == 3.0
    assert cloudwatch.SEEN[-1]["StartTime"] == 1704067200 and cloudwatch.SEEN[-1]["Statistics"] == ["Average"]


def test_errors(edge):
    status, answer = call(edge, "GetMetricStatistics", Namespace="N", MetricName="loss", Period=60)
    assert status == 400 and answer["Error"]["Code"] == "ValidationException"
    assert "Value null at 'startTime'" in answer["Error"]["Message"]
    status, answer = call(edge, "ListMetrics")
    assert status == 501 and "cloudwatch ListMetrics" in answer["Error"]["Message"]
    for path in ("/service/Other/operation/ListMetrics", "/service/GraniteServiceVersion20100801/operation/None", "/"):
        assert send(edge, "POST", path, b"\xa0", {"smithy-protocol": "rpc-v2-cbor"}, "monitoring")[0] == 400
    path = "/service/GraniteServiceVersion20100801/operation/GetMetricStatistics"
    assert send(edge, "POST", path, b"\xff", {"smithy-protocol": "rpc-v2-cbor"}, "monitoring")[0] == 400


def test_the_same_operation_as_a_query(edge):
    form = (
        b"Action=GetMetricStatistics&Version=2010-08-01&Namespace=N&MetricName=m&Period=60&StartTime=2024-01-01T00:00:00Z"
        b"&EndTime=2024-01-02T00:00:00Z&Statistics.member.1=Average"
    )
    status, _, body = send(
        edge, "POST", "/", form, {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}, "monitoring"
    )
    assert (
        status == 200
        and b"<Average>0.25</Average>" in body
        and b"<member><Timestamp>2023-11-14T22:13:20.500Z</Timestamp>" in body
    )
