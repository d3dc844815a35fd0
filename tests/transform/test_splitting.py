"""Cutting a stream: nothing is lost, nothing is larger than the limit, and what cannot be cut is named."""

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfmaker.transform import splitting
from selfmaker.transform.splitting import Splitting, Unsplittable


def record_io(data, flag=0):
    return struct.pack("<II", 0xCED7230A, flag << 29 | len(data)) + data + b"\0" * (-len(data) % 4)


def tf_record(data):
    return struct.pack("<Q", len(data)) + b"aaaa" + data + b"bbbb"


def cut(data, split, strategy="MultiRecord", limit=0):
    return list(Splitting(split, strategy, limit).batches(io.BytesIO(data)))


LINES = st.lists(st.binary(max_size=20).map(lambda b: b.replace(b"\n", b"")), max_size=30)


@given(LINES, st.booleans(), st.integers(22, 60))
def test_blocks_of_lines_are_the_whole_and_end_at_lines(lines, ended, limit):
    data = b"\n".join(lines) + (b"\n" if ended and lines else b"")
    batches = cut(data, "Line", limit=limit)
    assert b"".join(batch.data for batch in batches) == data
    assert all(len(batch.data) <= limit for batch in batches)
    assert all(batch.data.endswith(b"\n") for batch in batches[:-1])
    number = 1
    for batch in batches:
        assert batch.first == number
        assert batch.count == len(batch.data.split(b"\n")) - batch.data.endswith(b"\n")
        number += batch.count


@given(LINES, st.booleans(), st.integers(1, 40))
def test_without_a_limit_lines_go_together_by_what_is_wanted_and_longer_ones_alone(lines, ended, wanted):
    data = b"\n".join(lines) + (b"\n" if ended and lines else b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splitting, "TOGETHER", wanted)
        batches = cut(data, "Line")
    assert b"".join(batch.data for batch in batches) == data
    assert all(batch.data.endswith(b"\n") for batch in batches[:-1])
    assert sum(batch.count for batch in batches) == len(data.split(b"\n")) - (data.endswith(b"\n") or not data)
    longest = max(map(len, lines), default=0) + 1
    assert all(len(batch.data) <= max(wanted, 2 * longest) for batch in batches)


@pytest.mark.parametrize(("split", "frame"), [("RecordIO", record_io), ("TFRecord", tf_record)])
def test_without_a_limit_frames_go_together_by_what_is_wanted(split, frame, monkeypatch):
    monkeypatch.setattr(splitting, "TOGETHER", 2 * len(frame(b"1234")))
    records = [b"1234", b"1234", b"1234", b"x" * 999, b"1234"]
    assert [batch.count for batch in cut(b"".join(map(frame, records)), split)] == [2, 1, 1, 1]


@given(LINES, st.integers(1, 60))
def test_single_lines_come_one_by_one_without_their_ends(lines, limit):
    wanted = [(n, line.removesuffix(b"\r")) for n, line in enumerate(lines, start=1)]
    too_long = [n for n, line in wanted if len(line) > limit]
    data = b"".join(line + b"\n" for line in lines)
    if too_long:
        with pytest.raises(Unsplittable, match=f"record {too_long[0]}: Too much data"):
            cut(data, "Line", "SingleRecord", limit)
    else:
        found = [(batch.first, batch.data) for batch in cut(data, "Line", "SingleRecord", limit)]
        assert found == [(n, line) for n, line in wanted if line.strip()]


@given(LINES.filter(lambda lines: len(lines) > 1), st.booleans())
def test_halves_are_the_whole(lines, ended):
    [batch] = cut(b"\n".join(lines) + (b"\n" if ended else b"x"), "Line")
    first, second = batch.halves()
    assert first.data + second.data == batch.data
    assert first.data.endswith(b"\n")
    assert first.count + second.count == batch.count
    assert second.first == batch.first + first.count
    assert first.count
    assert second.count


def test_as_many_lines_as_fit_go_together():
    assert [b.data for b in cut(b"aa\nbb\ncc\n", "Line", limit=6)] == [b"aa\nbb\n", b"cc\n"]
    assert [b.data for b in cut(b"aa\nbb\ncc", "Line", limit=8)] == [b"aa\nbb\ncc"]
    with pytest.raises(Unsplittable, match="record 2: Too much data for max payload size"):
        cut(b"aa\nbbbbbbb\ncc\n", "Line", limit=6)


@pytest.mark.parametrize(("split", "frame"), [("RecordIO", record_io), ("TFRecord", tf_record)])
@given(records=st.lists(st.binary(max_size=30), max_size=12))
def test_framed_records(split, frame, records):
    data = b"".join(map(frame, records))
    assert [batch.data for batch in cut(data, split, "SingleRecord")] == records
    batches = cut(data, split, limit=64)
    assert b"".join(batch.data for batch in batches) == data
    assert all(len(batch.data) <= 64 for batch in batches)
    assert sum(batch.count for batch in batches) == len(records)
    if data:
        with pytest.raises(Unsplittable):
            cut(data[:-1] if len(records[-1]) or split == "TFRecord" else data + b"x", split)


def test_a_record_of_several_recordio_parts_is_one():
    data = record_io(b"abcd", 1) + record_io(b"efgh", 2) + record_io(b"ij", 3) + record_io(b"k")
    magic = struct.pack("<I", 0xCED7230A)
    assert [b.data for b in cut(data, "RecordIO", "SingleRecord")] == [b"abcd" + magic + b"efgh" + magic + b"ij", b"k"]
    assert [b.data for b in cut(data, "RecordIO")] == [data]


def test_what_is_no_record_is_named():
    with pytest.raises(Unsplittable, match="record 2 is not RecordIO"):
        cut(record_io(b"abcd") + b"nonsense", "RecordIO")
    with pytest.raises(Unsplittable, match="record 1: Too much data"):
        cut(struct.pack("<Q", 1 << 60) + b"xxxxyyyy", "TFRecord", limit=100)


def test_a_whole_object_and_an_empty_one():
    assert [b.data for b in cut(b"x" * 10, "None", limit=10)] == [b"x" * 10]
    with pytest.raises(Unsplittable, match="the object: Too much data"):
        cut(b"x" * 11, "None", limit=10)
    for split in ("None", "Line", "RecordIO", "TFRecord"):
        for strategy in ("MultiRecord", "SingleRecord"):
            assert cut(b"", split, strategy) == []
