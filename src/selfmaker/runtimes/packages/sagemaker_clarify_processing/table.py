"""The dataset: its features, its labels, its predictions if it has them, and the columns that facets are made of."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jmespath
import pandas as pd

from sagemaker_clarify_processing.job import Job, UserError


@dataclass(frozen=True)
class Table:
    """``features`` are what the model is given, in order. ``everything`` has all columns."""

    everything: pd.DataFrame
    features: pd.DataFrame
    label: pd.Series | None
    predicted: pd.Series | None

    def column(self, name_or_index: Any) -> pd.Series:
        return self.everything[column_name(self.everything, name_or_index)]


def load(job: Job) -> Table:
    """Raises UserError."""
    config = job.config
    everything = _read_all(job)
    excluded = [column_name(everything, given) for given in config.get("excluded_columns") or ()]
    if "joinsource_name_or_index" in config:
        excluded.append(column_name(everything, config["joinsource_name_or_index"]))
    label, predicted = (_series(everything, given) for given in _labels(everything, config))
    left_out = {*excluded, *(series.name for series in (label, predicted) if series is not None)}
    features = everything[[name for name in everything.columns if name not in left_out]]
    if predicted is None and "predicted_label_dataset_uri" in config:
        predicted = _predictions(config)
    return Table(everything, features, label, predicted)


def _labels(table: pd.DataFrame, config: Mapping[str, Any]) -> tuple[Any, Any]:
    """The columns of the labels and of the predictions, by name or index. A JMESPath's is behind those of the features,
    whatever its name is there."""
    elsewhere = "predicted_label_dataset_uri" in config
    label, predicted = config.get("label"), None if elsewhere else config.get("predicted_label")
    if not is_json(config) or config.get("features") is None:
        return label, predicted
    places = iter(range(len(table.columns) - isinstance(label, str) - isinstance(predicted, str), len(table.columns)))
    return (
        next(places) if isinstance(label, str) else label,
        next(places) if isinstance(predicted, str) else predicted,
    )


def is_json(config: Mapping[str, Any]) -> bool:
    return str(config.get("dataset_type")).lower() in ("application/jsonlines", "application/json")


def column_name(table: pd.DataFrame, name_or_index: Any) -> str:
    """Raises UserError."""
    if isinstance(name_or_index, int) and not isinstance(name_or_index, bool):
        if 0 <= name_or_index < len(table.columns):
            return str(table.columns[name_or_index])
    elif name_or_index in table.columns:
        return str(name_or_index)
    raise UserError(f"The dataset has no column {name_or_index!r}; it has {', '.join(map(str, table.columns))}.")


def _series(table: pd.DataFrame, given: Any) -> pd.Series | None:
    return None if given is None else table[column_name(table, given)]


def _read_all(job: Job) -> pd.DataFrame:
    files = sorted(_files(job.dataset))
    if not files:
        raise UserError(f"There is no data in {job.dataset}.")
    tables = []
    for path in files:
        try:
            with open(path, "rb") as file:
                tables.append(parse(file.read(), job.config))
        except (ValueError, OSError) as error:
            raise UserError(f"{os.path.basename(path)} is no {job.config.get('dataset_type')}: {error}") from None
    table = pd.concat(tables, ignore_index=True)
    if table.empty:
        raise UserError("The dataset has no rows.")
    return table


def _files(source: str) -> list[str]:
    if os.path.isfile(source):
        return [source]
    found = []
    for folder, folders, names in os.walk(source):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [os.path.join(folder, name) for name in names if not name.startswith((".", "_"))]
    return found


def parse(data: bytes, config: Mapping[str, Any]) -> pd.DataFrame:
    """One file. Raises ValueError, UserError."""
    kind, headers = str(config.get("dataset_type", "text/csv")).lower(), config.get("headers")
    if kind == "text/csv":
        return _csv(data, headers)
    if kind == "application/x-parquet":
        return pd.read_parquet(io.BytesIO(data))
    if kind == "application/jsonlines":
        return _json([json.loads(line) for line in data.splitlines() if line.strip()], config, lines=True)
    if kind == "application/json":
        return _json(json.loads(data), config)
    raise UserError(f"dataset_type {kind!r} is not available here.")


def _csv(data: bytes, headers: Sequence[str] | None) -> pd.DataFrame:
    """A first line that has the names is no data. Without names anywhere they are column_0 and so on."""
    first = pd.read_csv(io.BytesIO(data), header=None, nrows=1, dtype=str)
    names = [str(value) for value in first.iloc[0]]
    if headers is not None:
        wanted = [str(name) for name in headers]
        if len(wanted) != len(names):
            raise UserError(f"headers has {len(wanted)} names, and the dataset {len(names)} columns.")
        return pd.read_csv(io.BytesIO(data), header=0 if names == wanted else None, names=wanted)
    if not any(_is_number(name) for name in names) and len(set(names)) == len(names):
        return pd.read_csv(io.BytesIO(data))
    return pd.read_csv(io.BytesIO(data), header=None, names=[f"column_{n}" for n in range(len(names))])


def _json(document: Any, config: Mapping[str, Any], *, lines: bool = False) -> pd.DataFrame:
    """``features`` and ``label`` are JMESPath expressions: of each line, or of the whole document."""
    records = document if isinstance(document, list) else [document]
    expression = config.get("features")
    if expression is None:
        return pd.DataFrame(records)
    whole = not isinstance(document, list) or (not lines and str(expression).startswith("["))
    rows = jmespath.search(expression, document) if whole else [jmespath.search(expression, r) for r in records]
    if not isinstance(rows, list) or any(row is None for row in rows):
        raise UserError(f"features: the JMESPath {expression} finds nothing in some records.")
    table = pd.DataFrame(rows)
    elsewhere = "predicted_label_dataset_uri" in config
    for member in ("label",) if elsewhere else ("label", "predicted_label"):
        path = config.get(member)
        if isinstance(path, str):
            values = jmespath.search(path, document) if whole else [jmespath.search(path, r) for r in records]
            name = path.split(".")[-1].strip("[]*") or member
            table[path if path not in table.columns else name] = values
    headers = [str(name) for name in config.get("headers") or ()]
    if len(headers) > len(table.columns):
        raise UserError(f"headers has {len(headers)} names, and the dataset {len(table.columns)} columns.")
    table.columns = [*headers, *map(str, table.columns[len(headers) :])]
    return table


def _predictions(config: Mapping[str, Any]) -> pd.Series:
    """The predictions that are in a dataset of their own."""
    uri = config["predicted_label_dataset_uri"]
    from sagemaker_clarify_processing.objects import read

    wanted, given = config.get("predicted_label", 0), {"dataset_type": config.get("dataset_type", "text/csv")}
    if isinstance(wanted, str) and is_json(config):
        lines = str(given["dataset_type"]).lower() == "application/jsonlines"
        table = parse(read(uri), {**given, "features": f"[{wanted}]" if lines else wanted})
        return table[table.columns[0]]
    table = parse(read(uri), {**given, "headers": config.get("predicted_label_headers")})
    return table[column_name(table, wanted)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
