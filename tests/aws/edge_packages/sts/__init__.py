"""query."""

from typing import Any

from selfmaker.aws.operation import Call, operation


@operation("sts", "GetCallerIdentity")
def get_caller_identity(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"Account": call.account, "Arn": f"arn:aws:sts::{call.account}:user/{call.access_key}", "UserId": "A&B<C>"}
