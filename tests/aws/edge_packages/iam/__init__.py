"""query with lists."""

from typing import Any

from selfmaker import errors
from selfmaker.aws.operation import Call, operation

SEEN: list[dict[str, Any]] = []


@operation("iam", "CreateRole")
def create_role(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    SEEN.append(request)
    return {
        "Role": {
            "Path": "/",
            "RoleName": request["RoleName"],
            "RoleId": "AROA1234567890123456",
            "Arn": "arn:aws:iam::1:role/x",
            "CreateDate": 1700000000.0,
            "Tags": request.get("Tags", []),
        }
    }


@operation("iam", "GetRole")
def get_role(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    raise errors.NotFound(f"The role with name {request['RoleName']} cannot be found.")


@operation("iam", "SimulatePrincipalPolicy")
def simulate_principal_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    results = [{"EvalActionName": name, "EvalDecision": "allowed"} for name in request["ActionNames"]]
    return {"EvaluationResults": results, "IsTruncated": False}
