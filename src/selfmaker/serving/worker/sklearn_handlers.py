"""scikit-learn: the defaults of its container, numbers as float32, ``model.predict``."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import arrays
from .batching import Batch
from .formats import CSV, NPY, TEXT_TYPES, media_type
from .handlers import Handlers
from .transport import Message

_EXACT = ("sklearn.tree.", "sklearn.ensemble.", "sklearn.preprocessing.", "sklearn.impute.", "sklearn.dummy.")


_USERS = ("FunctionTransformer",)


class SklearnHandlers(Handlers):
    """A single row, which the container's reader leaves one-dimensional, is predicted as one row (there it fails). A
    ``predict_fn`` of the user's is given what the container's reader gives."""

    def batch(self) -> Batch | None:
        features = getattr(self.model, "n_features_in_", None)
        if self.overridden or not isinstance(features, int) or features < 2 or not independent(self.model):
            return None
        return Batch(_rows, lambda rows: rows.shape[1] == features, self._predict_rows, self._answer)

    def _predict_rows(self, rows: Any) -> Any:
        return np.asarray(self.model.predict(rows))

    def _answer(self, prediction: Any, accept: str) -> Message:
        body, content_type = arrays.encode(prediction, accept if accept and accept != "*/*" else self.default_accept)
        return Message(200, content_type, "", "", body)

    def input_fn(self, body: Any, content_type: str) -> Any:
        if media_type(content_type) == CSV and "predict_fn" not in self.overridden:
            return arrays.csv_body(body).astype(np.float32)
        array = arrays.decode(body, content_type)
        return array.astype(np.float32) if media_type(content_type) in TEXT_TYPES else array

    def predict_fn(self, data: Any, model: Any) -> Any:
        if getattr(data, "ndim", None) == 1 and data.dtype.kind in "fiub":
            one_feature = getattr(model, "n_features_in_", None) == 1
            data = data.reshape(-1, 1) if one_feature else data.reshape(1, -1)
        return model.predict(data)


def independent(model: Any) -> bool:
    """Whether a row's prediction is the same, to its last digit, whatever rows are beside it: scikit-learn's own
    classifiers (a label is no rounded sum), and its trees. Code of the user's anywhere in the model: no."""
    parts = [model]
    get_params = getattr(model, "get_params", None)
    if get_params is not None:
        parts += [part for part in get_params(deep=True).values() if hasattr(part, "get_params")]
        parts += [part for value in get_params(deep=True).values() if callable(value) for part in (value,)]
    if any(not type(part).__module__.startswith("sklearn.") or type(part).__name__ in _USERS for part in parts):
        return False
    exact = all((type(part).__module__ + ".").startswith(_EXACT) for part in parts)
    return exact or getattr(model, "_estimator_type", "") == "classifier"


def _rows(body: bytes, content_type: str) -> Any:
    """A body that is one or more rows, as ``input_fn`` reads it, in two dimensions."""
    if media_type(content_type) != NPY:
        return None
    array = arrays.decode(body, content_type)
    return array.reshape(1, -1) if array.ndim == 1 else array
