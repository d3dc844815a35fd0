"""One version of a model: its signatures, and what TensorFlow Serving answers by them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..handlers import RequestError
from . import tensors

DEFAULT_SIGNATURE = "serving_default"


class Servable:
    """``signatures`` are concrete functions that take and return tensors by name; ``origin`` is what keeps their
    variables alive. Thread safe."""

    def __init__(self, signatures: Mapping[str, Any], origin: Any) -> None:
        self.signatures = signatures
        self._origin = origin

    def predict(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to ``{"instances": ...}`` or ``{"inputs": ...}``. Raises RequestError."""
        if ("instances" in request) == ("inputs" in request):
            raise RequestError(400, "Missing 'inputs' or 'instances' key: give one of the two")
        signature, specs = self._signature(request)
        names = list(specs)
        by_row = "instances" in request
        given = tensors.columns(request["instances"], names) if by_row else _by_name(request["inputs"], names)
        outputs = self._run(signature, {name: tensors.tensor(name, given[name], specs[name]) for name in names})
        if by_row:
            return {"predictions": _rows(outputs, len(given[names[0]]))}
        values = {name: tensors.plain(name, array) for name, array in outputs.items()}
        return {"outputs": next(iter(values.values())) if len(values) == 1 else values}

    def classify(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to ``{"examples": ...}``: pairs of label and score for each."""
        outputs = self._run_examples(request)
        if "scores" not in outputs:
            raise RequestError(400, "the signature is not one for classification: it has no scores")
        scores = tensors.plain("scores", outputs["scores"])
        labels = tensors.plain("classes", outputs["classes"]) if "classes" in outputs else []
        if len(labels) != len(scores):  # the same for all, or none
            labels = (labels[:1] or [[""] * len(scores[0])]) * len(scores)
        return {"results": [[list(pair) for pair in zip(*both)] for both in zip(labels, scores)]}  # noqa: B905 - 3.8

    def regress(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to ``{"examples": ...}``: a number for each."""
        outputs = self._run_examples(request)
        if "outputs" not in outputs:
            raise RequestError(400, "the signature is not one for regression: it has no outputs")
        return {"results": tensors.plain("outputs", outputs["outputs"].reshape(-1))}

    def _signature(self, request: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The function that the request names, and the TensorSpecs of its inputs."""
        name = request.get("signature_name") or DEFAULT_SIGNATURE
        signature = self.signatures.get(name) if isinstance(name, str) else None
        if signature is None:
            known = ", ".join(sorted(self.signatures))
            raise RequestError(400, f'Serving signature name: "{name}" not found in signature def: it has {known}')
        return signature, dict(signature.structured_input_signature[1])

    def _run(self, signature: Any, inputs: Mapping[str, Any]) -> dict[str, Any]:
        import tensorflow as tf

        try:
            outputs = signature(**inputs)
            return {name: value.numpy() for name, value in sorted(outputs.items())}
        except (tf.errors.OpError, ValueError, TypeError) as error:
            raise RequestError(400, str(getattr(error, "message", error))) from error

    def _run_examples(self, request: Mapping[str, Any]) -> dict[str, Any]:
        import tensorflow as tf

        examples, shared = request.get("examples"), request.get("context", {})
        if not isinstance(examples, list) or not examples or not all(isinstance(one, dict) for one in examples):
            raise RequestError(400, "'examples' must be a list with at least one object")
        signature, specs = self._signature(request)
        name, spec = next(iter(specs.items()))
        if len(specs) != 1 or spec.dtype != tf.string:
            raise RequestError(400, "the signature takes no serialized examples: use the method predict")
        serialized = [_example({**shared, **one}).SerializeToString() for one in examples]
        return self._run(signature, {name: tf.constant(serialized)})


def load(path: Path) -> Servable:
    """A SavedModel's folder, or a file of Keras."""
    import tensorflow as tf

    if path.is_dir():
        loaded = tf.saved_model.load(str(path), tags=None)
        return Servable(dict(loaded.signatures), loaded)
    model = tf.keras.models.load_model(str(path), compile=False)
    names = [one.name.partition(":")[0] for one in model.inputs]
    specs = {
        name: tf.TensorSpec([None, *one.shape[1:]], one.dtype, name)
        for name, one in zip(names, model.inputs)  # noqa: B905 - Python 3.8
    }
    outputs = list(getattr(model, "output_names", None) or [f"output_{n}" for n, _ in enumerate(model.outputs)])

    def call(**given: Any) -> dict[str, Any]:
        values = [given[name] for name in names]
        result = model(values[0] if len(values) == 1 else values, training=False)
        return dict(zip(outputs, tf.nest.flatten(result)))  # noqa: B905 - Python 3.8

    return Servable({DEFAULT_SIGNATURE: tf.function(call).get_concrete_function(**specs)}, model)


def _by_name(inputs: Any, names: list[str]) -> dict[str, Any]:
    if len(names) == 1 and not (isinstance(inputs, dict) and names[0] in inputs):
        return {names[0]: inputs}
    if not isinstance(inputs, dict) or set(inputs) != set(names):
        raise RequestError(400, f"'inputs' must be an object with {', '.join(names)}")
    return inputs


def _rows(outputs: Mapping[str, Any], count: int) -> list[Any]:
    """The outputs instance by instance."""
    for name, array in outputs.items():
        if array.ndim == 0 or array.shape[0] != count:
            raise RequestError(400, f"Tensor name: {name} has no batch of the {count} instances: ask by 'inputs'")
    values = {name: tensors.plain(name, array) for name, array in outputs.items()}
    if len(values) == 1:
        return list(next(iter(values.values())))
    return [{name: rows[number] for name, rows in values.items()} for number in range(count)]


def _example(features: Mapping[str, Any]) -> Any:
    import tensorflow as tf

    example = tf.train.Example()
    for name, value in features.items():
        values = value if isinstance(value, list) else [value]
        feature = example.features.feature[name]
        if all(isinstance(one, int) for one in values):
            feature.int64_list.value.extend(map(int, values))
        elif all(isinstance(one, (int, float)) for one in values):
            feature.float_list.value.extend(values)
        else:
            feature.bytes_list.value.extend(tensors.as_bytes(values))
    return example
