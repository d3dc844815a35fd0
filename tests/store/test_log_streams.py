"""Log streams: groups, files, pages, tokens, time ranges, late events, crashes."""

import os
from pathlib import Path

import pytest

from selfmaker.errors import AlreadyExists, Invalid, NotFound, Unavailable
from selfmaker.store import log_file
from selfmaker.store.log_file import LogFile
from selfmaker.store.log_search import Search, search
from selfmaker.store.log_streams import LogStreams, StreamQuery, Window

R, G = "us-east-1", "/aws/sagemaker/TrainingJobs"


@pytest.fixture
def streams(database, tmp_path):
    return LogStreams(database, tmp_path / "logs")


def registered(streams, tmp_path, lines, name="job/algo-1"):
    path = tmp_path / (name.replace("/", "-") + ".log")
    path.write_bytes(b"".join(b"%d %s\n" % (at, text.encode()) for at, text in lines))
    streams.register(R, G, name, path, 1)
    return path


def texts(page):
    return [event.text for event in page.events]


def test_register_is_idempotent_and_needs_no_file(streams, tmp_path):
    for _ in range(2):
        streams.register(R, G, "job/algo-1", tmp_path / "later.log", 7)
    assert streams.read(R, G, "job/algo-1", Window()).events == []
    (tmp_path / "later.log").write_text("5 hello\n")
    assert texts(streams.read(R, G, "job/algo-1", Window())) == ["hello"]
    [(stream, span)], token = streams.streams(R, G, StreamQuery())
    assert (stream.created_ms, span.first_ms, span.last_ms, token) == (7, 5, 5, None)


def test_an_existing_stream_keeps_its_file_while_that_exists(streams, tmp_path):
    first = registered(streams, tmp_path, [(1, "old")])
    other = tmp_path / "other.log"
    other.write_text("2 new\n")
    streams.register(R, G, "job/algo-1", other, 2)
    assert texts(streams.read(R, G, "job/algo-1", Window())) == ["old"]
    first.unlink()
    streams.register(R, G, "job/algo-1", other, 2)
    assert texts(streams.read(R, G, "job/algo-1", Window())) == ["new"]


def test_missing_things_are_named(streams):
    with pytest.raises(NotFound, match="log group nope"):
        streams.read(R, "nope", "s", Window())
    streams.groups.create(R, "g", {})
    with pytest.raises(NotFound, match="log stream s"):
        streams.read(R, "g", "s", Window())
    with pytest.raises(NotFound, match="log group nope"):
        streams.create_stream(R, "nope", "s")
    with pytest.raises(AlreadyExists):
        streams.groups.create(R, "g", {})
    streams.create_stream(R, "g", "s")
    with pytest.raises(AlreadyExists):
        streams.create_stream(R, "g", "s")


def test_paging_forward_ends_with_the_same_token(streams, tmp_path):
    registered(streams, tmp_path, [(i, f"line {i}") for i in range(25)])
    seen, token = [], None
    for _ in range(4):
        page = streams.read(R, G, "job/algo-1", Window(limit=10, token=token, from_head=True))
        seen += texts(page)
        before, token = token, page.forward
    assert seen == [f"line {i}" for i in range(25)]
    assert token == before


def test_paging_backward_ends_with_the_same_token(streams, tmp_path):
    registered(streams, tmp_path, [(i, f"line {i}") for i in range(25)])
    page = streams.read(R, G, "job/algo-1", Window(limit=10))
    assert texts(page) == [f"line {i}" for i in range(15, 25)]
    page = streams.read(R, G, "job/algo-1", Window(limit=10, token=page.backward))
    assert texts(page) == [f"line {i}" for i in range(5, 15)]
    page = streams.read(R, G, "job/algo-1", Window(limit=10, token=page.backward))
    assert texts(page) == [f"line {i}" for i in range(5)]
    end = streams.read(R, G, "job/algo-1", Window(limit=10, token=page.backward))
    assert (texts(end), end.backward) == ([], page.backward)
    again = streams.read(R, G, "job/algo-1", Window(token=page.forward, from_head=True))
    assert texts(again) == [f"line {i}" for i in range(5, 25)]


