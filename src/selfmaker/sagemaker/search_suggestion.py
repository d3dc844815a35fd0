"""What Search can be asked about: the names of the properties that the resources of a type have here."""

from collections.abc import Iterator
from typing import Any

from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.sagemaker.search import documents_of

_MOST = 100  # AWS says how long a hint may be, not how many names it gives


@operation("sagemaker", "GetSearchSuggestions")
def get_search_suggestions(call: Call, request: Request) -> Output:
    query = request.get("SuggestionQuery", {}).get("PropertyNameQuery", {})
    hint = query.get("PropertyNameHint", "").lower()
    names = {name for document in documents_of(call, request["Resource"]) for name in _names(document)}
    found = sorted(name for name in names if name.lower().startswith(hint))
    return {"PropertyNameSuggestions": [{"PropertyName": name} for name in found[:_MOST]]}


def _names(document: dict[str, Any], before: str = "") -> Iterator[str]:
    """Of everything that has a value, as filters name it: ``HyperParameters.eta``, ``InputDataConfig.ChannelName``."""
    for name, value in document.items():
        path = f"{before}{name}"
        if value is None:
            continue
        inner = [item for item in value if isinstance(item, dict)] if isinstance(value, list) else [value]
        for item in inner:
            if isinstance(item, dict):
                yield from _names(item, f"{path}.")
        if not isinstance(value, dict) and not (isinstance(value, list) and inner):
            yield path
