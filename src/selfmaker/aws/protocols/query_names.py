"""The names that SQS's query protocol has for members. Its model in botocore has lost them together with the protocol;
clients of before November 2023 speak nothing else.
"""

from functools import cache
from typing import Any

from selfmaker.aws import model
from selfmaker.aws.model import Plan, Service

_NAMESPACE = "http://queue.amazonaws.com/doc/2012-11-05/"

_ITEMS = {  # lists: what an item is called
    "AWSAccountIdList": "AWSAccountId",
    "ActionNameList": "ActionName",
    "AttributeNameList": "AttributeName",
    "BatchResultErrorEntryList": "BatchResultErrorEntry",
    "BinaryList": "BinaryListValue",
    "ChangeMessageVisibilityBatchRequestEntryList": "ChangeMessageVisibilityBatchRequestEntry",
    "ChangeMessageVisibilityBatchResultEntryList": "ChangeMessageVisibilityBatchResultEntry",
    "DeleteMessageBatchRequestEntryList": "DeleteMessageBatchRequestEntry",
    "DeleteMessageBatchResultEntryList": "DeleteMessageBatchResultEntry",
    "MessageAttributeNameList": "MessageAttributeName",
    "MessageList": "Message",
    "MessageSystemAttributeList": "AttributeName",
    "QueueUrlList": "QueueUrl",
    "SendMessageBatchRequestEntryList": "SendMessageBatchRequestEntry",
    "SendMessageBatchResultEntryList": "SendMessageBatchResultEntry",
    "StringList": "StringListValue",
    "TagKeyList": "TagKey",
}
_MAPS = {  # maps: what an entry, its key and its value are called
    "MessageBodyAttributeMap": ("MessageAttribute", "Name", "Value"),
    "MessageBodySystemAttributeMap": ("MessageSystemAttribute", "Name", "Value"),
    "MessageSystemAttributeMap": ("Attribute", "Name", "Value"),
    "QueueAttributeMap": ("Attribute", "Name", "Value"),
    "TagMap": ("Tag", "Key", "Value"),
}


def plan(known: Plan) -> Plan:
    """The plan with the names of the query protocol; the plan itself where the model has them."""
    if known.service.name not in model.ALSO_QUERY:
        return known
    return _renamed(known.service.name).plan(known.name)


@cache
def _renamed(name: str) -> Service:
    description = model.description(name)
    description["metadata"]["xmlNamespace"] = _NAMESPACE
    shapes = description["shapes"]
    for shape_name, item in _ITEMS.items():
        if shape_name in shapes:
            shapes[shape_name]["flattened"] = True
            shapes[shape_name]["member"]["locationName"] = item
    for shape_name, (_, key, value) in _MAPS.items():
        if shape_name in shapes:
            shapes[shape_name]["flattened"] = True
            shapes[shape_name]["key"]["locationName"] = key
            shapes[shape_name]["value"]["locationName"] = value
    for shape in shapes.values():
        for member in shape.get("members", {}).values():
            _name(member)
    return Service(name, description)


def _name(member: dict[str, Any]) -> None:
    kind = member["shape"]
    member.pop("locationName", None)
    if kind in _MAPS:
        member["locationName"] = _MAPS[kind][0]
    elif kind in _ITEMS:
        member["locationName"] = _ITEMS[kind]
