"""What of an analysis drifted from a baseline's, as constraint_violations.json has it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

SIMILAR = 0.90  # normalized discounted cumulative gain below which attributions have drifted
SECTIONS = ("pre_training_bias_metrics", "post_training_bias_metrics")
IDEAL_OF_RATIO = {"DI": 1.0}  # all other metrics are best at nothing


def violations(analysis: Mapping[str, Any], baseline: Mapping[str, Any]) -> dict[str, Any]:
    """constraint_violations.json."""
    found = [*_bias(analysis, baseline), *_attributions(analysis, baseline)]
    return {"version": "1.0", "violations": found}


def _bias(analysis: Mapping[str, Any], baseline: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A metric farther from the ideal than the baseline's."""
    for section in SECTIONS:
        before = _metrics(baseline.get(section) or {})
        for place, (value, facet_value) in _metrics(analysis.get(section) or {}).items():
            constraint, _ = before.get(place, (None, ""))
            if value is None or constraint is None:
                continue
            facet, _, name = place
            ideal = IDEAL_OF_RATIO.get(name, 0.0)
            if abs(value - ideal) > abs(constraint - ideal) and not math.isclose(value, constraint, rel_tol=1e-9):
                yield {
                    "facet": facet,
                    "facet_value": facet_value,
                    "metric_name": name,
                    "constraint_check_type": "bias_drift_check",
                    "description": f"Metric value {value} doesn't meet the baseline constraint requirement "
                    f"{constraint}",
                }


def _metrics(section: Mapping[str, Any]) -> dict[tuple[str, str, str], tuple[float | None, str]]:
    """Facet, group and metric -> value, and the group as the analysis calls it."""
    return {
        (facet, _group(words), metric["name"]): (_number(metric["value"]), words)
        for facet, groups in (section.get("facets") or {}).items()
        for group in groups
        for words in [str(group["value_or_threshold"])]
        for metric in group["metrics"]
    }


def _number(value: Any) -> float | None:
    """What is infinite stands in the analysis as a text."""
    return float(value) if isinstance(value, str) else value


def _group(words: str) -> str:
    """What is the same for other data: of ``(0.5, 0.99]`` the threshold, for the end is the largest value there was."""
    threshold, comma, _ = words.partition(",")
    return threshold if comma and words[:1] + words[-1:] == "(]" else words


def _attributions(analysis: Mapping[str, Any], baseline: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    before = (baseline.get("explanations") or {}).get("kernel_shap") or {}
    for label, explained in ((analysis.get("explanations") or {}).get("kernel_shap") or {}).items():
        if label not in before:
            continue
        score = similarity(explained["global_shap_values"], before[label]["global_shap_values"])
        if score < SIMILAR:
            yield {
                "label": label,
                "metric_name": "shap",
                "constraint_check_type": "feature_attribution_drift_check",
                "description": f"Feature attribution drift {score} exceeds threshold {SIMILAR}",
            }


def similarity(values: Mapping[str, float], baseline: Mapping[str, float]) -> float:
    """Normalized discounted cumulative gain: how well the features' order keeps the weights of the baseline's."""

    def gain(order: list[str]) -> float:
        return sum(abs(baseline[name]) / math.log2(place + 2) for place, name in enumerate(order))

    shared = [name for name in baseline if name in values]
    best = gain(sorted(shared, key=lambda name: -abs(baseline[name])))
    return gain(sorted(shared, key=lambda name: -abs(values[name]))) / best if best else 1.0
