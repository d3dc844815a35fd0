"""The dataset as a table of texts: each value as it was written, or missing."""

from __future__ import annotations

import base64
import csv
import importlib.util
import io
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pandas as pd

from sagemaker_model_monitor_analyzer.settings import Settings, UserError

Record = Mapping[str, Any]


def load(settings: Settings) -> pd.DataFrame:
    """Every value is a text or None. Raises UserError for what cannot be read, and where there is no data."""
    files = sorted(_files(settings.source))
    if not files:
        raise UserError(f"There is no data in {settings.source}.")
    preprocess = _handler(settings.preprocessor, "preprocess_handler") if settings.preprocessor else None
    tables = [_read(path, settings, preprocess) for path in files]
    table = pd.concat(tables, ignore_index=True)
    if table.empty:
        raise UserError(f"The data in {settings.source} has no rows.")
    return table.astype(object).where(table.notna(), None)


def postprocess(settings: Settings) -> None:
    """Run the user's script over the results."""
    if settings.postprocessor:
        _handler(settings.postprocessor, "postprocess_handler")()


def _files(source: str) -> Iterator[str]:
    if os.path.isfile(source):
        yield source
        return
    for folder, folders, names in os.walk(source):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (os.path.join(folder, name) for name in names if not name.startswith((".", "_")))


def _read(path: str, settings: Settings, preprocess: Callable[..., Any] | None) -> pd.DataFrame:
    try:
        if settings.format == "parquet":
            table = pd.read_parquet(path).map(_text)
        elif settings.format == "csv":
            header = 0 if settings.options.get("header", True) else None
            table = pd.read_csv(path, header=header, dtype=str, keep_default_na=False, na_values=[""])
        elif settings.format == "json":
            table = pd.DataFrame([_flat(record) for record in _json_records(path, settings)]).map(_text)
        else:
            return pd.DataFrame([_captured(record, settings, preprocess) for record in _lines(path)]).map(_text)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{os.path.basename(path)} cannot be read as {settings.format}: {error}") from None
    table.columns = [name if isinstance(name, str) else f"_c{name}" for name in table.columns]
    return table if preprocess is None else _preprocessed(table, preprocess)


def _json_records(path: str, settings: Settings) -> list[Any]:
    if settings.options.get("lines", settings.options.get("line", True)):
        return list(_lines(path))
    with open(path) as file:
        document = json.load(file)
    return document if isinstance(document, list) else [document]


def _lines(path: str) -> Iterator[Any]:
    with open(path) as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def _flat(record: Any, prefix: str = "") -> dict[str, Any]:
    """Members of members by their path: ``a.b``."""
    if not isinstance(record, dict):
        return {prefix or "_c0": record}
    found: dict[str, Any] = {}
    for name, value in record.items():
        found.update(_flat(value, f"{prefix}.{name}" if prefix else str(name)))
    return found


def _captured(record: Record, settings: Settings, preprocess: Callable[..., Any] | None) -> dict[str, Any]:
    """A record of data capture as a row: what came out, then what went in (or the other way round)."""
    capture = record["captureData"]
    if preprocess is not None:
        return _as_row(preprocess(_inference_record(capture, record.get("eventMetadata", {}))))
    parts = [_values(capture.get(name)) for name in ("endpointOutput", "endpointInput")]
    if str(settings.options.get("output_columns_position", "START")).upper() == "END":
        parts.reverse()
    if all(isinstance(part, dict) for part in parts):
        return {**parts[0], **parts[1]}
    values = [value for part in parts for value in (part.values() if isinstance(part, dict) else part)]
    return {f"_c{number}": value for number, value in enumerate(values)}


def _values(side: Any) -> Any:
    if not side:
        return []
    content = str(side.get("observedContentType", "text/csv")).lower()
    if "json" in content:
        return _flat(json.loads(_decoded(side)))
    return next(csv.reader(io.StringIO(_decoded(side))), [])


def _decoded(side: Record) -> str:
    data = str(side.get("data", ""))
    if str(side.get("encoding", "CSV")).upper() == "BASE64":
        return base64.b64decode(data).decode("utf-8", "replace")
    return data


def _preprocessed(table: pd.DataFrame, preprocess: Callable[..., Any]) -> pd.DataFrame:
    """Each row goes through the user's function as the data of an inference."""
    rows = []
    for values in table.itertuples(index=False):
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(["" if value is None else value for value in values])
        made = preprocess(_inference_record({"endpointInput": {"data": line.getvalue()}}, {}))
        rows += made if isinstance(made, list) and made and isinstance(made[0], (dict, list)) else [made]
    return pd.DataFrame([_as_row(row) for row in rows]).map(_text)


def _inference_record(capture: Record, event: Record) -> SimpleNamespace:
    """What AWS's guide shows a handler being given."""
    sides = {}
    for name, member in (("endpoint_input", "endpointInput"), ("endpoint_output", "endpointOutput")):
        side = capture.get(member) or {}
        sides[name] = SimpleNamespace(
            data=_decoded(side),
            encoding=side.get("encoding", "CSV"),
            mode=side.get("mode", ""),
            observed_content_type=side.get("observedContentType", "text/csv"),
        )
    metadata = {"event_id": event.get("eventId", ""), "inference_time": event.get("inferenceTime", "")}
    return SimpleNamespace(**sides, event_metadata=SimpleNamespace(**metadata), event_version="0")


def _as_row(made: Any) -> dict[str, Any]:
    if isinstance(made, dict):
        return _flat(made)
    return {f"_c{number}": value for number, value in enumerate(made or [])}


def _handler(path: str, name: str) -> Callable[..., Any]:
    """Raises UserError."""
    specification = importlib.util.spec_from_file_location("monitor_script", path)
    if specification is None or specification.loader is None or not os.path.isfile(path):
        raise UserError(f"The script {path} cannot be read.")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    handler = getattr(module, name, None)
    if not callable(handler):
        raise UserError(f"The script {os.path.basename(path)} has no function {name}.")
    function: Callable[..., Any] = handler
    return function


def _text(value: Any) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, dict)):
        return json.dumps(value)
    return str(value)
