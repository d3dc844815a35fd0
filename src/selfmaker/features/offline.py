"""The offline store: what arrives becomes Parquet objects, in AWS's layout, within seconds.

    ResolvedOutputS3Uri/year=2024/month=05/day=01/hour=12/20240501T121314Z_<16 characters>.parquet

by event time. A batch of arrivals is fixed before it is written and its keys follow from it, so that a batch which a
kill cut off is written again over itself: nothing is lost and nothing comes twice.
"""

import hashlib
import json
import logging
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from selfmaker import clock, ids
from selfmaker.analytics.catalog import Table
from selfmaker.analytics.sandbox import AnalyticsSandbox
from selfmaker.errors import SelfmakerError
from selfmaker.features.group import FRACTIONAL, INTEGRAL, Feature, Group, group_of
from selfmaker.objects.store import ObjectStore
from selfmaker.objects.uri import parse_s3_uri
from selfmaker.store import feature_records
from selfmaker.store.database import Database
from selfmaker.store.feature_records import Arrival
from selfmaker.store.resources import Resource, Resources

_log = logging.getLogger(__name__)

KIND = "FeatureGroup"
PARTITIONS = (("year", "string"), ("month", "string"), ("day", "string"), ("hour", "string"))
LOOK_SECONDS = 5.0

_BATCH = 50_000
_WRITERS = 2
_EXPIRY_SECONDS = 60.0  # how often expired records are removed; until then nobody sees them
_SQL = {INTEGRAL: "BIGINT", FRACTIONAL: "DOUBLE"}
_HIVE = {INTEGRAL: "bigint", FRACTIONAL: "double"}
_OWN = (("write_time", "TIMESTAMP"), ("api_invocation_time", "TIMESTAMP"), ("is_deleted", "BOOLEAN"))


class OfflineStore:
    """``flush`` from any thread; a thread of its own does it for everybody every few seconds."""

    def __init__(
        self, database: Database, resources: Resources, objects: ObjectStore, sandbox: AnalyticsSandbox
    ) -> None:
        self._database = database
        self._resources = resources
        self._objects = objects
        self._sandbox = sandbox
        self._closed = threading.Event()
        self._arrived = threading.Event()
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._thread: threading.Thread | None = None

    def arrived(self) -> None:
        """Something waits to be written."""
        self._arrived.set()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._loop, name="selfmaker-offline-store", daemon=True)
        self._arrived.set()
        self._thread.start()

    def close(self) -> None:
        """What is not written yet waits for the next start."""
        self._closed.set()
        self._arrived.set()
        if self._thread is not None:
            self._thread.join()

    def flush(self, group: str) -> None:
        """Write all that has arrived for a group, by its own id. Raises SelfmakerError."""
        with self._locked(group):
            row = self._row(group)
            while row is not None:
                batch = self._database.write(lambda c: feature_records.claim(c, group, ids.unique_id(), _BATCH))
                if batch is None:
                    return
                arrivals = self._database.read(lambda c, b=batch: feature_records.of_batch(c, b))  # type: ignore[misc]
                self._write(row, batch, arrivals)
                self._database.write(lambda c, b=batch: feature_records.settled(c, b))  # type: ignore[misc]

    def freshen(self, place: str) -> None:
        """Write all that has arrived for the group whose objects are at ``place``, if there is one."""
        for row in self._resources.list(KIND):
            if "OfflineStoreConfig" in row.document and location(row) == place:
                self.flush(row.state["id"])

    def _loop(self) -> None:
        while not self._closed.is_set():
            self._arrived.wait(_EXPIRY_SECONDS)
            self._arrived.clear()
            if self._closed.wait(LOOK_SECONDS):
                return
            try:
                self._database.write(lambda c: feature_records.expire(c, clock.now()))
                for group in self._database.read(feature_records.groups_with_arrivals):
                    self.flush(group)
            except SelfmakerError as error:
                _log.warning("the offline store waits: %s", error.message)
                self._arrived.set()
            except Exception:  # noqa: BLE001 - the outermost loop of a thread that must go on
                _log.exception("the offline store waits")
                self._arrived.set()

    def _write(self, row: Resource, batch: str, arrivals: list[Arrival]) -> None:
        group = group_of(row.state["id"], row.document)
        bucket, prefix = parse_s3_uri(location(row))
        with self._sandbox.place() as place:
            files = list(_files(place / "work", group, arrivals, batch))
            columns = [[feature.name, _type(feature, _SQL, "VARCHAR", "[]")] for feature in group.features.values()]
            columns += [list(column) for column in _OWN]
            request = {"files": [{"rows": rows, "parquet": f"{rows}.parquet", "columns": columns} for rows, _ in files]}
            (place / "work" / "request.json").write_text(json.dumps(request))
            self._sandbox.run(place, "write_parquet")
            for rows, key in files:
                made = place / "work" / f"{rows}.parquet"
                self._objects.put_file(bucket, f"{prefix.rstrip('/')}/{key}", made)

    def _row(self, group: str) -> Resource | None:
        return next((row for row in self._resources.list(KIND) if row.state["id"] == group), None)

    @contextmanager
    def _locked(self, group: str) -> Iterator[None]:
        with self._lock:
            lock = self._locks.setdefault(group, threading.Lock())
        with lock:
            yield


