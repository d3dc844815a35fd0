from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from selfmaker.objects.store import ObjectStore
from selfmaker.store import objects as _tables  # noqa: F401 - declares the tables
from selfmaker.store.database import Database

Open = Callable[[], ObjectStore]


@pytest.fixture
def open_store(database: Database, tmp_path: Path) -> Iterator[Open]:
    """Opens the store of this test, again and again if need be, as a new process would."""
    stores: list[ObjectStore] = []

    def opened() -> ObjectStore:
        stores.append(ObjectStore(database, tmp_path / "objects"))
        return stores[-1]

    yield opened
    for store in stores:
        store.close()


@pytest.fixture
def store(open_store: Open) -> ObjectStore:
    store = open_store()
    store.create_bucket("bucket", "us-east-1")
    return store
