"""Lambda steps: a function is called with the arguments, and its answer has the outputs."""

import json
from collections.abc import Mapping
from typing import Any

from selfmaker.errors import Invalid
from selfmaker.workflow.parameters import typed
from selfmaker.workflow.steps.base import FAILED, SUCCEEDED, Act, Begun, Outcome, Plain


class LambdaStep(Plain):
    """A call cannot be taken back or found again: one that a crash of the server has cut off is made anew."""

    cache_members = ("FunctionArn", "OutputParameters", "*")
    blocking = True

    def start(self, act: Act) -> Begun | Outcome:
        arn = str(act.own["FunctionArn"])
        metadata: dict[str, Any] = {"Lambda": {"Arn": arn}}
        request = {"FunctionName": arn, "Payload": json.dumps(act.arguments).encode()}
        answer = act.call("Invoke", request, "lambda")
        text = _text(answer.get("Payload"))
        if answer.get("FunctionError"):
            return Outcome(FAILED, metadata=metadata, failure=f"ClientError: the function {arn} failed: {text}")
        try:
            values = _outputs(act, text)
        except Invalid as error:
            return Outcome(FAILED, metadata=metadata, failure=f"ClientError: {error.message}")
        told = [{"Name": name, "Value": _written(value)[:1024]} for name, value in values.items()]
        if told:
            metadata["Lambda"]["OutputParameters"] = told
        return Outcome(SUCCEEDED, {"OutputParameters": values}, metadata)


def _outputs(act: Act, text: str) -> dict[str, Any]:
    """The declared outputs in the function's answer. Raises Invalid for one that is missing or of another type."""
    declared = act.own.get("OutputParameters") or []
    if not declared:
        return {}
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if not isinstance(answer, Mapping):
        raise Invalid(f"the function must return an object with its outputs, it returned {text[:200]}")
    values = {}
    for output in declared:
        name = output["OutputName"]
        if answer.get(name) is None:
            raise Invalid(f"the function's answer has no output {name!r}: {text[:200]}")
        values[name] = typed(name, output.get("OutputType", "String"), answer[name], "OutputParameters: ")
    return values


def _text(payload: Any) -> str:
    data = payload.read() if hasattr(payload, "read") else payload
    return data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data or "")


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