def test_a_follower_sees_what_is_appended_once_and_whole(streams, tmp_path):
    path = registered(streams, tmp_path, [(1, "a")])
    page = streams.read(R, G, "job/algo-1", Window(from_head=True))
    with path.open("ab") as file:
        file.write(b"2 b\n3 not yet")
    page = streams.read(R, G, "job/algo-1", Window(token=page.forward, from_head=True))
    assert texts(page) == ["b"]
    with path.open("ab") as file:
        file.write(b" whole\n")
    page = streams.read(R, G, "job/algo-1", Window(token=page.forward, from_head=True))
    assert texts(page) == ["not yet whole"]


def test_time_range_start_is_in_and_end_is_out(streams, tmp_path):
    registered(streams, tmp_path, [(i // 3, f"{i}") for i in range(300)])
    for from_head in (True, False):
        page = streams.read(R, G, "job/algo-1", Window(start_ms=10, end_ms=12, from_head=from_head))
        assert texts(page) == [f"{i}" for i in range(30, 36)]
    assert streams.read(R, G, "job/algo-1", Window(start_ms=500)).events == []
    assert streams.read(R, G, "job/algo-1", Window(start_ms=50, end_ms=20, from_head=True)).events == []


def test_a_page_holds_a_megabyte_and_at_least_one_event(streams, tmp_path):
    registered(streams, tmp_path, [(i, "x" * 300_000) for i in range(8)] + [(9, "y" * 3_000_000)])
    for from_head in (True, False):
        seen, token = [], None
        while True:
            page = streams.read(R, G, "job/algo-1", Window(token=token, from_head=from_head))
            assert sum(len(text) for text in texts(page)) <= 1 << 20
            seen = seen + texts(page) if from_head else texts(page) + seen
            after = page.forward if from_head else page.backward
            if after == token:
                break
            token = after
        assert seen == ["x" * 300_000] * 8 + ["y" * log_file.MAX_TEXT]


@pytest.mark.parametrize("token", ["", "x", "f/", "f/12", "f/-1/0", "b/1/x", "f/" + "9" * 40 + "/0", "f/²/0", "q/1/0"])
def test_a_foreign_token_is_invalid(streams, tmp_path, token):
    registered(streams, tmp_path, [(1, "a")])
    with pytest.raises(Invalid, match="nextToken"):
        streams.read(R, G, "job/algo-1", Window(token=token))


def test_a_forged_offset_still_gives_whole_lines(streams, tmp_path):
    registered(streams, tmp_path, [(1, "first line"), (2, "second")])
    page = streams.read(R, G, "job/algo-1", Window(token="f/15/0", from_head=True))
    assert texts(page) == ["second"]
    assert streams.read(R, G, "job/algo-1", Window(token=f"f/{10**19}/7")).events == []


def test_invalid_utf8_and_lines_of_nobody(streams, tmp_path):
    path = registered(streams, tmp_path, [(5, "good")])
    with path.open("ab") as file:
        file.write(b"6 caf\xe9\nno time here\n7 \n")
    events = streams.read(R, G, "job/algo-1", Window(from_head=True)).events
    assert [(event.timestamp, event.text) for event in events] == [
        (5, "good"), (6, "caf\N{REPLACEMENT CHARACTER}"), (6, "no time here"), (7, "")]  # fmt: skip


def test_reading_a_big_file_reads_little_of_it(streams, tmp_path, monkeypatch):
    path = tmp_path / "big.log"
    with path.open("wb") as file:
        for block in range(200):
            file.write(b"".join(b"%d %s\n" % (block * 1000 + i, b"x" * 100) for i in range(1000)))
    streams.register(R, G, "big", path, 1)
    count, pread = 0, os.pread

    def counted(descriptor, size, offset):
        nonlocal count
        data = pread(descriptor, size, offset)
        count += len(data)
        return data

    monkeypatch.setattr(os, "pread", counted)
    page = streams.read(R, G, "big", Window(start_ms=100_500, end_ms=150_000, limit=3, from_head=True))
    assert [event.timestamp for event in page.events] == [100_500, 100_501, 100_502]
    page = streams.read(R, G, "big", Window(limit=3))
    assert [event.timestamp for event in page.events] == [199_997, 199_998, 199_999]
    streams.streams(R, G, StreamQuery())
    assert count < 500_000


def test_put_events_keep_their_line_breaks_and_ingestion_time(streams):
    streams.groups.create(R, "g", {})
    streams.create_stream(R, "g", "s")
    odd = ["two\nlines", "back\\slash\nand \\n", "plain \\n", "", "\0\0\n", " leading", "carriage\rreturn", "é\ud800"]
    streams.append(R, "g", "s", [(i, text) for i, text in enumerate(odd)])
    events = streams.read(R, "g", "s", Window(from_head=True)).events
    assert [event.text for event in events] == [*odd[:-1], "é?"]
    assert all(event.ingested > 1_600_000_000_000 for event in events)


def test_late_events_go_where_they_belong_and_tokens_still_hold(streams, tmp_path):
    streams.groups.create(R, "g", {})
    streams.create_stream(R, "g", "s")
    streams.append(R, "g", "s", [(10, "a"), (20, "b"), (30, "c"), (40, "d")])
    page = streams.read(R, "g", "s", Window(limit=3, from_head=True))
    streams.append(R, "g", "s", [(5, "late 5"), (20, "late 20"), (25, "late 25"), (50, "e")])
    streams.append(R, "g", "s", [(6, "later 6")])
    everything = ["late 5", "later 6", "a", "b", "late 20", "late 25", "c", "d", "e"]
    assert texts(streams.read(R, "g", "s", Window(from_head=True))) == everything
    assert texts(streams.read(R, "g", "s", Window(token=page.forward, from_head=True))) == ["d", "e"]
    assert len(list((tmp_path / "logs").iterdir())) == 1


def test_what_a_crash_left_half_written_goes(streams):
    streams.groups.create(R, "g", {})
    streams.create_stream(R, "g", "s")
    streams.append(R, "g", "s", [(1, "a")])
    path = streams.stream(R, "g", "s").path
    with path.open("ab") as file:
        file.write(b"2 never acknow")
    streams.append(R, "g", "s", [(3, "b")])
    assert texts(streams.read(R, "g", "s", Window())) == ["a", "b"]


def test_a_full_disk_leaves_the_stream_as_it_was(streams, monkeypatch):
    streams.groups.create(R, "g", {})
    streams.create_stream(R, "g", "s")
    streams.append(R, "g", "s", [(1, "a")])
    write = os.write

    def full(descriptor, data):
        write(descriptor, bytes(data)[:3])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(Unavailable, match="No space left"):
            streams.append(R, "g", "s", [(2, "lost")])
    streams.append(R, "g", "s", [(3, "b")])
    assert texts(streams.read(R, "g", "s", Window())) == ["a", "b"]


def test_everything_is_there_after_a_restart_and_a_move(database, streams, tmp_path):
    streams.groups.create(R, "g", {"kmsKeyId": "k"})
    streams.groups.set_retention(R, "g", 7)
    streams.create_stream(R, "g", "s")
    streams.append(R, "g", "s", [(1, "a")])
    moved = tmp_path / "moved"
    moved.mkdir()
    (tmp_path / "logs").rename(moved / "logs")
    again = LogStreams(database, moved / "logs")
    assert texts(again.read(R, "g", "s", Window())) == ["a"]
    group = again.groups.get(R, "g")
    assert (group.retention_days, group.document) == (7, {"kmsKeyId": "k"})


def test_deleting_takes_the_files_along(streams, tmp_path):
    path = registered(streams, tmp_path, [(1, "a")])
    streams.create_stream(R, G, "mine")
    streams.append(R, G, "mine", [(1, "a")])
    streams.delete_stream(R, G, "job/algo-1")
    assert not path.exists()
    with pytest.raises(NotFound):
        streams.stream(R, G, "job/algo-1")
    streams.delete_group(R, G)
    assert list((tmp_path / "logs").iterdir()) == []
    with pytest.raises(NotFound):
        streams.groups.get(R, G)


def test_streams_by_name_prefix_and_page(streams, tmp_path):
    for name in ("b/2", "a/1", "b/1", "B/1", "b%/1"):
        registered(streams, tmp_path, [(1, "a")], name)
    page, token = streams.streams(R, G, StreamQuery(prefix="b/", limit=1))
    assert [stream.name for stream, _ in page] == ["b/1"]
    page, token = streams.streams(R, G, StreamQuery(prefix="b/", limit=1, token=token))
    assert ([stream.name for stream, _ in page], token) == (["b/2"], None)
    page, _ = streams.streams(R, G, StreamQuery(prefix="b", descending=True))
    assert [stream.name for stream, _ in page] == ["b/2", "b/1", "b%/1"]
    assert streams.streams(R, G, StreamQuery(prefix="b/", limit=2))[1] is None


def test_streams_by_last_event(streams, tmp_path):
    for name, at in (("new", 30), ("old", 10), ("mid", 20), ("also mid", 20)):
        registered(streams, tmp_path, [(at, "x")], name)
    seen, token = [], None
    while True:
        query = StreamQuery(by_last_event=True, descending=True, limit=1, token=token)
        page, token = streams.streams(R, G, query)
        seen += [stream.name for stream, _ in page]
        if token is None:
            break
    assert seen == ["new", "also mid", "mid", "old"]
    for bad in ("x", "--1/a", "1"):
        with pytest.raises(Invalid):
            streams.streams(R, G, StreamQuery(by_last_event=True, token=bad))


def all_found(streams, **wanted):
    """Every page of a search, with the names."""
    found, token = [], None
    while True:
        among = streams.all_streams(R, G)
        page = search(streams, among, Search(**{"matches": lambda text: True, **wanted, "token": token}))
        found += [(name, event.timestamp, event.text) for name, event in page.events]
        token = page.token
        if token is None:
            return found


def test_search_goes_through_all_streams_in_time_order(streams, tmp_path):
    registered(streams, tmp_path, [(i, f"a{i}") for i in range(0, 3000, 2)], "a")
    registered(streams, tmp_path, [(i, f"b{i}") for i in range(0, 3000, 3)], "b")
    registered(streams, tmp_path, [(i, f"c{i}") for i in range(2990, 3010)], "c")
    expected = sorted([("a", i, f"a{i}") for i in range(0, 3000, 2)] + [("b", i, f"b{i}") for i in range(0, 3000, 3)]
                      + [("c", i, f"c{i}") for i in range(2990, 3010)], key=lambda e: (e[1], e[0]))  # fmt: skip
    assert all_found(streams) == expected
    assert all_found(streams, limit=70) == expected
    backwards = sorted(expected, key=lambda e: (-e[1], e[0]))
    assert all_found(streams, limit=70, newest_first=True) == backwards
    some = [entry for entry in expected if 1000 <= entry[1] <= 1010]
    assert all_found(streams, start_ms=1000, end_ms=1010, limit=2) == some


def test_search_matches_and_gives_up_for_now_after_much_reading(streams, tmp_path, monkeypatch):
    monkeypatch.setattr("selfmaker.store.log_search._SCANNED_BYTES", 1000)
    registered(streams, tmp_path, [(i, "x" * 20 + str(i)) for i in range(200)], "a")
    page = search(streams, streams.all_streams(R, G), Search(matches=lambda text: text.endswith("199")))
    assert page.events == []
    assert page.token is not None
    assert [at for _, at, _ in all_found(streams, matches=lambda text: text.endswith("199"))] == [199]


def test_search_survives_late_events_between_pages(streams):
    streams.groups.create(R, G, {})
    streams.create_stream(R, G, "s")
    streams.append(R, G, "s", [(i, f"{i}") for i in range(10, 20)])
    first = search(streams, streams.all_streams(R, G), Search(matches=lambda text: True, limit=5))
    streams.append(R, G, "s", [(1, "late")])
    wanted = Search(matches=lambda text: True, token=first.token)
    second = search(streams, streams.all_streams(R, G), wanted)
    assert [event.text for _, event in second.events] == ["15", "16", "17", "18", "19"]


@pytest.mark.parametrize("token", ["", "x", "W10=", "W3RydWUsMSwiYSIsMSwiMiJd", "é", "[" * 5000])
def test_search_refuses_a_foreign_token(streams, tmp_path, token):
    registered(streams, tmp_path, [(1, "a")])
    with pytest.raises(Invalid, match="nextToken"):
        search(streams, streams.all_streams(R, G), Search(matches=lambda text: True, token=token))


def test_seek_agrees_with_a_plain_search(tmp_path):
    path = Path(tmp_path / "f.log")
    times = [3, 3, 3, 8, 9, 9, 20, 1000]
    path.write_bytes(b"".join(log_file.line(at, "x" * (at % 7) * 50) for at in times))
    with LogFile(path) as file:
        events = list(file.events(0, file.end))
        for at in range(1002):
            expected = next((event.offset for event in events if event.timestamp >= at), file.end)
            assert file.seek(at) == expected
