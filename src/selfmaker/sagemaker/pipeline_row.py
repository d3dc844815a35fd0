"""A pipeline's row, by its name or its ARN."""

from typing import Any

from selfmaker.aws.arn import sagemaker_arn
from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call
from selfmaker.errors import NotFound
from selfmaker.store.resources import Resource, Resources

KIND = "Pipeline"


def find(call: Call, name_or_arn: str) -> Resource:
    """The pipeline of that name or ARN (clients write ARNs in lower case at times), or AWS's error."""
    table = call.use(Resources)
    name = name_or_arn.rpartition("/")[2] if name_or_arn.startswith("arn:") else name_or_arn
    try:
        return table.get(KIND, call.region, name)
    except NotFound:
        if name_or_arn.startswith("arn:"):
            for row in table.list(KIND, call.region):
                if row.name.lower() == name.lower():
                    return row
        raise not_found(call, name) from None


def not_found(call: Call, name: str) -> AwsError:
    return AwsError("ResourceNotFound", f"Pipeline '{sagemaker_arn(call, 'pipeline', name)}' does not exist.")


def user(call: Call) -> dict[str, Any]:
    """Who calls, as pipelines and executions tell it."""
    return {"IamIdentity": {"Arn": f"arn:aws:iam::{call.account}:root", "PrincipalId": call.account}}
