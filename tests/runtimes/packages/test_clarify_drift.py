"""Which metrics of an analysis have drifted from a baseline's."""

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from selfmaker import runtimes

Violations = Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]


@pytest.fixture(scope="module")
def violations() -> Violations:
    path = Path(runtimes.__file__).parent / "packages" / "sagemaker_clarify_processing" / "drift.py"
    spec = importlib.util.spec_from_file_location("drift", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Violations = module.violations
    return found


def analysis(**groups: float) -> dict[str, Any]:
    """Group -> KS of the facet F1."""
    facets = {
        "F1": [{"value_or_threshold": words, "metrics": [{"name": "KS", "value": ks}]} for words, ks in groups.items()]
    }
    return {"pre_training_bias_metrics": {"label": "Label", "facets": facets}}


def test_a_threshold_names_a_group_whatever_the_largest_value_is(violations: Violations) -> None:
    baseline = analysis(**{"(0.5, 0.99]": 0.000008})
    [found] = violations(analysis(**{"(0.5, 0.97]": 0.015}), baseline)["violations"]
    assert found["facet_value"] == "(0.5, 0.97]"
    assert found["description"] == "Metric value 0.015 doesn't meet the baseline constraint requirement 8e-06"
    assert violations(analysis(**{"(0.6, 0.97]": 0.015}), baseline)["violations"] == []
    assert violations(analysis(**{"(0.5, 0.97]": 0.000001}), baseline)["violations"] == []


def test_groups_of_values_are_told_apart_by_all_of_them(violations: Violations) -> None:
    baseline = analysis(**{"1,2": 0.1, "1,3": 0.3})
    [found] = violations(analysis(**{"1,2": 0.2, "1,3": 0.2}), baseline)["violations"]
    assert found["facet_value"] == "1,2"
