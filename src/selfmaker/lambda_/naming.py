"""How a function is named: by its name or a whole or partial ARN, with a version or an alias, here or there."""

import re
from dataclasses import dataclass

from selfmaker.aws.arn import arn
from selfmaker.aws.operation import Call
from selfmaker.lambda_ import faults

LATEST = "$LATEST"

_NAME = re.compile(
    r"(?:arn:aws[a-zA-Z-]*:lambda:)?(?:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d):)?(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9-_]+)(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]+))?"
)


@dataclass(frozen=True)
class Named:
    """``qualifier`` is "" where the request gives none."""

    name: str
    qualifier: str = ""

    @property
    def key(self) -> str:
        """The name of a version's or an alias's row."""
        return f"{self.name}:{self.qualifier}"


def named(call: Call, text: str, qualifier: str | None = None) -> Named:
    """Raises AwsError for a function of another account or region, which is not found here."""
    match = _NAME.fullmatch(text)
    if match is None:
        raise faults.invalid(f"FunctionName {text!r} is no name of a function")
    inside = match["qualifier"] or ""
    if qualifier and inside and qualifier != inside:
        raise faults.invalid("The derived qualifier from the function name does not match the specified qualifier.")
    if match["region"] not in (None, call.region) or match["account"] not in (None, call.account):
        raise faults.missing(f"Function not found: {text}")
    if len(match["name"]) > 64:
        raise faults.invalid(f"FunctionName {match['name']} is longer than 64 characters")
    return Named(match["name"], qualifier or inside)


def function_arn(call: Call, name: str, qualifier: str = "") -> str:
    base = arn("lambda", call.region, call.account, f"function:{name}")
    return f"{base}:{qualifier}" if qualifier else base
