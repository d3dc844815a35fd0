"""Policy simulation: everything is allowed, whatever the policies say."""

import re
from typing import Any

from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.iam import entities

_PRINCIPAL = re.compile(r"arn:aws[\w-]*:(iam|sts)::\d{12}:(user|role|group|assumed-role|root)(/.+)?", re.DOTALL)
_ACTION = re.compile(r"\*|[\w-]+:[\w*?-]+")


@operation("iam", "SimulatePrincipalPolicy")
def simulate_principal_policy(call: Call, request: Request) -> Output:
    arn = request["PolicySourceArn"]
    if not _PRINCIPAL.fullmatch(arn):
        raise AwsError("InvalidInput", f"Invalid Entity Arn: {arn} does not clearly define entity type and name.")
    return _allowed(request)


@operation("iam", "SimulateCustomPolicy")
def simulate_custom_policy(call: Call, request: Request) -> Output:
    return _allowed(request)


def _allowed(request: Request) -> dict[str, Any]:
    """One result for each action on each resource."""
    wrong = [action for action in request["ActionNames"] if not _ACTION.fullmatch(action)]
    if wrong:
        raise AwsError("InvalidInput", f"Invalid action names in ActionNames: {', '.join(wrong)}")
    pairs = [(action, arn) for action in request["ActionNames"] for arn in request.get("ResourceArns") or ["*"]]
    results = [
        (
            f"{index:09d}",
            {
                "EvalActionName": action,
                "EvalResourceName": arn,
                "EvalDecision": "allowed",
                "MatchedStatements": [],
                "MissingContextValues": [],
            },
        )
        for index, (action, arn) in enumerate(pairs)
    ]
    return entities.page(request, "EvaluationResults", results)
