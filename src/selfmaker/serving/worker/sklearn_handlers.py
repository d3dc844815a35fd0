"""scikit-learn: the defaults of its container, numbers as float32, ``model.predict``."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import arrays, formats
from .handlers import Handlers


class SklearnHandlers(Handlers):
    """A single row, which the container's reader leaves one-dimensional, is predicted as one row (there it fails)."""

    def input_fn(self, body: Any, content_type: str) -> Any:
        array = arrays.decode(body, content_type)
        return array.astype(np.float32) if formats.media_type(content_type) in formats.TEXT_TYPES else array

    def predict_fn(self, data: Any, model: Any) -> Any:
        if getattr(data, "ndim", None) == 1 and data.dtype.kind in "fiub":
            one_feature = getattr(model, "n_features_in_", None) == 1
            data = data.reshape(-1, 1) if one_feature else data.reshape(1, -1)
        return model.predict(data)
