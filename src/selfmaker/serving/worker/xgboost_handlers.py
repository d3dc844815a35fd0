"""XGBoost: the defaults of script mode, and the built-in algorithm when there is no script.

Script mode reads csv, libsvm and recordio into a DMatrix and writes json, csv or npy. The algorithm loads
``xgboost-model``, predicts with the best iteration, and answers in CSV: one line for each row, or, where the image is
older than 1.2-2, one line with all predictions (aws/sagemaker-xgboost-container, pull requests 269 to 271). JSON is of
the form ``{"predictions": [{"score": 0.5}]}`` (pull requests 278 to 282).
"""

from __future__ import annotations

import csv
import json
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np

from . import arrays, formats, recordio
from .batching import Batch
from .booster import Predictor
from .handlers import Handlers, RequestError, reason
from .selectable import VARIABLE, Selection
from .transport import Message

RECORDIO = "application/x-recordio-protobuf"
_KNOWN = "text/csv, text/libsvm, application/x-recordio-protobuf, application/json or application/jsonlines"
_DELIMITERS = ",;\t |"


class XgboostHandlers(Handlers):
    """Script mode. Where neither an input_fn nor a predict_fn of the user's stands between, no DMatrix is built, and a
    model of the scikit-learn API is predicted with its own ``predict`` (the container's default cannot)."""

    def __init__(self, module: Any, model_dir: str, default_accept: str | None = None) -> None:
        super().__init__(module, model_dir, default_accept)
        self._plain = not self.overridden & {"input_fn", "predict_fn"}
        self._predictor: Predictor | None = None

    def load(self) -> None:
        super().load()
        if self._plain and _is_booster(self.model):
            self._predictor = Predictor(self.model)

    def batch(self) -> Batch | None:
        predictor = self._predictor
        if predictor is None or self.overridden or not predictor.features:
            return None
        return Batch(_dense_rows, lambda rows: rows.shape[1] == predictor.features, predictor.predict, self._answer)

    def _answer(self, prediction: Any, accept: str) -> Message:
        accept = accept if accept and accept != "*/*" else self.default_accept
        body, content_type = arrays.encode(prediction, accept)
        return Message(200, content_type, "", "", body)

    def input_fn(self, body: Any, content_type: str) -> Any:
        import xgboost

        rows = read_rows(body, content_type)
        return rows if self._plain else xgboost.DMatrix(rows)

    def predict_fn(self, data: Any, model: Any) -> Any:
        if self._predictor is None:
            return model.predict(data, validate_features=False) if _is_booster(model) else model.predict(data)
        return self._predictor.predict(data) if isinstance(data, np.ndarray) else self._predictor.predict_matrix(data)


class XgboostAlgorithm(Handlers):
    """The built-in algorithm: no script. A folder with several models answers with their mean."""

    default_accept = formats.CSV

    def __init__(
        self, module: Any, model_dir: str, default_accept: str | None = None, one_per_line: bool = False
    ) -> None:
        super().__init__(module, model_dir, default_accept)
        self._one_per_line = one_per_line
        self._all_in_one = False
        self._predictors: list[Predictor] = []
        self._selection: Selection | None = None

    def load(self) -> None:
        self._all_in_one = _writes_one_line()
        boosters = [load_booster(path) for path in _model_files(self.model_dir)]
        self._predictors = [Predictor(*booster) for booster in boosters]
        if VARIABLE in os.environ:
            self._selection = Selection(os.environ[VARIABLE], boosters[0][0])

    def batch(self) -> Batch | None:
        features = self._predictors[0].features
        if not features:
            return None
        return Batch(_dense_rows, lambda rows: rows.shape[1] == features, self._ensemble, self._answer)

    def _answer(self, prediction: Any, accept: str) -> Message:
        accept = self._accept(accept)
        return Message(200, accept, "", "", self._encode(prediction, accept))

    def respond(self, request: Message) -> Message:
        if not request.body:
            return Message(204, "", "", "", b"")
        accept = self._accept(request.accept)
        try:
            rows = read_rows(request.body, request.content_type or formats.CSV)
        except formats.UnsupportedFormatError:
            raise RequestError(415, f"Content-type {request.content_type} is not supported: send {_KNOWN}.") from None
        except (ValueError, TypeError, KeyError, IndexError, csv.Error) as error:
            kind = formats.media_type(request.content_type or formats.CSV)
            raise RequestError(415, f"Loading {kind} data failed, check its form: {reason(error)}") from error
        try:
            prediction = self._ensemble(rows)
        except Exception as error:
            raise RequestError(400, f"Unable to evaluate payload provided: {error}") from error
        return Message(200, accept, "", "", self._encode(prediction, accept))

    def _accept(self, header: str) -> str:
        """The images that put all predictions on one line (before 1.2.2) answer in CSV whatever is asked for."""
        if self._all_in_one and self._selection is None:
            return formats.CSV
        if not header or header == "*/*":
            return self.default_accept
        for choice in header.split(","):
            kind = formats.media_type(choice)
            if kind in ("csv", "json"):
                kind = {"csv": formats.CSV, "json": formats.JSON}[kind]
            if kind in (formats.CSV, formats.JSON, formats.JSON_LINES):
                return kind
            if kind == "*/*":
                return self.default_accept
        raise RequestError(406, f"Accept type {header} is not supported: ask for text/csv or application/json.")

    def _ensemble(self, rows: Any) -> Any:
        expected = self._predictors[0].features
        if expected and rows.shape[1] > expected + 1:
            raise ValueError(f"the rows have {rows.shape[1]} features, the trained model has {expected}")
        dense = isinstance(rows, np.ndarray)
        results = [p.predict(rows) if dense else p.predict_matrix(rows) for p in self._predictors]
        return results[0] if len(results) == 1 else np.mean(results, axis=0)

    def _encode(self, prediction: Any, accept: str) -> bytes:
        values = prediction.tolist()
        if self._selection is not None:
            return self._selection.encode(values, accept)
        if self._one_per_line:
            return "".join(f"{value}\n" for value in values).encode("ascii")
        if accept == formats.CSV and self._all_in_one:
            return ",".join(map(str, values)).encode("ascii")
        if accept == formats.JSON:
            return json.dumps({"predictions": [{"score": value} for value in values]}).encode("ascii")
        return arrays.encode(values, accept)[0]


