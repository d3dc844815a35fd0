"""SHAP values and partial dependence of a model that is asked by its endpoint.

A row is explained by which of its features are its own and which a baseline's: SHAP's kernel method sees that choice,
as zeros and ones, so features may be of any type.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jmespath
import numpy as np
import pandas as pd
import shap
from sklearn.cluster import KMeans

from sagemaker_clarify_processing.job import Job, UserError
from sagemaker_clarify_processing.predictor import Predictor
from sagemaker_clarify_processing.table import Table, column_name, is_json, parse

CLUSTERS = 1
_AGGREGATES = {
    "mean_abs": lambda values: np.abs(values).mean(axis=0),
    "median": lambda values: np.median(np.abs(values), axis=0),
    "mean_sq": lambda values: (values**2).mean(axis=0),
}


def explain(job: Job, table: Table, predictor: Predictor) -> dict[str, Any]:
    """The member ``explanations`` of the analysis."""
    found: dict[str, Any] = {}
    if "shap" in job.methods:
        found["kernel_shap"] = _kernel_shap(job, table, predictor)
    if "pdp" in job.methods:
        found["pdp"] = _partial_dependence(job, table, predictor, found.get("kernel_shap"))
    return found


def _kernel_shap(job: Job, table: Table, predictor: Predictor) -> dict[str, Any]:
    config = job.methods["shap"] or {}
    features = table.features
    baseline = _baseline(job, config, features)
    baseline.to_csv(job.path("explanations_shap", "baseline.csv"), index=False)
    chosen = [column_name(features, given) for given in config.get("features_to_explain") or features.columns]
    values, expected = _values(config, features, baseline, chosen, predictor)
    labels = _label_names(job, len(values))
    if config.get("save_local_shap_values", True):
        local = {f"{name}_{label}": values[n][:, i] for n, label in enumerate(labels) for i, name in enumerate(chosen)}
        pd.DataFrame(local).to_csv(job.path("explanations_shap", "out.csv"), index=False)
    aggregate = _AGGREGATES[config.get("agg_method", "mean_abs")]
    return {
        label: {
            "global_shap_values": dict(zip(chosen, map(float, aggregate(values[n])))),
            "expected_value": float(expected[n]),
        }
        for n, label in enumerate(labels)
    }


def _values(
    config: Mapping[str, Any], features: pd.DataFrame, baseline: pd.DataFrame, chosen: Sequence[str], ask: Predictor
) -> tuple[list[Any], Any]:
    """For each label the values of all rows; and for each label what the baseline is answered."""
    random = config.get("seed")
    np.random.seed(None if random is None else int(random))
    logit = shap.links.logit if config.get("use_logit") else shap.links.identity
    answer = ask.scores(baseline)
    expected = answer.mean(axis=0)
    rows: list[Any] = []
    for _, row in features.iterrows():

        def scored(choices: Any, row: pd.Series = row) -> Any:
            return _answers(choices, row, baseline, chosen, ask)

        explainer = shap.KernelExplainer(
            scored, np.zeros((1, len(chosen))), link="logit" if config.get("use_logit") else "identity"
        )
        samples = _samples(config, chosen)
        raw = explainer.shap_values(np.ones((1, len(chosen))), nsamples=samples, silent=True, l1_reg=False)
        array = np.asarray(raw[0] if isinstance(raw, list) and len(raw) == 1 else raw, dtype=float)
        rows.append(array.reshape(len(chosen), -1) if array.ndim != 3 else array[0])
    stacked = np.stack(rows)  # rows, features, labels
    return [stacked[:, :, n] for n in range(stacked.shape[2])], logit(expected)


def _samples(config: Mapping[str, Any], chosen: Sequence[str]) -> Any:
    """How many choices a row is explained by: at least so many that SHAP takes each feature alone, and all but it,
    among them (it spends its samples on choices of each size by the weights of its kernel). Fewer determine no values.
    """
    given, count = config.get("num_samples"), len(chosen)
    if given is None or count < 2:
        return "auto" if given is None else int(given)
    weights = [1 / (size * (count - size)) for size in range(1, count)]
    return max(int(given), math.ceil(2 * count * sum(weights) / (weights[0] * min(2, len(weights)))) + 1)


def _answers(choices: Any, row: pd.Series, baseline: pd.DataFrame, chosen: Sequence[str], ask: Predictor) -> Any:
    """For each choice the answer to the row with the other features taken from the baseline, on average over it."""
    size = len(baseline)
    mixed = pd.concat([baseline] * len(choices), ignore_index=True)
    own = np.repeat(np.asarray(choices) > 0.5, size, axis=0)
    for n, name in enumerate(chosen):
        if own[:, n].any():
            mixed[name] = mixed[name].astype(object).where(~own[:, n], row[name])
    for name in baseline.columns:
        if name not in chosen:
            mixed[name] = row[name]
    mixed = mixed.infer_objects()
    return ask.scores(mixed).reshape(len(choices), size, -1).mean(axis=1)


def _baseline(job: Job, config: Mapping[str, Any], features: pd.DataFrame) -> pd.DataFrame:
    """The rows that are given, at a place or as they are; else the middles of clusters. Raises UserError."""
    given = config.get("baseline")
    if given is None:
        return _clusters(features, int(config.get("num_clusters") or CLUSTERS))
    if isinstance(given, str):
        table = _read_baseline(given, job.config, features)
    else:
        rows = given if isinstance(given, list) else [given]
        table = pd.DataFrame([_baseline_row(row, job.config) for row in rows])
    if len(table.columns) != len(features.columns):
        raise UserError(f"methods.shap.baseline has {len(table.columns)} values, not {len(features.columns)}.")
    table.columns = list(features.columns)
    return table


def _read_baseline(uri: str, config: Mapping[str, Any], features: pd.DataFrame) -> pd.DataFrame:
    """In the form of the dataset, without labels."""
    from sagemaker_clarify_processing.objects import read

    data = read(uri)
    if is_json(config):
        return parse(data, {name: config[name] for name in ("dataset_type", "features") if name in config})
    table = pd.read_csv(io.BytesIO(data), header=None)
    if [str(value) for value in table.iloc[0]] == list(features.columns):
        table = pd.read_csv(io.BytesIO(data))
    return table


def _baseline_row(row: Any, config: Mapping[str, Any]) -> Any:
    """A row is its values, or a record of the dataset's form."""
    if not isinstance(row, dict):
        return row
    expression = config.get("features")
    found = jmespath.search(expression, row) if isinstance(expression, str) else None
    if isinstance(found, dict):
        return list(found.values())
    return found if isinstance(found, list) else row.get("features", list(row.values()))


