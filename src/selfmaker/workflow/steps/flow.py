"""Steps of the pipeline itself: Condition and Fail."""

from collections.abc import Mapping
from typing import Any

from selfmaker.workflow import conditions
from selfmaker.workflow.expressions import as_text
from selfmaker.workflow.steps.base import FAILED, SUCCEEDED, Act, Begun, Outcome, Plain

_LONGEST_MESSAGE = 3072


class ConditionStep(Plain):
    """Succeeds with an Outcome, which decides on the branch that runs: a truth value in expressions (a Join writes
    ``false``), ``False`` in ListPipelineExecutionSteps."""

    instant = True

    def intend(self, act: Act) -> Mapping[str, Any]:
        """Raises Invalid for values that cannot be compared."""
        return {"outcome": conditions.all_hold(act.arguments["Conditions"])}

    def start(self, act: Act) -> Begun | Outcome:
        outcome = bool(act.intent["outcome"])
        return Outcome(SUCCEEDED, {"Outcome": outcome}, {"Condition": {"Outcome": str(outcome)}})


class FailStep(Plain):
    """Fails the execution with a message."""

    instant = True

    def start(self, act: Act) -> Begun | Outcome:
        message = as_text(act.arguments.get("ErrorMessage", ""))[:_LONGEST_MESSAGE]
        return Outcome(FAILED, {"ErrorMessage": message}, {"Fail": {"ErrorMessage": message}}, message)
