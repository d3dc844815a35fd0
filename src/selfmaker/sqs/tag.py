"""Tags of queues, and the permissions in their policies."""

import json
from typing import Any

from sqlalchemy import Connection

from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.sqs import faults
from selfmaker.sqs.queue import KIND, found
from selfmaker.store import tags
from selfmaker.store.database import Database
from selfmaker.store.resources import Change, Resource, Resources
from selfmaker.store.tags import Tags

_MOST = 50


@operation("sqs", "TagQueue")
def tag_queue(call: Call, request: Request) -> Output:
    arn = found(call, request["QueueUrl"]).arn

    def work(connection: Connection) -> None:
        if len(tags.add(connection, arn, request["Tags"])) > _MOST:
            raise faults.fault("InvalidParameterValue", f"A queue can have no more than {_MOST} tags (Tags).")

    call.use(Database).write(work)
    return None


@operation("sqs", "UntagQueue")
def untag_queue(call: Call, request: Request) -> Output:
    call.use(Tags).remove(found(call, request["QueueUrl"]).arn, request["TagKeys"])
    return None


@operation("sqs", "ListQueueTags")
def list_queue_tags(call: Call, request: Request) -> Output:
    return {"Tags": call.use(Tags).of(found(call, request["QueueUrl"]).arn)}


@operation("sqs", "AddPermission")
def add_permission(call: Call, request: Request) -> Output:
    """Kept in the queue's Policy; whoever has credentials of the account may do everything."""
    queue = found(call, request["QueueUrl"])
    statement = {
        "Sid": request["Label"],
        "Effect": "Allow",
        "Principal": {"AWS": [f"arn:aws:iam::{account}:root" for account in request["AWSAccountIds"]]},
        "Action": [f"SQS:{action}" for action in request["Actions"]],
        "Resource": queue.arn,
    }

    def with_it(row: Resource) -> Change:
        policy = _policy(row)
        if any(known.get("Sid") == request["Label"] for known in policy["Statement"]):
            raise faults.invalid("Label", "Already exists.")
        return _of({**policy, "Statement": [*policy["Statement"], statement]})

    call.use(Resources).revise(KIND, call.region, queue.name, with_it)
    return None


@operation("sqs", "RemovePermission")
def remove_permission(call: Call, request: Request) -> Output:
    queue = found(call, request["QueueUrl"])

    def without_it(row: Resource) -> Change:
        policy = _policy(row)
        kept = [statement for statement in policy["Statement"] if statement.get("Sid") != request["Label"]]
        if len(kept) == len(policy["Statement"]):
            raise faults.invalid("Label", "can't find label on existing policy.")
        return _of({**policy, "Statement": kept})

    call.use(Resources).revise(KIND, call.region, queue.name, without_it)
    return None


def _policy(queue: Resource) -> dict[str, Any]:
    text = queue.document.get("Policy")
    policy: dict[str, Any] = json.loads(text) if text else {}
    statements = policy.get("Statement", [])
    listed = statements if isinstance(statements, list) else [statements]
    return {"Version": "2012-10-17", "Id": f"{queue.arn}/SQSDefaultPolicy", **policy, "Statement": listed}


def _of(policy: dict[str, Any]) -> Change:
    return Change(document={"Policy": json.dumps(policy) if policy["Statement"] else None})
