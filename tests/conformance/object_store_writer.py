"""Puts objects as fast as it can until it is killed; prints a line for each that the store has acknowledged.

object_store_writer.py FOLDER SEED
"""

import hashlib
import io
import random
import sys
import threading
from pathlib import Path

from selfmaker.objects.completion import NamedPart
from selfmaker.objects.protocol import Attributes, Terms
from selfmaker.objects.store import ObjectStore
from selfmaker.store.database import Database
from selfmaker.store.schema import metadata


def main(folder: Path, seed: int) -> None:
    database = Database(f"sqlite:///{folder / 'test.sqlite3'}")
    metadata.create_all(database.engine)
    store = ObjectStore(database, folder / "objects")
    if not store.bucket_exists("bucket"):
        store.create_bucket("bucket", "us-east-1")
    for worker in range(4):
        threading.Thread(target=write, args=(store, seed * 10 + worker), daemon=True).start()
    threading.Event().wait()


def write(store: ObjectStore, seed: int) -> None:
    chance = random.Random(seed)
    while True:
        key = f"key-{seed % 10}-{chance.randrange(40)}"  # each worker has keys of its own, so that it knows the order
        data = chance.randbytes(chance.choice((0, 1, 1000, 100_000, 1_000_000)))
        attributes = Attributes({"ContentType": "a/b"}, {"md5": hashlib.md5(data).hexdigest()}, {"tag": key})
        say("begin", key, hashlib.md5(data).hexdigest())
        kind = chance.randrange(10)
        if kind == 0:
            store.delete("bucket", key)
            say("deleted", key, "-")
        elif kind == 1:
            upload = store.uploads.create("bucket", key, attributes)
            part = store.uploads.put_part(upload, 1, io.BytesIO(data), Terms(expected=len(data)))
            store.uploads.complete(upload, [NamedPart(1, part.etag)])
            say("put", key, hashlib.md5(data).hexdigest())
        else:
            store.put("bucket", key, data, attributes)
            say("put", key, hashlib.md5(data).hexdigest())


def say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
