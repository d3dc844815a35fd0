"""One analysis: its dataset, its model, its metrics, and the files that it leaves."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import pandas as pd

from sagemaker_clarify_processing import bias, drift, report, table
from sagemaker_clarify_processing.groups import facets, positive
from sagemaker_clarify_processing.job import Job, UserError, read_baseline
from sagemaker_clarify_processing.table import Table

_ONE, _ZERO = ("1", "1.0"), ("0", "0.0")


def analyze(job: Job) -> str:
    """The message of the job's end. Raises UserError."""
    data = table.load(job)
    methods = job.methods
    analysis: dict[str, Any] = {"version": "1.0"}
    needs_model = "shap" in methods or "pdp" in methods or ("post_training_bias" in methods and data.predicted is None)
    with contextlib.ExitStack() as stack:
        predictor = None
        if needs_model:
            from sagemaker_clarify_processing.predictor import Predictor

            predictor = stack.enter_context(Predictor(job))
        if "post_training_bias" in methods:
            threshold = job.config.get("probability_threshold")
            predicted = data.predicted
            if predicted is None and predictor is not None:
                predicted = predictor.labels(data.features, threshold)
            elif predicted is not None and threshold is not None:
                predicted = (predicted.astype(float) > float(threshold)).astype(int)
            analysis["post_training_bias_metrics"] = _bias(job, data, bias.POST_TRAINING, predicted)
        if "pre_training_bias" in methods:
            analysis["pre_training_bias_metrics"] = _bias(job, data, bias.PRE_TRAINING, None)
        if predictor is not None and ("shap" in methods or "pdp" in methods):
            from sagemaker_clarify_processing.explanations import explain

            analysis["explanations"] = explain(job, data, predictor)
    job.write("analysis.json", analysis)
    report.write(job, analysis)
    return _checked(job, analysis)


def _bias(job: Job, data: Table, metrics: Any, predicted: pd.Series | None) -> dict[str, Any]:
    """A section of the analysis. Raises UserError."""
    config = job.config
    if data.label is None or not config.get("facet"):
        raise UserError("label and facet are needed for bias metrics.")
    wanted = config.get("label_values_or_threshold")
    label = positive(data.label, wanted)
    method = "pre_training_bias" if predicted is None else "post_training_bias"
    names = (job.methods[method] or {}).get("methods", "all")
    group = data.column(config["group_variable"]) if "group_variable" in config else None
    found: dict[str, list[dict[str, Any]]] = {}
    for facet in config["facet"]:
        column = data.column(facet["name_or_index"])
        for part in facets(column, facet.get("value_or_threshold")):
            case = bias.Case(
                facet=part.rows.to_numpy(dtype=bool),
                label=label.rows.to_numpy(dtype=bool),
                values=_values(data.label, label.rows),
                predicted=None if predicted is None else _predicted(predicted, data.label, wanted),
                group=None if group is None else group.astype(str).to_numpy(),
                features=data.features.drop(columns=column.name, errors="ignore"),
            )
            entry = {"value_or_threshold": part.words, "metrics": bias.measure(case, metrics, names)}
            found.setdefault(str(column.name), []).append(entry)
    return {"label": str(data.label.name), "facets": found, "label_value_or_threshold": label.words}


def _values(label: pd.Series, rows: pd.Series) -> Any:
    """The labels of which distributions are compared: as they are, or, for numbers, whether they are positive."""
    many = pd.api.types.is_float_dtype(label) or label.nunique() > 20
    return (rows if many else label).astype(str).to_numpy()


def _predicted(predicted: pd.Series, label: pd.Series, wanted: Any) -> Any:
    """Whether a prediction is the positive label. Raises UserError."""
    if len(predicted) != len(label):
        raise UserError(f"There are {len(predicted)} predictions for {len(label)} rows.")
    values = wanted or _second(label)
    try:
        return positive(predicted, values).rows.to_numpy(dtype=bool)
    except UserError:  # nothing was predicted to be positive; or it is called 1, as a threshold calls it
        names = predicted.map(str)
        numbered = set(names) <= {*_ONE, *_ZERO} and not {*_ONE, *_ZERO}.intersection(map(str, values))
        return names.isin(_ONE if numbered else ()).to_numpy(dtype=bool)


def _second(label: pd.Series) -> list[Any]:
    return sorted(label.dropna().unique(), key=str)[-1:]


def _checked(job: Job, analysis: Mapping[str, Any]) -> str:
    if not job.baseline:
        return "Completed: Job completed successfully."
    found = drift.violations(analysis, read_baseline(job.baseline))
    job.write("constraint_violations.json", found)
    if found["violations"]:
        return f"CompletedWithViolations: Job completed successfully with {len(found['violations'])} violations."
    return "Completed: Job completed successfully with no violations."
