"""What a model made from a model package runs: the containers of the package's inference specification.

They are looked up once, when the model is created, so that the model goes on as it is whatever becomes of the package.
"""

from typing import Any

from selfmaker.aws.operation import Call, Request
from selfmaker.sagemaker import model_package
from selfmaker.sagemaker.checks import invalid
from selfmaker.store.resources import Resource

Container = dict[str, Any]

# Members of a package's container that a model's container has, too.
_SHARED = ("ContainerHostname", "Image", "ModelDataUrl", "ModelDataSource", "AdditionalModelDataSources")
# What a container that names a package may say besides.
_BESIDE = ("ModelPackageName", "InferenceSpecificationName", "Environment", "ContainerHostname", "Mode")


def resolved(call: Call, request: Request) -> Request | None:
    """CreateModel's request with the packages' own containers in the place of their names; None where it names none.

    Raises ValidationException for a package that is not there, not approved, or has nothing to run.
    """
    given = [request["PrimaryContainer"]] if "PrimaryContainer" in request else request.get("Containers", [])
    if not any("ModelPackageName" in container for container in given):
        return None
    found = [own for container in given for own in _containers(call, container)]
    return {"Containers": found}


def _containers(call: Call, container: Container) -> list[Container]:
    if "ModelPackageName" not in container:
        return [container]
    beside = sorted(member for member in container if member not in _BESIDE)
    if beside:
        raise invalid(f"A container that names a ModelPackageName cannot have {beside[0]}: the package says it.")
    row = model_package.find(call, container["ModelPackageName"])
    if model_package.is_versioned(row) and row.document.get("ModelApprovalStatus") != model_package.APPROVED:
        raise model_package.not_approved(row)
    containers = _specification(row, container.get("InferenceSpecificationName"))["Containers"]
    return [_container(row, own, container.get("Environment", {})) for own in containers]


def _specification(row: Resource, name: str | None) -> Container:
    if name is not None:
        additional = row.document.get("AdditionalInferenceSpecifications", [])
        found: Container | None = next((item for item in additional if item["Name"] == name), None)
        if found is None:
            raise invalid(f"InferenceSpecificationName: {row.arn} has no additional inference specification {name!r}.")
        return found
    specification: Container | None = row.document.get("InferenceSpecification")
    if specification is None:
        raise invalid(f"The model package {row.arn} has no InferenceSpecification: there is nothing to deploy.")
    return specification


def _container(row: Resource, own: Container, environment: dict[str, str]) -> Container:
    """One container of the package, with the model's environment over the package's."""
    if "Image" not in own:
        raise invalid(f"InferenceSpecification: a container of the model package {row.arn} has no Image.")
    container = {member: own[member] for member in _SHARED if member in own}
    return {**container, "Environment": {**own.get("Environment", {}), **environment}}
