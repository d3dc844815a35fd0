import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, insert, select

from selfmaker.store.database import Database

metadata = MetaData()
numbers = Table("numbers", metadata, Column("n", Integer, primary_key=True))


@pytest.fixture
def database(tmp_path: Path):
    database = Database(f"sqlite:///{tmp_path / 'db.sqlite3'}")
    database.write(metadata.create_all)
    yield database
    database.close()


def put(n: int):
    return lambda connection: connection.execute(insert(numbers).values(n=n))


def stored(database: Database) -> list[int]:
    return list(database.read(lambda c: c.execute(select(numbers.c.n).order_by(numbers.c.n)).scalars().all()))


def test_read_sees_an_acknowledged_write(database: Database) -> None:
    database.write(put(1))
    assert stored(database) == [1]


def test_failed_work_leaves_nothing_and_disturbs_nobody(database: Database) -> None:
    def half(connection: Connection) -> None:
        put(7)(connection)
        raise ValueError("no")

    def fail() -> None:
        with pytest.raises(ValueError, match="no"):
            database.write(half)

    threads = [threading.Thread(target=fail if n % 2 else lambda n=n: database.write(put(n))) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stored(database) == list(range(0, 20, 2))


def test_many_writers_lose_nothing(database: Database) -> None:
    def write(start: int) -> None:
        for n in range(start, start + 50):
            database.write(put(n))

    threads = [threading.Thread(target=write, args=(start,)) for start in range(0, 400, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stored(database) == list(range(400))


def test_acknowledged_writes_survive_a_kill(tmp_path: Path) -> None:
    program = f"""
import os, signal, sys
from sqlalchemy import Column, Integer, MetaData, Table, insert
from selfmaker.store.database import Database
metadata = MetaData()
numbers = Table("numbers", metadata, Column("n", Integer, primary_key=True))
database = Database("sqlite:///{tmp_path / "db.sqlite3"}")
database.write(metadata.create_all)
for n in range(1000):
    database.write(lambda c: c.execute(insert(numbers).values(n=n)))
    print(n, flush=True)
    if n == 57:
        os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    acknowledged = [int(line) for line in ended.stdout.split()]
    assert acknowledged[-1] == 57
    reopened = Database(f"sqlite:///{tmp_path / 'db.sqlite3'}")
    assert stored(reopened) == acknowledged
    reopened.close()


def test_closed_database_refuses(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'db.sqlite3'}")
    database.close()
    with pytest.raises(RuntimeError):
        database.write(put(1))
