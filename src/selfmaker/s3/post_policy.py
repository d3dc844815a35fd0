"""The policy document of a form upload: what its author lets the browser's user send."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from selfmaker import clock
from selfmaker.aws.errors import AwsError
from selfmaker.aws.protocols.scalars import MalformedError, timestamp
from selfmaker.aws.sigv4 import signing_key
from selfmaker.s3.wording import access_denied

# Fields that need no condition of their own ("POST policy" in the S3 API Reference).
_FREE = frozenset(("awsaccesskeyid", "x-amz-signature", "signature", "policy", "file"))


@dataclass(frozen=True)
class Sizes:
    """How many bytes the file may have."""

    lowest: int = 0
    highest: int | None = None

    def check(self, size: int) -> None:
        """Raises AwsError."""
        if size < self.lowest:
            message = "Your proposed upload is smaller than the minimum allowed size"
            raise AwsError("EntityTooSmall", message, 400, ProposedSize=size, MinSizeAllowed=self.lowest)
        if self.highest is not None and size > self.highest:
            message = "Your proposed upload exceeds the maximum allowed size"
            raise AwsError("EntityTooLarge", message, 400, ProposedSize=size, MaxSizeAllowed=self.highest)


def check_signature(fields: Mapping[str, str], secret_of: Callable[[str], str | None]) -> None:
    """Raises AwsError unless the policy is signed by somebody with credentials here; version 4 and 2."""
    policy = fields.get("policy")
    if policy is None:
        raise access_denied()
    if "x-amz-signature" in fields:
        _check_v4(fields, policy, secret_of)
    elif "signature" in fields:
        secret = _secret(fields.get("awsaccesskeyid", ""), secret_of)
        made = base64.b64encode(hmac.digest(secret.encode(), policy.encode(), hashlib.sha1)).decode()
        _compare(made, fields["signature"])
    else:
        raise access_denied()


def check_policy(fields: Mapping[str, str], bucket: str) -> Sizes:
    """Hold the fields against the policy's conditions; what it says of the file's size. Raises AwsError."""
    policy = _parsed(fields["policy"])
    sizes, covered = Sizes(), set(_FREE)
    values = {**fields, "bucket": bucket}
    for condition in policy["conditions"]:
        if isinstance(condition, dict):
            for name, wanted in condition.items():
                _hold("eq", f"${name}", str(wanted), values)
                covered.add(name.lower())
        elif isinstance(condition, list) and len(condition) == 3:
            kind = str(condition[0]).lower()
            if kind == "content-length-range":
                sizes = _sizes(condition)
            else:
                _hold(kind, str(condition[1]), str(condition[2]), values)
                covered.add(str(condition[1]).removeprefix("$").lower())
        else:
            raise _invalid(f"Invalid Simple-Condition: {json.dumps(condition)}")
    extra = [name for name in fields if name not in covered and not name.startswith("x-ignore-")]
    if extra:
        raise _refused(f"Extra input fields: {extra[0]}")
    return sizes


def _check_v4(fields: Mapping[str, str], policy: str, secret_of: Callable[[str], str | None]) -> None:
    if fields.get("x-amz-algorithm") != "AWS4-HMAC-SHA256":
        raise AwsError(
            "InvalidArgument", "x-amz-algorithm must be AWS4-HMAC-SHA256", 400, ArgumentName="x-amz-algorithm"
        )
    scope = fields.get("x-amz-credential", "").rsplit("/", 4)
    if len(scope) != 5 or scope[4] != "aws4_request" or not fields.get("x-amz-date", "").startswith(scope[1]):
        message = "Error parsing the X-Amz-Credential parameter"
        raise AwsError("AuthorizationQueryParametersError", message, 400)
    key = signing_key(_secret(scope[0], secret_of), scope[1], scope[2], scope[3])
    _compare(hmac.digest(key, policy.encode(), hashlib.sha256).hex(), fields["x-amz-signature"])


def _secret(access_key: str, secret_of: Callable[[str], str | None]) -> str:
    secret = secret_of(access_key)
    if secret is None:
        message = "The AWS Access Key Id you provided does not exist in our records."
        raise AwsError("InvalidAccessKeyId", message, 403, AWSAccessKeyId=access_key)
    return secret


def _compare(made: str, given: str) -> None:
    if not hmac.compare_digest(made.encode(), given.encode("utf-8", "replace")):
        message = (
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method."
        )
        raise AwsError("SignatureDoesNotMatch", message, 403)


def _parsed(text: str) -> dict[str, Any]:
    try:
        policy = json.loads(base64.b64decode(text))
        expiration = timestamp(policy["expiration"])
        conditions = policy["conditions"]
    except (binascii.Error, ValueError, KeyError, TypeError, MalformedError):
        raise _invalid("Invalid JSON.") from None
    if not isinstance(conditions, list):
        raise _invalid("Invalid 'conditions' value: must be a List.")
    if clock.now() >= expiration:
        raise _refused("Policy expired.")
    return {"conditions": conditions}


def _hold(kind: str, field: str, wanted: str, values: Mapping[str, str]) -> None:
    value = values.get(field.removeprefix("$").lower(), "")
    if kind == "eq":
        good = value == wanted
    elif kind == "starts-with":
        parts = value.split(",") if field.lower() == "$content-type" else [value]
        good = all(part.startswith(wanted) for part in parts)
    else:
        raise _invalid(f"Invalid Condition: unknown operation '{kind}'.")
    if not good:
        raise _refused(f"Policy Condition failed: {json.dumps([kind, field, wanted])}")


def _sizes(condition: list[Any]) -> Sizes:
    try:
        return Sizes(int(condition[1]), int(condition[2]))
    except (TypeError, ValueError):
        raise _invalid("Invalid content-length-range.") from None


def _invalid(problem: str) -> AwsError:
    return AwsError("InvalidPolicyDocument", f"Invalid Policy: {problem}", 400)


def _refused(problem: str) -> AwsError:
    return AwsError("AccessDenied", f"Invalid according to Policy: {problem}", 403)
