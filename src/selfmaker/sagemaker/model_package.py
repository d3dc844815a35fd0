"""Model packages: models in the registry, either versions of a group or by a name of their own."""

import json
from typing import Any

from sqlalchemy import Connection

from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import page
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.aws.output import describe
from selfmaker.errors import NotFound
from selfmaker.sagemaker import lineage
from selfmaker.sagemaker import model_package_group as group
from selfmaker.sagemaker import model_package_registration as registration
from selfmaker.sagemaker.checks import invalid
from selfmaker.sagemaker.model_card_content import metadata
from selfmaker.sagemaker.model_package_change import changed
from selfmaker.sagemaker.user_context import user_context
from selfmaker.store import resources, tags
from selfmaker.store.database import Database
from selfmaker.store.resources import Change, Resource, Resources

KIND = group.PACKAGE_KIND
PENDING, APPROVED = "PendingManualApproval", "Approved"


@operation("sagemaker", "CreateModelPackage")
def create_model_package(call: Call, request: Request) -> Output:
    return {"ModelPackageArn": registration.register(call, request).arn}


@operation("sagemaker", "DescribeModelPackage")
def describe_model_package(call: Call, request: Request) -> Output:
    document = described(find(call, request["ModelPackageName"]))
    if request.get("IncludedData") == "MetadataOnly" and "ModelCard" in document:
        content = registration.card_content(document["ModelCard"])
        document["ModelCard"] = {
            **document["ModelCard"],
            "ModelCardContent": json.dumps(metadata(content)),
        }
    return describe("sagemaker", "DescribeModelPackage", document)


@operation("sagemaker", "ListModelPackages")
def list_model_packages(call: Call, request: Request) -> Output:
    if "ModelPackageGroupName" in request:
        wanted = group.find(call, request["ModelPackageGroupName"]).name
        rows = call.use(Database).read(lambda c: group.packages(c, call, wanted))
    else:
        types = request.get("ModelPackageType", "Unversioned")
        every = call.use(Resources).list(KIND, call.region)
        rows = [row for row in every if types == "Both" or is_versioned(row) == (types == "Versioned")]
    if "ModelApprovalStatus" in request:
        rows = [row for row in rows if row.document.get("ModelApprovalStatus") == request["ModelApprovalStatus"]]
    listed = page(map(_summary, rows), request, "ModelPackageSummaryList", name="_Name")
    return describe("sagemaker", "ListModelPackages", listed)


@operation("sagemaker", "UpdateModelPackage")
def update_model_package(call: Call, request: Request) -> Output:
    found = find(call, request["ModelPackageArn"])
    wanted = registration.with_etags(call, request)

    def work(connection: Connection) -> Resource:
        row = resources.get(connection, KIND, call.region, found.name)
        change = Change(document=changed(row, wanted), state={"modified_by": user_context(call)})
        after = resources.modify(connection, KIND, call.region, row.name, change)
        if after.document.get("ModelApprovalStatus") != row.document.get("ModelApprovalStatus"):
            lineage.approved(connection, after)
        return after

    try:
        return {"ModelPackageArn": call.use(Database).write(work).arn}
    except NotFound:
        raise registration.not_found(found.arn) from None


@operation("sagemaker", "DeleteModelPackage")
def delete_model_package(call: Call, request: Request) -> Output:
    row = find(call, request["ModelPackageName"])
    try:
        call.use(Resources).delete(KIND, call.region, row.name, also=lambda c: tags.forget(c, row.arn))
    except NotFound:
        raise registration.not_found(row.arn) from None
    return None


@operation("sagemaker", "BatchDescribeModelPackage")
def batch_describe_model_package(call: Call, request: Request) -> Output:
    summaries, errors = {}, {}
    for arn in request["ModelPackageArnList"]:
        try:
            summaries[arn] = described(find(call, arn))
        except AwsError as error:
            errors[arn] = {"ErrorCode": error.code, "ErrorResponse": error.message}
    document = {"ModelPackageSummaries": summaries, "BatchDescribeModelPackageErrorMap": errors}
    return describe("sagemaker", "BatchDescribeModelPackage", {k: v for k, v in document.items() if v})


def find(call: Call, name_or_arn: str) -> Resource:
    """The package by its name, ``group/version`` or ARN, or AWS's error."""
    return registration.find(call, name_or_arn)


def is_versioned(row: Resource) -> bool:
    return "ModelPackageGroupName" in row.document


def described(row: Resource) -> dict[str, Any]:
    """In the members of DescribeModelPackage, and of Search's ModelPackage."""
    document = {
        "CertifyForMarketplace": False,
        **row.document,
        "ModelPackageArn": row.arn,
        "ModelPackageStatus": row.status,
        "ModelPackageStatusDetails": {"ValidationStatuses": _validations(row), "ImageScanStatuses": []},
        "CreationTime": row.created,
    }
    if "user" in row.state:
        document["CreatedBy"] = row.state["user"]
    if row.modified > row.created:
        document["LastModifiedTime"] = row.modified
    if "modified_by" in row.state:
        document["LastModifiedBy"] = row.state["modified_by"]
    return document


def _summary(row: Resource) -> dict[str, Any]:
    """``_Name`` is what NameContains and the order by name go by."""
    name = row.document.get("ModelPackageGroupName") or row.name
    return {**described(row), "_Name": name}


def _validations(row: Resource) -> list[dict[str, str]]:
    """The profiles by which the package was to be validated; nothing here runs them."""
    profiles = row.document.get("ValidationSpecification", {}).get("ValidationProfiles", [])
    return [{"Name": profile["ProfileName"], "Status": "NotStarted"} for profile in profiles]


def not_approved(row: Resource) -> AwsError:
    return invalid(
        f"Cannot create a model from the model package {row.arn}: its ModelApprovalStatus is "
        f"{row.document.get('ModelApprovalStatus', PENDING)}. Only a versioned model package that is {APPROVED} "
        "can be deployed."
    )
