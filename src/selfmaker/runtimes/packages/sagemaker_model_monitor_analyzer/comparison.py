"""What of a dataset violates a baseline's constraints, as constraint_violations.json has it.

The distances are those of Deequ, on which AWS's image is built: the largest difference of two distribution functions,
from which "Robust" takes what chance alone makes of samples of these sizes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from sagemaker_model_monitor_analyzer import statistics as own

_CHANCE = 1.8
_SIGNIFICANT = 0.05


def violations(
    table: pd.DataFrame, constraints: Mapping[str, Any], baseline: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """``baseline``: the statistics that the constraints came with; empty where there are none."""
    config = constraints.get("monitoring_config", {})
    if config.get("evaluate_constraints", "Enabled") != "Enabled":
        return []
    known = {feature["name"]: feature for feature in baseline.get("features", [])}
    found = list(_columns(table, constraints.get("features", [])))
    for feature in constraints.get("features", []):
        if feature["name"] in table.columns:
            checks = {**config, **feature.get("monitoringConfigOverrides", {})}
            found += _of_feature(table[feature["name"]], feature, known.get(feature["name"], {}), checks)
    return found


def _columns(table: pd.DataFrame, features: Any) -> Iterator[dict[str, Any]]:
    names = {feature["name"] for feature in features}
    here = set(table.columns)
    numbers = (
        f"Number of columns in current dataset: {len(here)}, Number of columns in baseline constraints: {len(names)}"
    )
    for missing in sorted(names - here):
        yield _violation(missing, "missing_column_check", f"There are missing columns in current dataset. {numbers}")
    for extra in sorted(here - names):
        yield _violation(extra, "extra_column_check", f"There are extra columns in current dataset. {numbers}")


def _of_feature(
    column: pd.Series, feature: Mapping[str, Any], baseline: Mapping[str, Any], config: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    name, kind = feature["name"], feature.get("inferred_type", own.UNKNOWN)
    expected = float(config.get("datatype_check_threshold", 1.0))
    share = own.share_of_type(column, kind)
    if share < expected:
        yield _violation(
            name,
            "data_type_check",
            f"Data type match requirement is not met. Expected data type: {kind}, Expected match: {expected:.1%}. "
            f"Observed: Only {share:.2%} of data is {kind}.",
        )
    completeness = float(column.notna().mean())
    if completeness < float(feature.get("completeness", 0.0)):
        yield _violation(
            name,
            "completeness_check",
            f"Value: {completeness} does not meet the constraint requirement! Expected completeness: "
            f"{feature['completeness']}",
        )
    yield from _domain(column, feature, config)
    yield from _drift(column, feature, baseline, config.get("distribution_constraints", {}))


def _domain(column: pd.Series, feature: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    domain = (feature.get("string_constraints") or {}).get("domains")
    present = column.dropna().astype(str)
    if not domain or present.empty:
        return
    expected = float(config.get("domain_content_threshold", 1.0))
    share = float(present.isin(set(map(str, domain))).mean())
    if share < expected:
        unknown = sorted(set(present) - set(map(str, domain)))[:5]
        yield _violation(
            feature["name"],
            "categorical_values_check",
            f"Categorical values match requirement is not met. Expected match: {expected:.1%}. Observed: Only "
            f"{share:.2%} of the values are in the baseline's domain; unknown: {', '.join(unknown)}.",
        )


def _drift(
    column: pd.Series, feature: Mapping[str, Any], baseline: Mapping[str, Any], config: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    if config.get("perform_comparison", "Enabled") != "Enabled":
        return
    numerical = feature.get("inferred_type") in (own.INTEGRAL, own.FRACTIONAL)
    robust = config.get("comparison_method", "Robust") == "Robust"
    if numerical:
        distance = _numerical_distance(own.numbers(column), baseline, robust)
        threshold = float(config.get("comparison_threshold", 0.1))
    else:
        if config.get("categorical_drift_method") == "ChiSquared":
            distance = _chi_squared(column, baseline)
        else:
            distance = _categorical_distance(column, baseline, robust)
        threshold = float(config.get("categorical_comparison_threshold", config.get("comparison_threshold", 0.1)))
    if distance is not None and distance > threshold:
        yield _violation(
            feature["name"],
            "baseline_drift_check",
            f"Baseline drift distance: {distance} exceeds threshold: {threshold}",
        )


def _numerical_distance(values: Any, baseline: Mapping[str, Any], robust: bool) -> float | None:
    sketch = baseline.get("numerical_statistics", {}).get("distribution", {}).get("kll", {}).get("sketch", {})
    levels = sketch.get("data", [])
    points = np.array([value for level in levels for value in level], dtype="float64")
    if not len(points) or not len(values):
        return None
    weights = np.array([2.0**height for height, level in enumerate(levels) for _ in level])
    order = np.argsort(points)
    points, weights = points[order], weights[order]
    places = np.unique(np.concatenate([points, values]))
    before = np.concatenate([[0.0], np.cumsum(weights)]) / weights.sum()
    here = np.searchsorted(np.sort(values), places, side="right") / len(values)
    there = before[np.searchsorted(points, places, side="right")]
    return _corrected(float(np.abs(here - there).max()), len(values), float(weights.sum()), robust)


def _counts(column: pd.Series, baseline: Mapping[str, Any]) -> tuple[Any, Any] | None:
    """How often each value is here and in the baseline, in one order."""
    kept = baseline.get("string_statistics", {}).get("distribution", {}).get("categorical", {}).get("buckets")
    here = column.dropna().astype(str).value_counts()
    if not kept or here.empty:
        return None
    there = {str(bucket["value"]): float(bucket["count"]) for bucket in kept}
    names = sorted(set(there) | set(here.index))
    return (
        np.array([float(here.get(name, 0)) for name in names]),
        np.array([there.get(name, 0.0) for name in names]),
    )


def _categorical_distance(column: pd.Series, baseline: Mapping[str, Any], robust: bool) -> float | None:
    counts = _counts(column, baseline)
    if counts is None:
        return None
    here, there = counts
    distance = float(np.abs(here / here.sum() - there / there.sum()).max())
    return _corrected(distance, here.sum(), there.sum(), robust)


def _chi_squared(column: pd.Series, baseline: Mapping[str, Any]) -> float | None:
    """1 where the counts differ by more than chance, else 0."""
    counts = _counts(column, baseline)
    if counts is None or len(counts[0]) < 2:
        return None
    result = stats.chi2_contingency(np.array(counts))
    return 1.0 if float(result[1]) < _SIGNIFICANT else 0.0


def _corrected(distance: float, size: float, other: float, robust: bool) -> float:
    if not robust:
        return distance
    return max(0.0, distance - _CHANCE * math.sqrt((size + other) / (size * other)))


def _violation(feature: str, check: str, description: str) -> dict[str, Any]:
    return {"feature_name": feature, "constraint_check_type": check, "description": description}