def _clusters(features: pd.DataFrame, count: int) -> pd.DataFrame:
    """The middles of clusters: means of numbers, and the values of texts that come most often."""
    numbers = features.select_dtypes("number")
    if count <= 1 or numbers.empty:
        groups = np.zeros(len(features), dtype=int)
    else:
        scaled = (numbers - numbers.mean()) / numbers.std().replace(0, 1)
        groups = KMeans(n_clusters=min(count, len(features)), n_init=10, random_state=0).fit_predict(scaled.fillna(0))
    rows = []
    for group in sorted(set(groups)):
        part = features[groups == group]
        rows.append({name: part[name].mean() if name in numbers else part[name].mode()[0] for name in features})
    return pd.DataFrame(rows, columns=features.columns)


def _label_names(job: Job, count: int) -> list[str]:
    headers = (job.config.get("predictor") or {}).get("label_headers") or []
    return [str(name) for name in headers] if len(headers) == count else [f"label{n}" for n in range(count)]


def _partial_dependence(
    job: Job, table: Table, predictor: Predictor, values: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    config, features = job.methods["pdp"] or {}, table.features
    names = [column_name(features, given) for given in config.get("features") or ()]
    if not names:
        if not values:
            raise UserError("methods.pdp.features is needed where there is no methods.shap.")
        first = next(iter(values.values()))["global_shap_values"]
        names = sorted(first, key=lambda name: -first[name])[: int(config.get("top_k_features", 10))]
    return [_dependence(features, name, int(config.get("grid_resolution", 15)), predictor) for name in names]


def _dependence(features: pd.DataFrame, name: str, resolution: int, predictor: Predictor) -> dict[str, Any]:
    """The mean answer where every row has the same value of the feature, value after value."""
    column = features[name]
    numerical = pd.api.types.is_numeric_dtype(column) and column.nunique() > 2
    if numerical:
        points: list[Any] = np.linspace(float(column.min()), float(column.max()), resolution).tolist()
        shares = np.histogram(column.dropna(), bins=resolution)[0] / max(1, column.count())
    else:
        counts = column.astype(str).value_counts().sort_index()
        points = sorted(column.dropna().unique().tolist(), key=str)
        shares = np.array([counts.get(str(point), 0) for point in points]) / len(column)
    answers = [predictor.scores(features.assign(**{name: point})).mean(axis=0) for point in points]
    return {
        "feature_name": name,
        "data_type": "numerical" if numerical else "categorical",
        "feature_values": points,
        "model_predictions": np.array(answers).T.tolist(),
        "feature_distribution": [float(share) for share in shares],
    }
