"""Access control lists: kept and given back, without effect. Whoever has credentials here may do everything."""

from collections.abc import Mapping
from typing import Any

from selfmaker.aws.operation import Call, Request
from selfmaker.s3.wording import invalid_argument, malformed_xml, owner_of

_ALL = "http://acs.amazonaws.com/groups/global/AllUsers"
_AUTHENTICATED = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
_CANNED: dict[str, tuple[tuple[str, str], ...]] = {
    "private": (),
    "public-read": ((_ALL, "READ"),),
    "public-read-write": ((_ALL, "READ"), (_ALL, "WRITE")),
    "authenticated-read": ((_AUTHENTICATED, "READ"),),
    "aws-exec-read": (),
    "bucket-owner-read": (),
    "bucket-owner-full-control": (),
    "log-delivery-write": (("http://acs.amazonaws.com/groups/s3/LogDelivery", "WRITE"),),
}
_HEADERS = {
    "GrantFullControl": "FULL_CONTROL",
    "GrantRead": "READ",
    "GrantReadACP": "READ_ACP",
    "GrantWrite": "WRITE",
    "GrantWriteACP": "WRITE_ACP",
}
_TYPES = {
    "id": ("CanonicalUser", "ID"),
    "uri": ("Group", "URI"),
    "emailaddress": ("AmazonCustomerByEmail", "EmailAddress"),
}


def kept(request: Request) -> dict[str, Any]:
    """What to keep of a request's ACL members: {} or {"Grants": [...]}. Raises AwsError."""
    canned = request.get("ACL")
    policy = request.get("AccessControlPolicy")
    grants = [grant for name, right in _HEADERS.items() for grant in _granted(request.get(name), right)]
    if canned is not None and canned not in _CANNED:
        raise invalid_argument("", "x-amz-acl", canned)
    if policy is not None:
        if "Owner" not in policy or "Grants" not in policy:
            raise malformed_xml()
        return {"Grants": policy["Grants"]}
    if canned is not None:
        grants = [_to_group(uri, right) for uri, right in _CANNED[canned]]
    return {"Grants": grants} if grants else {}


def document(call: Call, kept_: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of GetObjectAcl and GetBucketAcl."""
    owner = owner_of(call)
    full = {"Grantee": {**owner, "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}
    grants = [grant for grant in kept_.get("Grants") or () if grant != full]
    return {"Owner": owner, "Grants": [full, *grants]}


def _granted(header: str | None, right: str) -> list[dict[str, Any]]:
    grants = []
    for part in (header or "").split(","):
        if part.strip():
            name, _, value = part.strip().partition("=")
            if name.strip().lower() not in _TYPES:
                raise invalid_argument(
                    "Argument format not recognized", f"x-amz-grant-{right.lower().replace('_', '-')}", header
                )
            kind, key = _TYPES[name.strip().lower()]
            grants.append({"Grantee": {"Type": kind, key: value.strip().strip('"')}, "Permission": right})
    return grants


def _to_group(uri: str, right: str) -> dict[str, Any]:
    return {"Grantee": {"Type": "Group", "URI": uri}, "Permission": right}
