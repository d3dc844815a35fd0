"""Inference components: the operations."""

from dataclasses import replace
from typing import Any

from selfmaker import clock, ids
from selfmaker.aws.arn import sagemaker_arn
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import page
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.aws.output import describe
from selfmaker.errors import AlreadyExists, Conflict, NotFound
from selfmaker.sagemaker import container_definition, endpoint, endpoint_config, model
from selfmaker.sagemaker.checks import invalid
from selfmaker.sagemaker.tag import tag_mapping
from selfmaker.serving import endpoint_status as lives
from selfmaker.serving.inference_components import KIND, InferenceComponents
from selfmaker.serving.spec import DeploymentSpec, ModelSpec, VariantSpec
from selfmaker.store.resources import Resource, Resources

_HELD = 2.0  # seconds that a Describe of a component in progress waits for the end of it
_DEFAULT_PATIENCE = 600.0
_MOST_COPIES = 64  # each is a process at least
_STATUS = {lives.RETURNING: lives.UPDATING, lives.OUT_OF_SERVICE: lives.FAILED, "RollingBack": lives.UPDATING}
_SUMMARY = (
    "InferenceComponentName",
    "InferenceComponentArn",
    "InferenceComponentStatus",
    "EndpointName",
    "EndpointArn",
    "VariantName",
    "CreationTime",
    "LastModifiedTime",
)
_NOT_YET = {"BaseInferenceComponentName": "adapters", "SchedulingConfig": "placements"}


@operation("sagemaker", "CreateInferenceComponent")
def create_inference_component(call: Call, request: Request) -> Output:
    if "Specification" not in request:
        raise invalid("Specification is required: Specifications for several instance types are not supported here.")
    if "RuntimeConfig" not in request:
        raise invalid("RuntimeConfig is required, with the CopyCount of the inference component.")
    host = _endpoint(call, request["EndpointName"])
    variant = _variant(call, host, request.get("VariantName"))
    spec = _spec(call, request, variant)
    tag_values = tag_mapping(request.get("Tags", []))
    arn = sagemaker_arn(call, "inference-component", request["InferenceComponentName"])
    now = clock.now()
    resource = Resource(
        kind=KIND,
        region=call.region,
        name=request["InferenceComponentName"],
        arn=arn,
        status=lives.CREATING,
        created=now,
        modified=now,
        document={**{k: v for k, v in request.items() if k != "Tags"}, "VariantName": variant["VariantName"]},
        state={"pending": spec.to_json()},
    )
    try:
        call.use(InferenceComponents).create(resource, tag_values)
    except AlreadyExists:
        raise invalid(f'Cannot create already existing inference component "{arn}".') from None
    return {"InferenceComponentArn": arn}


@operation("sagemaker", "DescribeInferenceComponent")
def describe_inference_component(call: Call, request: Request) -> Output:
    row = find(call, request["InferenceComponentName"])
    if row.status in lives.IN_PROGRESS:
        try:
            row = call.use(InferenceComponents).wait_for_change(row, _HELD)
        except NotFound:
            raise not_found(call, row.name) from None
    return describe("sagemaker", "DescribeInferenceComponent", _described(call, row))


@operation("sagemaker", "ListInferenceComponents")
def list_inference_components(call: Call, request: Request) -> Output:
    rows = [_described(call, row) for row in call.use(Resources).list(KIND, call.region)]
    for member in ("EndpointName", "VariantName"):
        wanted = request.get(f"{member}Equals")
        rows = [row for row in rows if wanted in (None, row[member])]
    summaries = [{member: row[member] for member in _SUMMARY} for row in rows]
    return page(
        summaries,
        request,
        "InferenceComponents",
        name="InferenceComponentName",
        status="InferenceComponentStatus",
    )


@operation("sagemaker", "UpdateInferenceComponent")
def update_inference_component(call: Call, request: Request) -> Output:
    row = find(call, request["InferenceComponentName"])
    if "Specifications" in request:
        raise invalid("Specifications for several instance types are not supported here: give a Specification.")
    changing = ("Specification", "RuntimeConfig")
    members: dict[str, Any] = {member: request[member] for member in changing if member in request}
    if not members:
        raise invalid("Give a Specification or a RuntimeConfig to change.")
    serving = row.state.get("serving") or {}
    now = _current(row)
    if serving:  # copies that were changed since stay what they are
        now["RuntimeConfig"] = {"CopyCount": _copies(serving)}
    document: dict[str, Any] = {**now, **members}
    variant = _variant(call, _endpoint(call, row.document["EndpointName"]), row.document["VariantName"])
    spec = _spec(call, document, variant)
    before: dict[str, Any] = row.state.get("asked", {}).get(serving.get("id"), {})
    kept: dict[str, Any] = {serving.get("id", ""): before, spec.id: {**before, **members}}
    state: dict[str, Any] = {"FailureReason": None, "asked": kept}
    state["LastDeploymentConfig"] = request.get("DeploymentConfig")
    try:
        call.use(InferenceComponents).update(call.region, row.name, spec, state)
    except NotFound:
        raise not_found(call, row.name) from None
    except Conflict:
        raise _in_the_way(find(call, row.name)) from None
    return {"InferenceComponentArn": row.arn}


@operation("sagemaker", "UpdateInferenceComponentRuntimeConfig")
def update_inference_component_runtime_config(call: Call, request: Request) -> Output:
    row = find(call, request["InferenceComponentName"])
    count = _copy_count(request["DesiredRuntimeConfig"])
    try:
        call.use(InferenceComponents).adjust(call.region, row.name, {}, {row.document["VariantName"]: count})
    except NotFound:
        raise not_found(call, row.name) from None
    except Conflict:
        raise _in_the_way(find(call, row.name)) from None
    return {"InferenceComponentArn": row.arn}