def location(row: Resource) -> str:
    """Where a group's objects are."""
    return str(row.document["OfflineStoreConfig"]["S3StorageConfig"]["ResolvedOutputS3Uri"])


def table_of(row: Resource) -> Table | None:
    """The table over a group's objects; None for a group that has none."""
    config = row.document.get("OfflineStoreConfig", {})
    if config.get("DisableGlueTableCreation", True) or "DataCatalogConfig" not in config:
        return None
    features = group_of("", row.document).features.values()
    columns = [(feature.name, _type(feature, _HIVE, "string", "array<{}>")) for feature in features]
    columns += [(name, kind.lower()) for name, kind in _OWN]
    data_catalog = config["DataCatalogConfig"]
    return Table(data_catalog["Database"], data_catalog["TableName"], location(row), tuple(columns), PARTITIONS)


def _type(feature: Feature, types: dict[str, str], text: str, collection: str) -> str:
    single = types.get(feature.type, text)
    if not feature.collection:
        return single
    return collection.format(single) if "{}" in collection else single + collection


def _files(folder: Path, group: Group, arrivals: list[Arrival], batch: str) -> Iterator[tuple[str, str]]:
    """Write the rows of each hour to files; their names, and the keys of the objects that they become.

    As on AWS, several writers share the records by their identifiers: programs count on more than one object.
    """
    parts: dict[tuple[str, int], list[Arrival]] = {}
    for arrival in arrivals:
        hour = _moment(arrival.time).strftime("year=%Y/month=%m/day=%d/hour=%H")
        writer = zlib.crc32(str(arrival.values.get(group.identifier)).encode()) % _WRITERS
        parts.setdefault((hour, writer), []).append(arrival)
    features = list(group.features.values())
    for number, ((hour, writer), rows) in enumerate(sorted(parts.items())):
        name = f"rows{number}"
        with (folder / name).open("w") as file:
            for arrival in rows:
                file.write(json.dumps({"r": _row(features, arrival)}) + "\n")
        latest = max(_moment(arrival.time) for arrival in rows).strftime("%Y%m%dT%H%M%SZ")
        letters = hashlib.sha256(f"{batch} {hour} {writer}".encode()).hexdigest()[:16]
        yield name, f"{hour}/{latest}_{letters}.parquet"


def _row(features: list[Feature], arrival: Arrival) -> list[Any]:
    written = _moment(arrival.written).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    own = [written, written, "true" if arrival.deleted else "false"]
    return [*(arrival.values.get(feature.name) for feature in features), *own]


def _moment(seconds: float) -> datetime:
    """Clipped to the years that a key can have."""
    return datetime.fromtimestamp(min(max(seconds, -62_135_596_800.0), 253_402_300_799.0), tz=timezone.utc)
