"""Install the deployment: the function, and the rule by which the approval of a version calls it.

python -m deployment.install --group CustomerChurnPackageGroup --endpoint customer-churn
"""

import argparse
import contextlib
import json
from pathlib import Path

import sagemaker
from sagemaker.lambda_helper import Lambda

SCRIPT = Path(__file__).parent / "deploy_approved.py"
NAME = "deploy-customer-churn"


def install(group, endpoint, role=None, runtime="python3.11"):
    """The ARN of the rule. Installed anew, it replaces what was there."""
    session = sagemaker.Session()
    role = role or sagemaker.get_execution_role(session)
    function = Lambda(
        function_name=NAME,
        execution_role_arn=role,
        script=str(SCRIPT),
        handler="deploy_approved.handler",
        session=session,
        timeout=60,
        runtime=runtime,
        environment={"Variables": {"ENDPOINT_NAME": endpoint, "EXECUTION_ROLE_ARN": role}},
    )
    arn = function.upsert()["FunctionArn"]
    events, functions = session.boto_session.client("events"), session.boto_session.client("lambda")
    rule = events.put_rule(
        Name=NAME,
        Description="a version of the churn model was approved",
        EventPattern=json.dumps(
            {
                "source": ["aws.sagemaker"],
                "detail-type": ["SageMaker Model Package State Change"],
                "detail": {"ModelPackageGroupName": [group], "ModelApprovalStatus": ["Approved"]},
            }
        ),
    )["RuleArn"]
    with contextlib.suppress(functions.exceptions.ResourceConflictException):  # it may call it already
        functions.add_permission(
            FunctionName=NAME,
            StatementId="the-rule",
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=rule,
        )
    events.put_targets(Rule=NAME, Targets=[{"Id": "deploy", "Arn": arn}])
    return rule


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--group", default="CustomerChurnPackageGroup")
    parser.add_argument("--endpoint", default="customer-churn")
    options = parser.parse_args()
    print(f"installed {install(options.group, options.endpoint)}")


if __name__ == "__main__":
    main()
