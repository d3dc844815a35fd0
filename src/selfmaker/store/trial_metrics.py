"""Metric values of trial components, and what is to be known of such series at a glance.

A component's own values have a table of their own, for they may bear a step; those of a training job are where
``store.metrics`` keeps them. Both are summarised in the same way.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    String,
    Subquery,
    Table,
    case,
    delete,
    func,
    insert,
    null,
    select,
)

from selfmaker.store.database import Database
from selfmaker.store.metrics import metric_samples, metrics
from selfmaker.store.schema import metadata

trial_metrics = Table(
    "trial_metrics",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("component", String(256), nullable=False),
    Column("name", String(256), nullable=False),
    Column("at", Float, nullable=False),
    Column("step", BigInteger, nullable=True),
    Column("value", Float, nullable=False),
    Index(None, "component", "name"),
)


@dataclass(frozen=True)
class Point:
    """A value seen at ``at`` (epoch seconds), in iteration ``step`` if it was said."""

    at: float
    value: float
    step: int | None = None


@dataclass(frozen=True)
class Summary:
    """A whole series; ``last`` is the value with the latest time, seen at ``at``."""

    name: str
    at: float
    last: float
    minimum: float
    maximum: float
    mean: float
    count: int
    deviation: float


@dataclass(frozen=True)
class JobSeries:
    """The series that jobs of one kind in one region report: their namespace, and the dimension with the job's name."""

    region: str
    namespace: str
    dimension: str


class TrialMetrics:
    """Thread safe; what ``put`` was given is on disk when it returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, component: str, points: Iterable[tuple[str, Point]]) -> None:
        """Add named values to the component with that ARN."""
        rows = [{"component": component, "name": name, **vars(point)} for name, point in points]
        if rows:
            self._database.write(lambda c: c.execute(insert(trial_metrics), rows))

    def of_components(self, components: Sequence[str] | None = None) -> dict[str, list[Summary]]:
        """The series of those components, or of all, by ARN."""
        return self._summaries(_component_points(components))

    def of_jobs(self, series: JobSeries, jobs: Sequence[str] | None = None) -> dict[str, list[Summary]]:
        """The series of those jobs, or of all, by the job's name."""
        found = self._summaries(_job_points(series, jobs))
        named = ((json.loads(dimensions), summaries) for dimensions, summaries in found.items())
        return {names[series.dimension]: summaries for names, summaries in named if set(names) == {series.dimension}}

    def component_points(self, component: str, name: str) -> list[Point]:
        """In the order of time."""
        return self._points(_component_points([component]), name)

    def job_points(self, series: JobSeries, job: str, name: str) -> list[Point]:
        """In the order of time."""
        return self._points(_job_points(series, [job]), name)

    def _points(self, points: Subquery, name: str) -> list[Point]:
        query = select(points.c.at, points.c.value, points.c.step).where(points.c.name == name)
        query = query.order_by(points.c.at, points.c.id)
        return [Point(*row) for row in self._database.read(lambda c: c.execute(query).all())]

    def _summaries(self, points: Subquery) -> dict[str, list[Summary]]:
        p = points.c
        series = (p.owner, p.name)
        mean = func.avg(p.value).over(partition_by=series)
        place = func.row_number().over(partition_by=series, order_by=(p.at.desc(), p.id.desc()))
        placed: Any = select(p.owner, p.name, p.at, p.value, mean.label("mean"), place.label("place")).subquery().c
        query = select(
            placed.owner,
            placed.name,
            func.max(placed.at),
            func.max(case((placed.place == 1, placed.value))),
            func.min(placed.value),
            func.max(placed.value),
            func.avg(placed.value),
            func.count(),
            func.avg((placed.value - placed.mean) * (placed.value - placed.mean)),
        ).group_by(placed.owner, placed.name)
        found: dict[str, list[Summary]] = {}
        rows: Sequence[Any] = self._database.read(lambda c: c.execute(query.order_by(placed.name)).all())
        for owner, name, at, last, low, high, average, count, variance in rows:
            summary = Summary(name, at, last, low, high, average, count, variance**0.5)
            found.setdefault(owner, []).append(summary)
        return found


def forget(connection: Connection, component: str) -> None:
    """Drop the values of a component that is gone."""
    connection.execute(delete(trial_metrics).where(trial_metrics.c.component == component))


def _component_points(components: Sequence[str] | None) -> Subquery:
    t = trial_metrics.c
    query = select(t.component.label("owner"), t.name, t.id, t.at, t.value, t.step)
    return (query if components is None else query.where(t.component.in_(components))).subquery()


def _job_points(series: JobSeries, jobs: Sequence[str] | None) -> Subquery:
    m, s = metrics.c, metric_samples.c
    query = select(m.dimensions.label("owner"), m.name, s.id, s.at, s.minimum.label("value"), null().label("step"))
    query = query.join_from(metrics, metric_samples, s.metric == m.id)
    query = query.where(m.region == series.region, m.namespace == series.namespace)
    if jobs is not None:
        query = query.where(m.dimensions.in_([_dimensions({series.dimension: job}) for job in jobs]))
    return query.subquery()


def _dimensions(values: Mapping[str, str]) -> str:
    return json.dumps(dict(sorted(values.items())))
