"""Reading and writing records, by AWS's rules of event time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from selfmaker import clock
from selfmaker.errors import Conflict, Invalid, NotFound
from selfmaker.features.group import Group, Value, checked, moment
from selfmaker.store import feature_records
from selfmaker.store.database import Database
from selfmaker.store.feature_records import Arrival, Record

ONLINE, OFFLINE = "OnlineStore", "OfflineStore"
HARD = "HardDelete"


@dataclass(frozen=True)
class Terms:
    """Which stores a write is for (None: all that the group has), and for how many seconds the record is good."""

    stores: tuple[str, ...] | None = None
    ttl: float | None = None


class Records:
    """Thread safe; what a method wrote is on disk when it returns."""

    def __init__(self, database: Database, arrived: Callable[[], None] = lambda: None) -> None:
        self._database = database
        self.arrived = arrived

    def put(self, group: Group, record: list[dict[str, Any]], terms: Terms) -> None:
        """Online it counts unless a later record is there; offline, always. Raises Invalid."""
        self._write(group, terms, self._putting(group, record, terms))

    def check(self, group: Group, record: list[dict[str, Any]], terms: Terms) -> None:
        """Raises Invalid where ``put`` would."""
        _stores(group, terms)
        moment(group, checked(group, record)[group.time])

    def put_many(self, writes: list[tuple[Group, list[dict[str, Any]], Terms]]) -> None:
        """All of them in one transaction. Raises Invalid, and then none is written."""
        works = [self._putting(group, record, terms) for group, record, terms in writes]
        for group, _, terms in writes:
            _stores(group, terms)

        def work(connection: Connection) -> None:
            for one in works:
                one(connection)

        self._database.write(work)
        self.arrived()

    def update(self, group: Group, identifier: str, features: list[dict[str, Any]], terms: Terms) -> None:
        """Change some values of a record that is there. Raises Invalid, NotFound, Conflict for an older event time."""
        values = checked(group, features, whole=False)
        if values.get(group.identifier, identifier) != identifier:
            raise Invalid("RecordIdentifierValueAsString is not the identifier that Features have")
        if terms.ttl is not None and group.time not in values:
            raise Invalid("TtlDuration is given without the EventTime among the Features")

        def work(connection: Connection) -> None:
            found = _living(feature_records.find(connection, group.id, identifier))
            if found is None:
                raise NotFound(f"There is no record [{identifier}] in the feature group [{group.name}]")
            at = moment(group, values[group.time]) if group.time in values else found.time
            if at < found.time:
                raise Conflict(f"The EventTime is older than that of the record [{identifier}]")
            merged = {**found.values, **values}
            expires = at + terms.ttl if terms.ttl is not None else found.expires
            self._keep(connection, group, terms, replace(found, time=at, values=merged, expires=expires))

        self._write(group, terms, work)

    def get(self, group: Group, *identifiers: str) -> list[Record | None]:
        """The records that are there, at one moment. Raises Invalid for a group without an online store."""
        if not group.online:
            raise Invalid(f"The feature group [{group.name}] has no OnlineStore: its records cannot be read here")
        found = self._database.read(lambda c: [feature_records.find(c, group.id, one) for one in identifiers])
        return [_living(record) for record in found]

    def delete(self, group: Group, identifier: str, text: str, mode: str, terms: Terms) -> None:
        """A marker takes the record's place, or nothing does (``HARD``). Raises Invalid."""
        at = moment(group, text)
        values: dict[str, Value] = {group.identifier: identifier, group.time: text}

        def work(connection: Connection) -> None:
            found = _living(feature_records.find(connection, group.id, identifier))
            late = found is not None and at <= found.time
            if late and mode == HARD:
                raise Invalid(f"EventTime [{text}] is not later than that of the record [{identifier}]")
            if ONLINE in _stores(group, terms) and not late:
                if mode == HARD:
                    feature_records.remove(connection, group.id, identifier)
                elif not _later_marker(connection, group, identifier, at):
                    marker = Record(group.id, identifier, at, values, deleted=True)
                    feature_records.put(connection, marker)
            if OFFLINE in _stores(group, terms):
                feature_records.arrive(connection, Arrival(group.id, clock.now(), at, True, values))

        self._write(group, terms, work)

    def identifiers(self, group: Group, after: str, limit: int, deleted: bool) -> list[str]:
        """A page of what there is, in order. Raises Invalid."""
        if not group.online:
            raise Invalid(f"The feature group [{group.name}] has no OnlineStore: its records cannot be listed")
        now = clock.now()
        return self._database.read(lambda c: feature_records.identifiers(c, group.id, now, after, limit, deleted))

    def size(self, group: Group) -> int:
        return self._database.read(lambda c: feature_records.size(c, group.id))

    def _putting(self, group: Group, record: list[dict[str, Any]], terms: Terms) -> Callable[[Connection], None]:
        values = checked(group, record)
        at = moment(group, values[group.time])
        ttl = terms.ttl if terms.ttl is not None else group.ttl
        expires = at + ttl if ttl is not None else None
        new = Record(group.id, str(values[group.identifier]), at, values, expires=expires)
        return lambda connection: self._keep(connection, group, terms, new)

    def _keep(self, connection: Connection, group: Group, terms: Terms, new: Record) -> None:
        stores = _stores(group, terms)
        if ONLINE in stores:
            before = feature_records.find(connection, group.id, new.identifier)
            past = new.expires is not None and new.expires <= clock.now()
            if (before is None or before.time <= new.time) and not past:
                feature_records.put(connection, new)
        if OFFLINE in stores:
            arrival = Arrival(group.id, clock.now(), new.time, False, new.values)
            feature_records.arrive(connection, arrival)

    def _write(self, group: Group, terms: Terms, work: Callable[[Connection], None]) -> None:
        stores = _stores(group, terms)
        self._database.write(work)
        if OFFLINE in stores:
            self.arrived()


def shown(group: Group, values: Mapping[str, Any], names: list[str] | None) -> list[dict[str, Any]]:
    """A record as GetRecord returns it. Raises Invalid for a feature that is none."""
    unknown = [name for name in names or () if name not in group.features]
    if unknown:
        raise Invalid(f"Feature(s) [{', '.join(unknown)}] are not defined in the feature group [{group.name}]")
    wanted = [name for name in group.features if name in values and (names is None or name in names)]
    member = {name: "ValueAsStringList" if group.features[name].collection else "ValueAsString" for name in wanted}
    return [{"FeatureName": name, member[name]: values[name]} for name in wanted]


def _stores(group: Group, terms: Terms) -> tuple[str, ...]:
    has = {ONLINE: group.online, OFFLINE: group.offline}
    wanted = terms.stores if terms.stores is not None else tuple(store for store, there in has.items() if there)
    missing = [store for store in wanted if not has[store]]
    if missing:
        raise Invalid(f"TargetStores: the feature group [{group.name}] has no {missing[0]}")
    return wanted


def _living(record: Record | None) -> Record | None:
    if record is None or record.deleted or (record.expires is not None and record.expires <= clock.now()):
        return None
    return record


def _later_marker(connection: Connection, group: Group, identifier: str, at: float) -> bool:
    found = feature_records.find(connection, group.id, identifier)
    return found is not None and found.deleted and found.time > at
