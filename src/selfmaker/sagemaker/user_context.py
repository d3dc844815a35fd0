"""Who has made or changed something, as CreatedBy and LastModifiedBy tell it."""

from collections.abc import Mapping
from typing import Any

from selfmaker.aws.operation import Call


def user_context(call: Call) -> dict[str, Any]:
    """AWS's UserContext of the caller: every key is the account's own, so that is its root."""
    return {"IamIdentity": {"Arn": f"arn:aws:iam::{call.account}:root", "PrincipalId": call.account}}


def makers(kept: Mapping[str, Any]) -> dict[str, Any]:
    """CreatedBy and LastModifiedBy, of what is kept as ``user`` and, since the first change, ``modified_by``."""
    return {"CreatedBy": kept.get("user"), "LastModifiedBy": kept.get("modified_by") or kept.get("user")}
