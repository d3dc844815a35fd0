"""What a feature group is to the engine, and which records fit into it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from selfmaker.errors import Invalid

INTEGRAL, FRACTIONAL, STRING = "Integral", "Fractional", "String"
_SECONDS = {"Seconds": 1, "Minutes": 60, "Hours": 3600, "Days": 86_400, "Weeks": 604_800}
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")
_LARGEST_INTEGER = 2**63

Value = str | list[str]


@dataclass(frozen=True)
class Feature:
    """``collection`` is List, Set or Vector, or "" for a single value; ``dimension`` is a vector's."""

    name: str
    type: str
    collection: str = ""
    dimension: int = 0


@dataclass(frozen=True)
class Group:
    """``id`` is the group's own; ``online`` and ``offline`` whether it has these stores; ``ttl`` in seconds."""

    id: str
    name: str
    identifier: str
    time: str
    features: Mapping[str, Feature]
    online: bool
    offline: bool
    ttl: float | None


def group_of(id_: str, document: Mapping[str, Any]) -> Group:
    """From CreateFeatureGroup's request."""
    online = document.get("OnlineStoreConfig", {})
    return Group(
        id=id_,
        name=document["FeatureGroupName"],
        identifier=document["RecordIdentifierFeatureName"],
        time=document["EventTimeFeatureName"],
        features={d["FeatureName"]: feature_of(d) for d in document["FeatureDefinitions"]},
        online=bool(online.get("EnableOnlineStore")),
        offline="OfflineStoreConfig" in document,
        ttl=duration(online.get("TtlDuration")),
    )


def feature_of(definition: Mapping[str, Any]) -> Feature:
    dimension = definition.get("CollectionConfig", {}).get("VectorConfig", {}).get("Dimension", 0)
    return Feature(
        definition["FeatureName"], definition["FeatureType"], definition.get("CollectionType", ""), int(dimension)
    )


def duration(ttl: Mapping[str, Any] | None) -> float | None:
    """A TtlDuration in seconds."""
    return float(ttl["Value"] * _SECONDS[ttl["Unit"]]) if ttl else None


def checked(group: Group, record: list[dict[str, Any]], whole: bool = True) -> dict[str, Value]:
    """The values of a record by name, once each fits. ``whole``: identifier and event time must be among them.

    Raises Invalid.
    """
    values: dict[str, Value] = {}
    for item in record:
        name = item["FeatureName"]
        if name in values:
            raise Invalid(f"Record has the feature [{name}] more than once (FeatureName)")
        feature = group.features.get(name)
        if feature is None:
            raise Invalid(f"Feature [{name}] is not defined in the feature group [{group.name}] (FeatureName)")
        values[name] = _value(feature, item)
    missing = [name for name in (group.identifier, group.time) if whole and name not in values]
    if missing:
        raise Invalid(f"Record is missing the mandatory feature(s) [{', '.join(missing)}]")
    if values.get(group.identifier) == "":
        raise Invalid(f"The record identifier [{group.identifier}] must not be empty")
    return values


def moment(group: Group, text: Any) -> float:
    """An event time, in seconds since the epoch. Raises Invalid."""
    if group.features[group.time].type == FRACTIONAL:
        return _fraction(group.time, str(text))
    found = _MOMENT.fullmatch(str(text))
    try:
        if found is None:
            raise ValueError
        whole = datetime.strptime(found[1], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc).timestamp()
        return whole + (float(f"0.{found[2]}") if found[2] else 0.0)
    except ValueError:
        raise Invalid(
            f"EventTime [{group.time}] must be an ISO-8601 string in the format yyyy-MM-dd'T'HH:mm:ssZ or "
            f"yyyy-MM-dd'T'HH:mm:ss.SSSZ, not [{str(text)[:64]}]"
        ) from None


def _value(feature: Feature, item: Mapping[str, Any]) -> Value:
    single, several = item.get("ValueAsString"), item.get("ValueAsStringList")
    if not feature.collection:
        if single is None or several is not None:
            raise Invalid(f"Feature [{feature.name}] takes a single value: give ValueAsString alone")
        return _one(feature, single)
    if several is None or single is not None:
        raise Invalid(f"Feature [{feature.name}] is a {feature.collection}: give ValueAsStringList alone")
    values = [_one(feature, value) for value in several]
    if feature.collection == "Set" and len(set(values)) < len(values):
        raise Invalid(f"Feature [{feature.name}] is a Set: its values must differ")
    if feature.collection == "Vector" and len(values) != feature.dimension:
        raise Invalid(f"Feature [{feature.name}] is a Vector of dimension {feature.dimension}, not of {len(values)}")
    return values


def _one(feature: Feature, text: str) -> str:
    if feature.type == INTEGRAL:
        try:
            if not text.isascii() or not -_LARGEST_INTEGER <= int(text) < _LARGEST_INTEGER:
                raise ValueError
        except ValueError:
            raise Invalid(
                f"Feature [{feature.name}] is {INTEGRAL}; its value [{text[:64]}] is no 64-bit integer"
            ) from None
    elif feature.type == FRACTIONAL:
        _fraction(feature.name, text)
    return text


def _fraction(name: str, text: str) -> float:
    try:
        value = float(text)
        if not text.isascii() or value in (float("inf"), float("-inf")):
            raise ValueError
    except ValueError:
        raise Invalid(f"Feature [{name}] is {FRACTIONAL}; its value [{text[:64]}] is no number") from None
    return value
