"""Metrics: series named by namespace, name and dimensions; each sample is a row."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    Select,
    String,
    Table,
    UniqueConstraint,
    cast,
    func,
    insert,
    select,
    update,
)

from selfmaker.store.database import Database
from selfmaker.store.schema import metadata

_id = BigInteger().with_variant(Integer, "sqlite")

metrics = Table(
    "metrics",
    metadata,
    Column("id", _id, primary_key=True, autoincrement=True),
    Column("region", String(32), nullable=False),
    Column("namespace", String(256), nullable=False),
    Column("name", String(256), nullable=False),
    Column("dimensions", String, nullable=False),
    Column("latest", Float, nullable=False),
    UniqueConstraint("region", "namespace", "name", "dimensions"),
)

metric_samples = Table(
    "metric_samples",
    metadata,
    Column("id", _id, primary_key=True, autoincrement=True),
    Column("metric", _id, ForeignKey("metrics.id"), nullable=False),
    Column("at", Float, nullable=False),
    Column("unit", String(32), nullable=False),
    Column("count", Float, nullable=False),
    Column("sum", Float, nullable=False),
    Column("minimum", Float, nullable=False),
    Column("maximum", Float, nullable=False),
    Index(None, "metric", "at"),
)


@dataclass(frozen=True)
class Metric:
    """The name of a series. Dimensions in any order name the same series."""

    region: str
    namespace: str
    name: str
    dimensions: Mapping[str, str]

    def key(self) -> dict[str, str]:
        """The columns by which the row is found."""
        dimensions = json.dumps(dict(sorted(self.dimensions.items())))
        return {"region": self.region, "namespace": self.namespace, "name": self.name, "dimensions": dimensions}


@dataclass(frozen=True)
class Sample:
    """``count`` values observed at ``at`` (epoch seconds) of which only these statistics are known; a single value is
    one whose minimum is its maximum."""

    at: float
    count: float
    sum: float
    minimum: float
    maximum: float
    unit: str = "None"

    @classmethod
    def value(cls, at: float, value: float, count: float = 1.0, unit: str = "None") -> "Sample":
        """``value``, observed ``count`` times."""
        return cls(at, count, value * count, value, value, unit)


@dataclass(frozen=True)
class Period:
    """Half-open time ranges of ``seconds`` each, from ``start`` on, as far as they begin before ``end``."""

    start: float
    end: float
    seconds: int


class Metrics:
    """Thread safe; what ``put`` was given is on disk when it returns."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._feeds: dict[str, list[Callable[[], None]]] = {}

    def feed(self, namespace: str, source: Callable[[], None]) -> None:
        """Have ``source``, too, called before anything of the namespace is read: it puts what is counted elsewhere."""
        self._feeds.setdefault(namespace, []).append(source)

    def _fed(self, namespace: str | None) -> None:
        names = list(self._feeds) if namespace is None else [namespace]
        for source in dict.fromkeys(source for name in names for source in self._feeds.get(name, [])):
            source()

    def put(
        self,
        region: str,
        namespace: str,
        name: str,
        dimensions: Mapping[str, str],
        points: Sequence[tuple[float, float]],
    ) -> None:
        """Add single values (epoch seconds, value) to one series."""
        samples = [Sample.value(at, value) for at, value in points]
        self.put_all([(Metric(region, namespace, name, dimensions), samples)])

    def put_all(self, series: Sequence[tuple[Metric, Sequence[Sample]]]) -> None:
        """Add samples to several series, all or none."""
        self._database.write(lambda c: add(c, series))

    def buckets(self, metric: Metric, period: Period, unit: str | None = None) -> list[Sample]:
        """What each range of the period holds, as one Sample a range and unit, in time order; ``at`` is where the
        range begins. Ranges without samples are absent."""
        self._fed(metric.namespace)
        t = metric_samples.c
        number = cast((t.at - period.start) / period.seconds, Integer).label("number")
        query = select(number, t.unit, func.sum(t.count), func.sum(t.sum), func.min(t.minimum), func.max(t.maximum))
        query = _within(query, metric, period, unit).group_by(number, t.unit).order_by(number, t.unit)
        rows = self._database.read(lambda c: c.execute(query).all())
        return [
            Sample(period.start + index * period.seconds, count, total, minimum, maximum, unit)
            for index, unit, count, total, minimum, maximum in rows
        ]

    def values(self, metric: Metric, period: Period, unit: str | None = None) -> dict[float, list[tuple[float, float]]]:
        """The (value, count) of each range, by where the range begins, values ascending. Ranges that hold anything of
        which the single values are not known are absent."""
        self._fed(metric.namespace)
        t = metric_samples.c
        number = cast((t.at - period.start) / period.seconds, Integer).label("number")
        query = select(number, t.minimum, t.maximum, func.sum(t.count))
        query = _within(query, metric, period, unit).group_by(number, t.minimum, t.maximum).order_by(number, t.minimum)
        found: dict[float, list[tuple[float, float]]] = {}
        blurred = set()
        for index, minimum, maximum, count in self._database.read(lambda c: c.execute(query).all()):
            at = period.start + index * period.seconds
            found.setdefault(at, []).append((minimum, count))
            if minimum != maximum:
                blurred.add(at)
        return {at: values for at, values in found.items() if at not in blurred}

    def list(self, region: str, *, namespace: str | None = None, name: str | None = None, since: float = 0.0,
             after: int = 0) -> list[tuple[int, Metric]]:  # fmt: skip
        """Series with samples at or after ``since``, each with its number, by number, from behind ``after`` on."""
        self._fed(namespace)
        t = metrics.c
        query = select(metrics).where(t.region == region, t.id > after, t.latest >= since).order_by(t.id)
        if namespace is not None:
            query = query.where(t.namespace == namespace)
        if name is not None:
            query = query.where(t.name == name)
        rows = self._database.read(lambda c: c.execute(query).all())
        return [(row.id, Metric(row.region, row.namespace, row.name, json.loads(row.dimensions))) for row in rows]


def add(connection: Connection, series: Sequence[tuple[Metric, Sequence[Sample]]]) -> None:
    """As Metrics.put_all, within a transaction."""
    rows = []
    for metric, samples in series:
        if samples:
            number = _number(connection, metric, max(sample.at for sample in samples))
            rows += [{"metric": number, **vars(sample)} for sample in samples]
    if rows:
        connection.execute(insert(metric_samples), rows)


def _number(connection: Connection, metric: Metric, latest: float) -> int:
    """The row id of a series, made as needed, with a sample at ``latest`` taken note of."""
    key = metric.key()
    found = connection.execute(_row(select(metrics.c.id, metrics.c.latest), key)).first()
    if found is None:
        made = connection.execute(insert(metrics).values({**key, "latest": latest})).inserted_primary_key
        assert made is not None
        return int(made[0])
    if latest > found.latest:
        connection.execute(update(metrics).where(metrics.c.id == found.id).values(latest=latest))
    return int(found.id)


def _row(query: Select[Any], key: Mapping[str, str]) -> Select[Any]:
    return query.where(*(metrics.c[column] == value for column, value in key.items()))


def _within(query: Select[Any], metric: Metric, period: Period, unit: str | None) -> Select[Any]:
    t = metric_samples.c
    number = _row(select(metrics.c.id), metric.key()).scalar_subquery()
    query = query.where(t.metric == number, t.at >= period.start, t.at < period.end)
    return query.where(t.unit == unit) if unit is not None else query
