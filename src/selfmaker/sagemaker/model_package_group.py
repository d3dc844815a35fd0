"""Model package groups: the versions of one model, counted in the order of their registration."""

import json
from typing import Any

from sqlalchemy import Connection

from selfmaker import clock
from selfmaker.aws.arn import sagemaker_arn
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import page
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.aws.output import describe
from selfmaker.errors import AlreadyExists, NotFound
from selfmaker.sagemaker.checks import invalid
from selfmaker.sagemaker.tag import tag_mapping
from selfmaker.sagemaker.user_context import user_context
from selfmaker.store import resources, tags
from selfmaker.store.database import Database
from selfmaker.store.resources import Change, Resource, Resources

KIND = "ModelPackageGroup"
PACKAGE_KIND = "ModelPackage"


@operation("sagemaker", "CreateModelPackageGroup")
def create_model_package_group(call: Call, request: Request) -> Output:
    name, tag_values, now = request["ModelPackageGroupName"], tag_mapping(request.get("Tags", [])), clock.now()
    arn = _arn(call, name)
    row = Resource(
        kind=KIND,
        region=call.region,
        name=name,
        arn=arn,
        status="Completed",
        created=now,
        modified=now,
        document={k: v for k, v in request.items() if k != "Tags"},
        state={"user": user_context(call)},
    )
    try:
        call.use(Resources).create(row, also=lambda c: tags.add(c, arn, tag_values))
    except AlreadyExists:
        raise invalid(f"Model Package Group already exists: {arn}") from None
    return {"ModelPackageGroupArn": arn}


@operation("sagemaker", "DescribeModelPackageGroup")
def describe_model_package_group(call: Call, request: Request) -> Output:
    return describe("sagemaker", "DescribeModelPackageGroup", described(find(call, request["ModelPackageGroupName"])))


@operation("sagemaker", "ListModelPackageGroups")
def list_model_package_groups(call: Call, request: Request) -> Output:
    elsewhere = request.get("CrossAccountFilterOption") == "CrossAccount"
    rows = [] if elsewhere else call.use(Resources).list(KIND, call.region)
    found = [described(row) for row in rows]
    listed = page(found, request, "ModelPackageGroupSummaryList", name="ModelPackageGroupName")
    return describe("sagemaker", "ListModelPackageGroups", listed)


@operation("sagemaker", "DeleteModelPackageGroup")
def delete_model_package_group(call: Call, request: Request) -> Output:
    group = find(call, request["ModelPackageGroupName"])

    def work(connection: Connection) -> None:
        if packages(connection, call, group.name):
            raise AwsError(
                "ConflictException",
                f"Cannot delete Model Package Group: {group.arn} as it contains Model Packages. "
                "Delete its model packages first.",
            )
        resources.remove(connection, KIND, call.region, group.name)
        tags.forget(connection, group.arn)

    try:
        call.use(Database).write(work)
    except NotFound:
        raise not_found(call, group.name) from None
    return None


@operation("sagemaker", "PutModelPackageGroupPolicy")
def put_model_package_group_policy(call: Call, request: Request) -> Output:
    try:
        policy = json.loads(request["ResourcePolicy"])
    except (ValueError, RecursionError):
        policy = None
    if not isinstance(policy, dict) or "Statement" not in policy:
        raise invalid("ResourcePolicy: the policy is not a JSON document with a Statement.")
    return {"ModelPackageGroupArn": _keep_policy(call, request, request["ResourcePolicy"]).arn}


@operation("sagemaker", "GetModelPackageGroupPolicy")
def get_model_package_group_policy(call: Call, request: Request) -> Output:
    group = find(call, request["ModelPackageGroupName"])
    return {"ResourcePolicy": _policy(group)}


@operation("sagemaker", "DeleteModelPackageGroupPolicy")
def delete_model_package_group_policy(call: Call, request: Request) -> Output:
    _policy(find(call, request["ModelPackageGroupName"]))
    _keep_policy(call, request, None)
    return None


def find(call: Call, name_or_arn: str) -> Resource:
    """The group, or AWS's error."""
    name = given_name(call, name_or_arn)
    try:
        return call.use(Resources).get(KIND, call.region, name)
    except NotFound:
        raise not_found(call, name) from None


def given_name(call: Call, name_or_arn: str) -> str:
    """The name of the group that a request means. Raises ValidationException for the ARN of anything else."""
    if not name_or_arn.startswith("arn:"):
        return name_or_arn
    name = name_or_arn.rpartition("/")[2]
    if name_or_arn != _arn(call, name):
        raise invalid(f"ModelPackageGroup {name_or_arn} does not exist.")
    return name


def not_found(call: Call, name: str) -> AwsError:
    return invalid(f"ModelPackageGroup {_arn(call, name)} does not exist.")


def packages(connection: Connection, call: Call, name: str) -> list[Resource]:
    """The group's versions, oldest first."""
    return resources.having(connection, PACKAGE_KIND, call.region, ("ModelPackageGroupName",), name)


def described(row: Resource) -> dict[str, Any]:
    """In the members of DescribeModelPackageGroup, and of Search's ModelPackageGroup."""
    return {
        **row.document,
        "ModelPackageGroupArn": row.arn,
        "ModelPackageGroupStatus": row.status,
        "CreationTime": row.created,
        "CreatedBy": row.state.get("user", {}),
    }


def _arn(call: Call, name: str) -> str:
    return sagemaker_arn(call, "model-package-group", name)


def _policy(group: Resource) -> str:
    policy: str | None = group.state.get("ResourcePolicy")
    if policy is None:
        raise invalid(f"Cannot find resource policy for: {group.arn}")
    return policy


def _keep_policy(call: Call, request: Request, policy: str | None) -> Resource:
    name = request["ModelPackageGroupName"]
    try:
        return call.use(Resources).update(KIND, call.region, name, Change(state={"ResourcePolicy": policy}))
    except NotFound:
        raise not_found(call, name) from None