def _writes_one_line() -> bool:
    """Whether the image is one of those before 1.2-2. 1.2-1 has the XGBoost of 1.2-2: the environment's name tells."""
    import xgboost

    version = tuple(map(int, xgboost.__version__.split(".")[:2]))
    return version < (1, 2) or Path(sys.prefix).name.startswith("xgboost-1.2-1")


def read_rows(body: Any, content_type: str) -> Any:
    """A two-dimensional array (NaN: missing), or a sparse matrix from libsvm. Raises UnsupportedFormat, ValueError."""
    kind = formats.media_type(content_type)
    if kind == RECORDIO:
        return recordio.rows(bytes(body))
    if kind not in (formats.CSV, formats.LIBSVM, formats.JSON, formats.JSON_LINES):
        raise formats.UnsupportedFormatError(content_type)
    text = body if isinstance(body, str) else bytes(body).decode("utf-8")
    if kind == formats.CSV:
        return _csv_rows(text.strip())
    if kind == formats.LIBSVM:
        return _libsvm_rows(text)
    return _json_rows(arrays.json_lines(text) if kind == formats.JSON_LINES else json.loads(text))


def _dense_rows(body: bytes, content_type: str) -> Any:
    """As ``read_rows``; None where the rows are sparse."""
    rows = read_rows(body, content_type or formats.CSV)
    return rows if isinstance(rows, np.ndarray) else None


def _csv_rows(text: str) -> Any:
    first = text.partition("\n")[0]
    delimiter = next((d for d in _DELIMITERS if d in first), ",")
    rows = arrays.csv_rows(text, delimiter)
    if rows.dtype.kind == "f":
        return rows
    rows[rows == ""] = "nan"
    return rows.astype(np.float64)


def _libsvm_rows(text: str) -> Any:
    from scipy.sparse import csr_matrix

    values: list[float] = []
    columns: list[int] = []
    starts = [0]
    for line in text.strip().splitlines():
        for item in line.partition("#")[0].split():
            column, colon, value = item.partition(":")
            if colon:
                columns.append(int(column))
                values.append(float(value))
        starts.append(len(values))
    width = max(columns) + 1 if columns else 1
    return csr_matrix((np.array(values, dtype=np.float32), columns, starts), shape=(len(starts) - 1, width))


def _json_rows(value: Any) -> Any:
    """``[[...]]``, ``[...]``, ``{"instances": [...]}``, and rows of the form ``{"features": [...]}``."""
    if isinstance(value, dict):
        value = value.get("instances", [value])
    rows = [row["features"] if isinstance(row, dict) else row for row in value]
    array = np.array(rows, dtype=np.float64)
    return array.reshape(1, -1) if array.ndim == 1 else array


def load_booster(path: Path) -> tuple[Any, int]:
    """A Booster from a file in any of XGBoost's formats or a pickle, and its rounds up to the best one (0: all)."""
    import xgboost

    try:
        with path.open("rb") as file:
            loaded = pickle.load(file)
        booster = _booster_of(loaded)
        if booster is None:
            raise ValueError(f"the pickle holds a {type(loaded).__name__}, not a Booster")
    except Exception as unpickling:  # noqa: BLE001 - a model file is not a pickle in countless ways
        booster = xgboost.Booster()
        try:
            booster.load_model(str(path))
        except Exception as loading:
            words = f"{path.name} cannot be loaded as a model: {loading} (nor as a pickle: {unpickling})"
            raise RuntimeError(words) from loading
    booster.set_param({"nthread": 1})
    best = booster.attr("best_iteration")
    return booster, int(best) + 1 if best is not None else 0


def _is_booster(model: Any) -> bool:
    import xgboost

    return isinstance(model, xgboost.Booster)


def _booster_of(model: Any) -> Any:
    """The Booster itself, or the one inside a model of the scikit-learn API."""
    return model if _is_booster(model) else model.get_booster() if hasattr(model, "get_booster") else None


def _model_files(model_dir: str) -> list[Path]:
    files = sorted(path for path in Path(model_dir).iterdir() if path.is_file() and not path.name.startswith("."))
    named = [path for path in files if path.name.startswith("xgboost-model")]
    if not files:
        raise FileNotFoundError("the model data holds no file: expected xgboost-model")
    return named or files
