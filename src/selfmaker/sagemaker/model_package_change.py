"""What UpdateModelPackage makes of a package: maps and lists are added to, everything else is replaced."""

from typing import Any

from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Request
from selfmaker.sagemaker import model_package_registration as registration
from selfmaker.sagemaker.checks import invalid
from selfmaker.store.resources import Resource

MOST_PROPERTIES = 50  # CustomerMetadataProperties of one package
MOST_ADDITIONAL = 15  # AdditionalInferenceSpecifications of one package

_REPLACED = ("ModelApprovalStatus", "ModelPackageRegistrationType", "ApprovalDescription", "InferenceSpecification",
             "SourceUri", "ModelLifeCycle")  # fmt: skip
_OF_VERSIONS = ("ModelApprovalStatus", "ApprovalDescription", "ModelLifeCycle")


def changed(row: Resource, request: Request) -> dict[str, Any]:
    """The members of the package's document that the request changes, with their new values (None: gone)."""
    if "ModelPackageGroupName" not in row.document:
        for member in _OF_VERSIONS:
            if member in request:
                raise invalid(f"{member} applies only to versions of a model package group; {row.arn} is none.")
    changes = {member: request[member] for member in _REPLACED if member in request}
    if "CustomerMetadataProperties" in request or "CustomerMetadataPropertiesToRemove" in request:
        changes["CustomerMetadataProperties"] = _properties(row, request)
    if "AdditionalInferenceSpecificationsToAdd" in request:
        changes["AdditionalInferenceSpecifications"] = _additional(row, request)
    if "ModelCard" in request:
        registration.card_content(request["ModelCard"])
        changes["ModelCard"] = {**row.document.get("ModelCard", {}), **request["ModelCard"]}
    return changes


def _properties(row: Resource, request: Request) -> dict[str, str] | None:
    removed = set(request.get("CustomerMetadataPropertiesToRemove", []))
    given = request.get("CustomerMetadataProperties", {})
    both = sorted(removed.intersection(given))
    if both:
        raise invalid(f"CustomerMetadataPropertiesToRemove: the key {both[0]!r} is in CustomerMetadataProperties, too.")
    values = {**row.document.get("CustomerMetadataProperties", {}), **given}
    kept = {key: value for key, value in values.items() if key not in removed}
    if len(kept) > MOST_PROPERTIES:
        raise AwsError(
            "ResourceLimitExceeded",
            f"A model package can have at most {MOST_PROPERTIES} CustomerMetadataProperties.",
        )
    return kept or None


def _additional(row: Resource, request: Request) -> list[dict[str, Any]]:
    both = row.document.get("AdditionalInferenceSpecifications", []) + request["AdditionalInferenceSpecificationsToAdd"]
    registration.check_additional(both)
    if len(both) > MOST_ADDITIONAL:
        raise AwsError(
            "ResourceLimitExceeded",
            f"A model package can have at most {MOST_ADDITIONAL} AdditionalInferenceSpecifications.",
        )
    additional: list[dict[str, Any]] = both
    return additional
