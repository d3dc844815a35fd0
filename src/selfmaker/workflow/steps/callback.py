"""Callback steps: a message with a token goes into a queue, and somebody's worker answers with the token."""

import json
import secrets
import string
from collections.abc import Mapping, Sequence
from typing import Any

from selfmaker.errors import Invalid
from selfmaker.store.executions import StepRow
from selfmaker.workflow.parameters import typed
from selfmaker.workflow.steps.base import FAILED, SUCCEEDED, Act, Begun, Outcome, Plain

_ALPHABET = string.ascii_letters + string.digits
_TOKEN = 10  # characters, by the API's model


class CallbackStep(Plain):
    """A message may come twice after a crash, as in any such queue; its token is the same."""

    cache_members = ("SqsQueueUrl", "OutputParameters", "*")

    def intend(self, act: Act) -> Mapping[str, Any]:
        return {"token": "".join(secrets.choice(_ALPHABET) for _ in range(_TOKEN))}

    def start(self, act: Act) -> Begun | Outcome:
        self._send(act, "Executing")
        return Begun(_metadata(act.intent))

    def stop(self, act: Act) -> None:
        """The worker is told; only its answer ends the step."""
        self._send(act, "Stopping")

    def _send(self, act: Act, status: str) -> None:
        body = {
            "token": act.intent["token"],
            "pipelineExecutionArn": act.execution.arn,
            "arguments": act.arguments,
            "status": status,
        }
        request: dict[str, Any] = {"QueueUrl": act.own["SqsQueueUrl"], "MessageBody": json.dumps(body)}
        if request["QueueUrl"].endswith(".fifo"):
            request |= {
                "MessageGroupId": act.execution.id,
                "MessageDeduplicationId": f"{act.intent['token']}-{status}",
            }
        act.call("SendMessage", request, "sqs")


def succeeded(row: StepRow, given: Sequence[Mapping[str, str]]) -> Outcome:
    """The worker's success. Raises Invalid for outputs that are not of the type that the step declares. More than it
    declares is kept as texts, as on AWS: workers of several pipelines send all that they have."""
    declared = {
        item["OutputName"]: item.get("OutputType", "String") for item in row.document["own"]["OutputParameters"]
    }
    values: dict[str, Any] = {}
    for item in given:
        name = item["Name"]
        if name in values:
            raise Invalid(f"OutputParameters: {name} is given more than once")
        values[name] = typed(name, declared.get(name, "String"), item["Value"], "OutputParameters: ")
    metadata = _metadata(row.document)
    metadata["Callback"]["OutputParameters"] = [dict(item) for item in given]
    return Outcome(SUCCEEDED, {"OutputParameters": values}, metadata)


def failed(row: StepRow, reason: str) -> Outcome:
    """The worker's failure."""
    return Outcome(FAILED, metadata=_metadata(row.document), failure=reason or "The callback step failed.")


def _metadata(intent: Mapping[str, Any]) -> dict[str, Any]:
    return {"Callback": {"CallbackToken": intent["token"], "SqsQueueUrl": intent["own"]["SqsQueueUrl"]}}
