"""Event streams as botocore reads them."""

from botocore.eventstream import EventStreamBuffer

from selfmaker.aws import event_stream


def read(data):
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return list(buffer)


def test_events_and_an_exception_are_read_back():
    data = event_stream.event("PayloadPart", b"\0one") + event_stream.event("PayloadPart", b"")
    data += event_stream.exception("ModelStreamError", {"Message": "caf\u00e9", "ErrorCode": "StreamBroken"})
    first, empty, last = read(data)
    assert first.payload == b"\0one"
    assert first.headers == {
        ":event-type": "PayloadPart",
        ":content-type": "application/octet-stream",
        ":message-type": "event",
    }
    assert empty.payload == b""
    assert last.headers[":exception-type"] == "ModelStreamError"
    assert last.headers[":message-type"] == "exception"
    assert last.payload == b'{"Message": "caf\\u00e9", "ErrorCode": "StreamBroken"}'


def test_a_message_that_came_in_pieces_is_whole():
    data = event_stream.event("PayloadPart", bytes(range(256)) * 100)
    buffer = EventStreamBuffer()
    for at in range(0, len(data), 1000):
        assert list(buffer) == []
        buffer.add_data(data[at : at + 1000])
    assert [event.payload for event in buffer] == [bytes(range(256)) * 100]
