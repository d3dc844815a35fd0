"""What a kill -9 at any moment leaves: all that was acknowledged, nothing half."""

import hashlib
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from selfmaker.objects.protocol import NoSuchKey
from selfmaker.objects.store import ObjectStore
from selfmaker.store import objects as rows
from selfmaker.store.database import Database

WRITER = Path(__file__).parent / "object_store_writer.py"
ROUNDS = 5


def test_acknowledged_writes_survive_and_no_others_half(tmp_path: Path) -> None:
    chance = random.Random(20240501)
    acknowledged: dict[str, str] = {}  # key -> MD5 of the bytes it must have, "-" for none
    for round_ in range(ROUNDS):
        possible = written_until_killed(tmp_path, round_, chance.randrange(20, 400), acknowledged)
        database = Database(f"sqlite:///{tmp_path / 'test.sqlite3'}")
        store = ObjectStore(database, tmp_path / "objects")
        try:
            check(store, acknowledged, possible)
            drop_uploads(store)
            no_strays(store, database, tmp_path)
        finally:
            store.close()
            database.close()


def written_until_killed(folder: Path, seed: int, lines: int, acknowledged: dict[str, str]) -> dict[str, str]:
    """Let the writer print that many lines and kill it; what it had begun and was not acknowledged, by key."""
    command = [sys.executable, str(WRITER), str(folder), str(seed)]
    begun: dict[str, str] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for number, line in enumerate(process.stdout):
            if number == lines:
                os.kill(process.pid, signal.SIGKILL)
            if not line.endswith("\n"):
                break
            word, key, md5 = line.split()
            if word == "begin":
                begun[key] = md5
            else:
                acknowledged[key] = begun.pop(key) if word == "put" else "-"
                assert md5 in (acknowledged[key], "-")
                begun.pop(key, None)
    assert process.returncode == -signal.SIGKILL
    return begun


def check(store: ObjectStore, acknowledged: dict[str, str], possible: dict[str, str]) -> None:
    assert len(acknowledged) > 10
    for key in {*acknowledged, *possible}:
        try:
            info = store.head("bucket", key)
        except NoSuchKey:
            assert acknowledged.get(key, "-") == "-" or key in possible
            acknowledged[key] = "-"
            continue
        md5 = hashlib.md5(info.path.read_bytes()).hexdigest()
        assert md5 in (acknowledged.get(key), possible.get(key))
        assert info.attributes.metadata == {"md5": md5}
        assert info.attributes.tags == {"tag": key}
        assert info.attributes.system == {"ContentType": "a/b"}
        assert info.path.stat().st_size == info.size
        acknowledged[key] = md5
    assert {info.key for info in store.list("bucket")} == {k for k, md5 in acknowledged.items() if md5 != "-"}


def drop_uploads(store: ObjectStore) -> None:
    for upload in store.uploads.begun("bucket"):
        store.uploads.abort(upload.bucket, upload.key, upload.id)


def no_strays(store: ObjectStore, database: Database, folder: Path) -> None:
    store.close()
    files = {path.name for path in (folder / "objects").rglob("*") if path.is_file()} - {"ballast"}
    assert files == set(database.read(lambda c: list(rows.referenced_files(c))))