@operation("sagemaker", "DeleteInferenceComponent")
def delete_inference_component(call: Call, request: Request) -> Output:
    row = find(call, request["InferenceComponentName"])
    try:
        call.use(InferenceComponents).delete(call.region, row.name)
    except NotFound:
        raise not_found(call, row.name) from None
    except Conflict:
        raise _in_the_way(find(call, row.name)) from None
    return None


def find(call: Call, name: str) -> Resource:
    """The component, or AWS's error."""
    try:
        return call.use(InferenceComponents).get(call.region, name)
    except NotFound:
        raise not_found(call, name) from None


def not_found(call: Call, name: str) -> AwsError:
    return invalid(f'Could not find inference component "{sagemaker_arn(call, "inference-component", name)}".')


def _endpoint(call: Call, name: str) -> Resource:
    """The endpoint that is to serve the component, in service."""
    row = endpoint.find(call, name)
    if row.status not in (lives.IN_SERVICE, lives.UPDATING, lives.RETURNING):
        raise invalid(f'Endpoint "{row.arn}" is in status {row.status}: inference components need it InService.')
    return row


def _variant(call: Call, host: Resource, name: str | None) -> dict[str, Any]:
    """The endpoint's variant of that name, or its only one."""
    config = endpoint_config.find(call, host.document["EndpointConfigName"])
    variants: list[dict[str, Any]] = config.document["ProductionVariants"]
    found = [variant for variant in variants if name in (None, variant["VariantName"])]
    if not found:
        raise invalid(f'VariantName: "{name}" is not a variant of endpoint "{host.arn}".')
    if "ModelName" in found[0]:
        raise invalid(
            f'VariantName: variant "{found[0]["VariantName"]}" of endpoint "{host.arn}" has a model of its own and '
            "takes no inference components."
        )
    return found[0]


def _spec(call: Call, document: dict[str, Any], variant: dict[str, Any]) -> DeploymentSpec:
    """What the engine needs to bring the component up."""
    specification = document["Specification"]
    for member, what in _NOT_YET.items():
        if specification.get(member):
            raise invalid(f"Specification.{member}: {what} are not supported here yet.")
    count = _copy_count(document["RuntimeConfig"])
    patience = specification.get("StartupParameters", {}).get("ContainerStartupHealthCheckTimeoutInSeconds")
    served = VariantSpec(
        name=variant["VariantName"],
        model=_model(call, document["InferenceComponentName"], specification),
        weight=1.0,
        instances=count,
        instance_type=variant.get("InstanceType", ""),
        patience=patience or _DEFAULT_PATIENCE,
        copies=True,
    )
    return DeploymentSpec(id=ids.unique_id(), config=document["EndpointName"], variants=(served,), created=clock.now())


def _copy_count(config: dict[str, Any]) -> int:
    count: int = config["CopyCount"]
    if count > _MOST_COPIES:
        raise invalid(f"CopyCount: at most {_MOST_COPIES} copies of an inference component run here, got {count}.")
    return count


def _model(call: Call, name: str, specification: dict[str, Any]) -> ModelSpec:
    """The component's container: its own, or a model's with the component's environment over that."""
    container = specification.get("Container", {})
    own = {"Image": container.get("Image"), "ModelDataUrl": container.get("ArtifactUrl")}
    given = {member: value for member, value in own.items() if value}
    environment = container.get("Environment", {})
    if "ModelName" in specification:
        if given:
            raise invalid("Specification: give a ModelName or a Container with an Image, not both.")
        spec = model.model_spec(model.find(call, specification["ModelName"]))
        return replace(spec, environment={**spec.environment, **environment})
    if "ComputeResourceRequirements" not in specification:
        raise invalid("Specification.ComputeResourceRequirements is required.")
    if "Image" not in given:
        raise invalid("Specification must have a ModelName, or a Container with an Image.")
    definition = {**given, "Environment": environment}
    container_definition.check(call, definition)
    return container_definition.model_spec(name, definition)


def _described(call: Call, row: Resource) -> dict[str, Any]:
    """All that is known of a component, in the members of DescribeInferenceComponent."""
    document = _current(row)
    specification = dict(document["Specification"])
    container = specification.get("Container")
    if container is not None:
        image = container.get("Image")
        deployed = {"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": row.state.get("since")}
        specification["Container"] = {**container, "DeployedImage": deployed if image else None}
    spec = row.state.get("serving") or row.state.get("pending")
    before = row.state.get("before") or row.state.get("serving")
    return {
        **document,
        "Specification": specification,
        "InferenceComponentArn": row.arn,
        "InferenceComponentStatus": _STATUS.get(row.status, row.status),
        "EndpointArn": sagemaker_arn(call, "endpoint", row.document["EndpointName"]),
        "RuntimeConfig": {"DesiredCopyCount": _copies(spec), "CurrentCopyCount": _copies(before)},
        "CreationTime": row.created,
        "LastModifiedTime": row.modified,
        "FailureReason": row.state.get("FailureReason"),
        "LastDeploymentConfig": row.state.get("LastDeploymentConfig"),
    }


def _current(row: Resource) -> dict[str, Any]:
    """The component's document with what updates that succeeded made of it."""
    serving = row.state.get("serving") or {}
    return {**row.document, **row.state.get("asked", {}).get(serving.get("id"), {})}


def _copies(spec: dict[str, Any] | None) -> int:
    return DeploymentSpec.from_json(spec).variants[0].instances if spec else 0


def _in_the_way(row: Resource) -> AwsError:
    if row.status in lives.IN_PROGRESS:
        return invalid(f'Cannot update in-progress inference component "{row.arn}".')
    return invalid(f'Cannot update inference component "{row.arn}" in status {row.status}: delete it, create it again.')
