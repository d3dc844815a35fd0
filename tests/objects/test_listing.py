from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selfmaker.objects.listing import page
from selfmaker.objects.names import after
from selfmaker.objects.protocol import NoSuchBucket, ObjectInfo, Query
from selfmaker.objects.store import ObjectStore
from selfmaker.store import objects as rows
from selfmaker.store.database import Database


def fill(database: Database, keys: set[str]) -> None:
    """Rows without files: a listing looks at nothing else."""

    def work(connection: "rows.Connection") -> None:
        connection.execute(rows.delete(rows.objects))
        for key in keys:
            row = rows.ObjectRow("bucket", key.encode(), "0" * 32, 0, "", 0.0, "STANDARD", None, "")
            rows.save(connection, row, there=False)

    database.write(work)


def entries(store: ObjectStore, query: Query) -> Iterator[bytes]:
    """All pages' entries, as keys and common prefixes."""
    start: bytes | None = query.start
    while start is not None:
        found = store.page("bucket", Query(query.prefix, query.delimiter, start, query.limit))
        assert len(found.entries) <= query.limit
        assert found.next is None or len(found.entries) == query.limit
        for entry in found.entries:
            yield entry.key.encode() if isinstance(entry, ObjectInfo) else b"prefix " + entry
        start = found.next


def expected(keys: set[str], query: Query) -> list[bytes]:
    result: list[bytes] = []
    for key in sorted(key.encode() for key in keys):
        if not key.startswith(query.prefix) or key < query.start:
            continue
        at = key.find(query.delimiter, len(query.prefix)) if query.delimiter else -1
        entry = key if at < 0 else b"prefix " + key[: at + len(query.delimiter)]
        if not result or result[-1] != entry:
            result.append(entry)
    return result


text = st.text(alphabet="a/b\U0010ffff\x7f", max_size=4)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sets(st.text(alphabet="a/b\U0010ffff\x7f", min_size=1, max_size=5), max_size=40),
    text,
    text,
    text,
    st.integers(1, 5),
)
def test_every_page_of_every_listing(
    store: ObjectStore, database: Database, keys: set[str], prefix: str, delimiter: str, start: str, limit: int
) -> None:
    fill(database, keys)
    query = Query(prefix.encode(), delimiter.encode(), start.encode(), limit)
    assert list(entries(store, query)) == expected(keys, query)


def test_what_is_behind_a_common_prefix_is_not_read(
    store: ObjectStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, {f"{folder}/{n:04}" for folder in "abcdefgh" for n in range(2000)} | {"z"})
    read = 0
    scan = rows.scan

    def counted(*arguments: object) -> list[object]:
        nonlocal read
        found = scan(*arguments)  # type: ignore[arg-type]
        read += len(found)
        return found  # type: ignore[return-value]

    monkeypatch.setattr(rows, "scan", counted)
    found = store.page("bucket", Query(delimiter=b"/"))
    assert found.entries[:8] == tuple(f"{folder}/".encode() for folder in "abcdefgh")
    assert found.next is None
    assert read < 100


def test_no_entries_are_asked_for(store: ObjectStore, database: Database) -> None:
    fill(database, {"a"})
    assert store.page("bucket", Query(limit=0)).entries == ()


def test_no_bucket(store: ObjectStore, database: Database) -> None:
    with pytest.raises(NoSuchBucket):
        database.read(lambda c: page(c, "nowhere", Query(), store._files.path))


@pytest.mark.parametrize(("prefix", "next_"), [(b"a", b"b"), (b"a\xff\xff", b"b"), (b"\xff", None), (b"", None)])
def test_after(prefix: bytes, next_: bytes | None) -> None:
    assert after(prefix) == next_
