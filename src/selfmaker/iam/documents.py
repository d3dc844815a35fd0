"""Policy documents: the checks that IAM makes of their grammar, and their form on the wire."""

import json
from typing import Any
from urllib.parse import quote

from selfmaker.aws.errors import AwsError

_VERSIONS = ("2012-10-17", "2008-10-17")


def encoded(document: str) -> str:
    """As IAM returns a document: percent-encoded by RFC 3986."""
    return quote(document, safe="-_.~")


def check_trust_policy(document: str) -> None:
    """Raises MalformedPolicyDocument unless this says who may assume a role."""
    for statement in _statements(document):
        if "Principal" not in statement and "NotPrincipal" not in statement:
            raise malformed("Missing required field Principal")
        if "Resource" in statement or "NotResource" in statement:
            raise malformed("Has prohibited field Resource")


def check_identity_policy(document: str) -> None:
    """Raises MalformedPolicyDocument unless this says what its holder may do."""
    for statement in _statements(document):
        if "Principal" in statement or "NotPrincipal" in statement:
            raise malformed("Policy document should not specify a principal.")
        if "Resource" not in statement and "NotResource" not in statement:
            raise malformed("Policy statement must contain resources.")


def malformed(message: str) -> AwsError:
    return AwsError("MalformedPolicyDocument", message)


def _statements(document: str) -> list[dict[str, Any]]:
    try:
        policy = json.loads(document)
    except (ValueError, RecursionError):
        raise malformed("This policy contains invalid Json") from None
    if not isinstance(policy, dict):
        raise malformed("Syntax errors in policy.")
    if policy.get("Version", _VERSIONS[0]) not in _VERSIONS:
        raise malformed("The policy document must use a Version of 2012-10-17 or 2008-10-17.")
    statements = policy.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise malformed("Missing required field Statement")
    for statement in statements:
        if not isinstance(statement, dict):
            raise malformed("Syntax errors in policy.")
        if statement.get("Effect") not in ("Allow", "Deny"):
            raise malformed("Missing required field Effect")
        if "Action" not in statement and "NotAction" not in statement:
            raise malformed("Missing required field Action")
    return statements
