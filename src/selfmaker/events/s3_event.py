"""From a change of an object to what S3 tells of it: an event for rules, and messages for the queues and functions
that the bucket's notification configuration names.

The forms are those of "EventBridge event message structure" and "Event message structure" in S3's User Guide.
"""

import uuid
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote_plus

from selfmaker import clock
from selfmaker.events.form import event
from selfmaker.objects.notices import DESTINATIONS, ends_of
from selfmaker.store.deliveries import Delivery
from selfmaker.store.outbox import Waiting

_NAMES = {
    "PutObject": "ObjectCreated:Put",
    "POST Object": "ObjectCreated:Post",
    "CopyObject": "ObjectCreated:Copy",
    "CompleteMultipartUpload": "ObjectCreated:CompleteMultipartUpload",
    "DeleteObject": "ObjectRemoved:Delete",
}
_ADDRESS = "127.0.0.1"


def rules_event(waiting: Waiting, account: str) -> dict[str, Any] | None:
    """What rules see; None where the bucket does not send to EventBridge."""
    told = waiting.change.document
    if told["asked"].get("EventBridgeConfiguration") is None:
        return None
    about = {"key": told["key"], "size": told["size"], "etag": told["etag"], "sequencer": _sequencer(waiting)}
    if waiting.change.status == "Deleted":
        del about["size"]
    detail = {
        "version": "0",
        "bucket": {"name": told["bucket"]},
        "object": about,
        "request-id": waiting.id[:16].upper(),
        "requester": account,
        "source-ip-address": _ADDRESS,
        "reason": told["reason"],
    }
    if waiting.change.status == "Deleted":
        detail["deletion-type"] = "Permanently Deleted"
    return event(
        id=str(uuid.UUID(waiting.id)),
        kind=f"Object {waiting.change.status}",
        source="aws.s3",
        account=account,
        time=waiting.time,
        region=waiting.change.region,
        resources=[_bucket_arn(waiting)],
        detail=detail,
    )


def notifications(waiting: Waiting, account: str) -> list[Delivery]:
    """One for each queue and function that is to know, whether there is a rule or not."""
    told = waiting.change.document
    found: list[Delivery] = []
    for member, arn in DESTINATIONS.items():
        for one in told["asked"].get(member) or ():
            if _fits(one, f"s3:{_NAMES[told['reason']]}", told["key"]):
                name = one.get("Id", "")
                message = {"Records": [_record(waiting, name, account)]}
                target = {"Id": name, "Arn": one[arn]}
                now = clock.now()
                found.append(Delivery(waiting.change.region, _bucket_arn(waiting), target, message, now, now))
    return found


def _fits(configuration: Mapping[str, Any], name: str, key: str) -> bool:
    prefix, suffix = ends_of(configuration)
    asked = any(fnmatchcase(name, wanted) for wanted in configuration["Events"])
    return asked and key.startswith(prefix) and key.endswith(suffix)


def _record(waiting: Waiting, configuration: str, account: str) -> dict[str, Any]:
    told = waiting.change.document
    about = {"key": quote_plus(told["key"], safe="/"), "sequencer": _sequencer(waiting)}
    if waiting.change.status == "Created":
        about |= {"size": told["size"], "eTag": told["etag"]}
    bucket = {"name": told["bucket"], "ownerIdentity": {"principalId": account}, "arn": _bucket_arn(waiting)}
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": waiting.change.region,
        "eventTime": clock.iso8601(waiting.time),
        "eventName": _NAMES[told["reason"]],
        "userIdentity": {"principalId": f"AWS:{account}"},
        "requestParameters": {"sourceIPAddress": _ADDRESS},
        "responseElements": {"x-amz-request-id": waiting.id[:16].upper(), "x-amz-id-2": waiting.id},
        "s3": {"s3SchemaVersion": "1.0", "configurationId": configuration, "bucket": bucket, "object": about},
    }


def _sequencer(waiting: Waiting) -> str:
    """Later events of a key compare greater, as texts."""
    return f"{waiting.sequence:016X}"


def _bucket_arn(waiting: Waiting) -> str:
    return f"arn:aws:s3:::{waiting.change.document['bucket']}"
