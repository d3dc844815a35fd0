"""Statistics of each column, as statistics.json has them, and the constraints that they suggest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

BUCKETS = 10
SKETCH_C, SKETCH_K = 0.64, 2048
MOST_VALUES_OF_A_DOMAIN = 40
MOST_BUCKETS_OF_TEXTS = 100

INTEGRAL, FRACTIONAL, STRING, UNKNOWN = "Integral", "Fractional", "String", "Unknown"
_INTEGER = r"[+-]?\d+"
_NUMBER = r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?(NaN|Infinity|inf|nan)"


def describe(table: pd.DataFrame) -> dict[str, Any]:
    """statistics.json."""
    features = [_feature(name, table[name]) for name in table.columns]
    return {"version": 0.0, "dataset": {"item_count": len(table)}, "features": features}


def constraints(table: pd.DataFrame, statistics: dict[str, Any], categorical_drift_method: str) -> dict[str, Any]:
    """constraints.json: what a dataset like this one holds to."""
    features = [_constraint(table[feature["name"]], feature) for feature in statistics["features"]]
    return {
        "version": 0.0,
        "features": features,
        "monitoring_config": {
            "evaluate_constraints": "Enabled",
            "emit_metrics": "Enabled",
            "datatype_check_threshold": 1.0,
            "domain_content_threshold": 1.0,
            "distribution_constraints": {
                "perform_comparison": "Enabled",
                "comparison_threshold": 0.1,
                "comparison_method": "Robust",
                "categorical_comparison_threshold": 0.1,
                "categorical_drift_method": categorical_drift_method,
            },
        },
    }


def inferred_type(column: pd.Series) -> str:
    """The narrowest that holds for every value that is there."""
    present = column.dropna().astype(str).str.strip()
    if present.empty:
        return UNKNOWN
    if present.str.fullmatch(_INTEGER).all():
        return INTEGRAL
    return FRACTIONAL if present.str.fullmatch(_NUMBER).all() else STRING


def share_of_type(column: pd.Series, kind: str) -> float:
    """The share of the values that are there which are of a type. Numbers are texts where a column has texts, too."""
    present = column.dropna().astype(str).str.strip()
    if present.empty or kind == UNKNOWN:
        return 1.0
    if kind == STRING:
        return float(inferred_type(column) == STRING)
    return float(present.str.fullmatch(_INTEGER if kind == INTEGRAL else _NUMBER).mean())


def numbers(column: pd.Series) -> Any:
    """The finite numbers of a column."""
    values = pd.to_numeric(column.dropna(), errors="coerce").to_numpy(dtype="float64")
    return values[np.isfinite(values)]


def _feature(name: str, column: pd.Series) -> dict[str, Any]:
    kind = inferred_type(column)
    present = int(column.notna().sum())
    common = {"num_present": present, "num_missing": len(column) - present}
    if kind in (INTEGRAL, FRACTIONAL):
        return {"name": name, "inferred_type": kind, "numerical_statistics": _numerical(numbers(column), common)}
    texts: dict[str, Any] = {"common": common}
    if kind == STRING:
        counts = column.dropna().astype(str).value_counts()
        texts["distinct_count"] = float(len(counts))
        if len(counts) <= MOST_BUCKETS_OF_TEXTS:
            buckets = [{"value": value, "count": int(count)} for value, count in counts.items()]
            texts["distribution"] = {"categorical": {"buckets": buckets}}
    return {"name": name, "inferred_type": kind, "string_statistics": texts}


def _numerical(values: Any, common: dict[str, int]) -> dict[str, Any]:
    if not len(values):
        return {"common": common}
    return {
        "common": common,
        "mean": float(values.mean()),
        "sum": float(values.sum()),
        "std_dev": float(values.std()),
        "min": float(values.min()),
        "max": float(values.max()),
        "distribution": {"kll": {"buckets": _buckets(values), "sketch": _sketch(values)}},
    }


def _buckets(values: Any) -> list[dict[str, Any]]:
    counts, edges = np.histogram(values, bins=BUCKETS)
    return [
        {"lower_bound": float(edges[i]), "upper_bound": float(edges[i + 1]), "count": float(count)}
        for i, count in enumerate(counts)
    ]


def _sketch(values: Any) -> dict[str, Any]:
    """Levels of values, each value of level n standing for 2 to the n of them: a full level is sorted, and every second
    value goes up."""
    levels = [list(map(float, values))]
    height = 0
    while len(levels[height]) > SKETCH_K:
        ordered = sorted(levels[height])
        levels[height] = ordered[-1:] if len(ordered) % 2 else []
        levels.append(ordered[1 : len(ordered) - len(ordered) % 2 : 2])
        height += 1
    return {"parameters": {"c": SKETCH_C, "k": float(SKETCH_K)}, "data": levels}


def _constraint(column: pd.Series, feature: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": feature["name"],
        "inferred_type": feature["inferred_type"],
        "completeness": float(column.notna().mean()),
    }
    if feature["inferred_type"] in (INTEGRAL, FRACTIONAL):
        values = numbers(column)
        found["num_constraints"] = {"is_non_negative": bool((values >= 0).all())}
    elif feature["inferred_type"] == STRING:
        domain = sorted(column.dropna().astype(str).unique())
        if len(domain) <= MOST_VALUES_OF_A_DOMAIN and len(domain) < len(column):
            found["string_constraints"] = {"domains": domain}
    return found
