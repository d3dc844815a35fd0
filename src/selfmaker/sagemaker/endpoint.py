"""Endpoints: the operations, and how what the engine knows reads in AWS's words."""

from collections import Counter
from dataclasses import replace
from typing import Any

from selfmaker import clock
from selfmaker.aws.arn import sagemaker_arn
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import page
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.aws.output import describe
from selfmaker.errors import AlreadyExists, Conflict, NotFound
from selfmaker.sagemaker import deployment_config, endpoint_config, endpoint_lineage
from selfmaker.sagemaker.checks import invalid
from selfmaker.sagemaker.tag import tag_mapping
from selfmaker.serving import endpoint_status, neighbours
from selfmaker.serving.endpoints import Endpoints
from selfmaker.serving.inference_components import InferenceComponents
from selfmaker.serving.spec import AsyncSpec, CaptureSpec, DeploymentSpec, ServerlessSpec, VariantSpec
from selfmaker.store.resources import Resource, Resources

KIND = neighbours.KIND

_HELD = 2.0  # seconds that a Describe of an endpoint in progress waits for the end of it


@operation("sagemaker", "CreateEndpoint")
def create_endpoint(call: Call, request: Request) -> Output:
    config = endpoint_config.find(call, request["EndpointConfigName"])
    spec = endpoint_config.deployment_spec(call, config)
    deployment_config.check(request.get("DeploymentConfig"), sum(variant.instances for variant in spec.variants))
    tag_values = tag_mapping(request.get("Tags", []))
    arn = sagemaker_arn(call, "endpoint", request["EndpointName"])
    now = clock.now()
    state: dict[str, Any] = {"pending": spec.to_json()}
    if "DeploymentConfig" in request:
        state["LastDeploymentConfig"] = request["DeploymentConfig"]
    resource = Resource(
        kind=KIND,
        region=call.region,
        name=request["EndpointName"],
        arn=arn,
        status=endpoint_status.CREATING,
        created=now,
        modified=now,
        document={k: v for k, v in request.items() if k != "Tags"},
        state=state,
    )
    try:
        call.use(Endpoints).create(resource, tag_values)
    except AlreadyExists:
        raise invalid(f'Cannot create already existing endpoint "{arn}".') from None
    endpoint_lineage.record(call, resource, config)
    return {"EndpointArn": arn}


@operation("sagemaker", "DescribeEndpoint")
def describe_endpoint(call: Call, request: Request) -> Output:
    endpoint = find(call, request["EndpointName"])
    if endpoint.status in endpoint_status.IN_PROGRESS:  # the client that waits a moment need not ask again
        try:
            endpoint = call.use(Endpoints).wait_for_change(endpoint, _HELD)
        except NotFound:
            raise not_found(call, endpoint.name) from None
    return describe("sagemaker", "DescribeEndpoint", described(call, endpoint))


@operation("sagemaker", "ListEndpoints")
def list_endpoints(call: Call, request: Request) -> Output:
    rows = [
        {
            "EndpointName": endpoint.name,
            "EndpointArn": endpoint.arn,
            "CreationTime": endpoint.created,
            "LastModifiedTime": endpoint.modified,
            "EndpointStatus": endpoint.status,
        }
        for endpoint in call.use(Resources).list(KIND, call.region)
    ]
    return page(rows, request, "Endpoints", name="EndpointName", status="EndpointStatus")


@operation("sagemaker", "UpdateEndpoint")
def update_endpoint(call: Call, request: Request) -> Output:
    endpoint = find(call, request["EndpointName"])
    config = endpoint_config.find(call, request["EndpointConfigName"])
    spec = endpoint_config.deployment_spec(call, config)
    if request.get("RetainAllVariantProperties") and "serving" in endpoint.state:
        excluded = {item["VariantPropertyType"] for item in request.get("ExcludeRetainedVariantProperties", [])}
        spec = _retaining(spec, DeploymentSpec.from_json(endpoint.state["serving"]), excluded)
    deployment_config.check(request.get("DeploymentConfig"), sum(variant.instances for variant in spec.variants))
    state: dict[str, Any] = {"FailureReason": None}
    if "DeploymentConfig" in request:
        state["LastDeploymentConfig"] = request["DeploymentConfig"]
    elif not request.get("RetainDeploymentConfig"):
        state["LastDeploymentConfig"] = None
    try:
        call.use(Endpoints).update(call.region, endpoint.name, spec, state)
    except NotFound:
        raise not_found(call, endpoint.name) from None
    except Conflict:
        raise _in_the_way(call, find(call, endpoint.name)) from None
    endpoint_lineage.record(call, endpoint, config)
    return {"EndpointArn": endpoint.arn}


@operation("sagemaker", "UpdateEndpointWeightsAndCapacities")
def update_endpoint_weights_and_capacities(call: Call, request: Request) -> Output:
    endpoint = find(call, request["EndpointName"])
    wanted = request["DesiredWeightsAndCapacities"]
    repeated = [name for name, n in Counter(item["VariantName"] for item in wanted).items() if n > 1]
    if repeated:
        raise invalid(f"The variant name(s) {', '.join(repeated)} is/are given more than once.")
    _check_variants(endpoint, wanted)
    weights = {item["VariantName"]: item["DesiredWeight"] for item in wanted if "DesiredWeight" in item}
    counts = {item["VariantName"]: item["DesiredInstanceCount"] for item in wanted if "DesiredInstanceCount" in item}
    try:
        call.use(Endpoints).adjust(
            call.region, endpoint.name, weights, counts, serverless=_serverless(endpoint, wanted)
        )
    except NotFound:
        raise not_found(call, endpoint.name) from None
    except Conflict:
        raise _in_the_way(call, find(call, endpoint.name)) from None
    return {"EndpointArn": endpoint.arn}


@operation("sagemaker", "DeleteEndpoint")
def delete_endpoint(call: Call, request: Request) -> Output:
    endpoint = find(call, request["EndpointName"])
    components = call.use(InferenceComponents).of_endpoint(call.region, endpoint.name)
    if components:
        raise invalid(
            f'Cannot delete endpoint "{endpoint.arn}" with inference components: delete {", ".join(components)} first.'
        )
    try:
        call.use(Endpoints).delete(call.region, endpoint.name)
    except NotFound:
        raise not_found(call, endpoint.name) from None
    except Conflict:
        raise _in_the_way(call, find(call, endpoint.name)) from None
    return None


def find(call: Call, name: str) -> Resource:
    """The endpoint, or AWS's error."""
    try:
        return call.use(Endpoints).get(call.region, name)
    except NotFound:
        raise not_found(call, name) from None


def not_found(call: Call, name: str) -> AwsError:
    return invalid(f'Could not find endpoint "{sagemaker_arn(call, "endpoint", name)}".')


def described(call: Call, endpoint: Resource) -> dict[str, Any]:
    """All that is known of an endpoint, in the members of DescribeEndpoint."""
    state = endpoint.state
    result: dict[str, Any] = {
        **endpoint.document,
        "EndpointArn": endpoint.arn,
        "EndpointStatus": endpoint.status,
        "CreationTime": endpoint.created,
        "LastModifiedTime": endpoint.modified,
        "FailureReason": state.get("FailureReason"),
        "LastDeploymentConfig": state.get("LastDeploymentConfig"),
    }
    serving = _spec(state.get("serving"))
    pending = _spec(state.get("pending"))
    if serving is not None:
        before = _spec(state.get("before")) or serving
        result["ProductionVariants"] = [_summary(v, before.variant(v.name) or v, state) for v in serving.variants]
        if serving.shadows:
            result["ShadowProductionVariants"] = [_summary(shadow, shadow, state) for shadow in serving.shadows]
        if serving.asynchronous is not None:
            result["AsyncInferenceConfig"] = _asynchronous(call, serving.config, serving.asynchronous)
        result["DataCaptureConfig"] = _data_capture(call, serving.config, serving.capture)
        if pending is not None:
            result["PendingDeploymentSummary"] = _pending(pending, state.get("rollout"))
    return result


def _spec(document: dict[str, Any] | None) -> DeploymentSpec | None:
    return DeploymentSpec.from_json(document) if document else None


def _summary(wanted: VariantSpec, now: VariantSpec, state: dict[str, Any]) -> dict[str, Any]:
    return {
        "VariantName": wanted.name,
        "DeployedImages": _images(wanted, state.get("since")),
        "CurrentWeight": now.weight,
        "DesiredWeight": wanted.weight,
        **_capacity("Current", now),
        **_capacity("Desired", wanted),
    }


def _pending(spec: DeploymentSpec, rollout: dict[str, Any] | None) -> dict[str, Any]:
    """``rollout``: which share of the requests the new workers have, and in what state they are, once there are any."""
    share, status = (rollout["share"], rollout["status"]) if rollout else (0.0, "Creating")
    return {
        "EndpointConfigName": spec.config,
        "StartTime": spec.created,
        "ProductionVariants": [
            {
                "VariantName": variant.name,
                "DeployedImages": _images(variant, None),
                "CurrentWeight": variant.weight * share,
                "DesiredWeight": variant.weight,
                **({} if variant.serverless else {"CurrentInstanceCount": variant.instances if rollout else 0}),
                **_capacity("Desired", variant),
                "InstanceType": variant.instance_type or None,
                "VariantStatus": [{"Status": status, "StartTime": spec.created}],
            }
            for variant in spec.variants
        ],
    }


def _capacity(when: str, variant: VariantSpec) -> dict[str, Any]:
    if variant.serverless is None:
        return {f"{when}InstanceCount": variant.instances}
    config = {"MemorySizeInMB": variant.serverless.memory_mb, "MaxConcurrency": variant.serverless.concurrency}
    if variant.serverless.provisioned:
        config["ProvisionedConcurrency"] = variant.serverless.provisioned
    return {f"{when}ServerlessConfig": config}


def _images(variant: VariantSpec, since: float | None) -> list[dict[str, Any]] | None:
    images = [container.image for container in variant.containers]
    return [{"SpecifiedImage": each, "ResolvedImage": each, "ResolutionTime": since} for each in images] or None


def _asynchronous(call: Call, config_name: str, spec: AsyncSpec) -> dict[str, Any]:
    """The AsyncInferenceConfig in force: the configuration's own words, or what is known once that is gone."""
    try:
        document = call.use(Resources).get(endpoint_config.KIND, call.region, config_name).document
    except NotFound:
        return {"OutputConfig": {"S3OutputPath": spec.output, "S3FailurePath": spec.failure or None}}
    config: dict[str, Any] = document["AsyncInferenceConfig"]
    return config


def _data_capture(call: Call, config_name: str, capture: CaptureSpec | None) -> dict[str, Any] | None:
    """What the configuration asks for, and whether it is being done."""
    try:
        asked = call.use(Resources).get(endpoint_config.KIND, call.region, config_name).document["DataCaptureConfig"]
    except (NotFound, KeyError):
        if capture is None:  # the configuration may be gone, while its endpoint goes on
            return None
        asked = {"InitialSamplingPercentage": capture.percentage, "DestinationS3Uri": capture.destination}
    return {
        "EnableCapture": capture is not None,
        "CaptureStatus": "Started" if capture is not None else "Stopped",
        "CurrentSamplingPercentage": asked["InitialSamplingPercentage"],
        "DestinationS3Uri": asked["DestinationS3Uri"],
        "KmsKeyId": asked.get("KmsKeyId", ""),
    }


def _retaining(spec: DeploymentSpec, current: DeploymentSpec, excluded: set[str]) -> DeploymentSpec:
    """``spec`` with the weights and instance counts that its variants have in service, but for what is excluded."""

    def kept(variant: VariantSpec) -> VariantSpec:
        now = current.variant(variant.name)
        if now is None:
            return variant
        return replace(
            variant,
            weight=variant.weight if "DesiredWeight" in excluded else now.weight,
            instances=variant.instances if "DesiredInstanceCount" in excluded else now.instances,
        )

    return replace(spec, variants=tuple(kept(variant) for variant in spec.variants))


def _check_variants(endpoint: Resource, wanted: list[dict[str, Any]]) -> None:
    serving = _spec(endpoint.state.get("serving"))
    if serving is None:
        return
    strangers = [item["VariantName"] for item in wanted if serving.variant(item["VariantName"]) is None]
    if strangers:
        raise invalid(
            f'The variant name(s) "{", ".join(strangers)}" is/are not present within endpoint configuration '
            f'"{serving.config}".'
        )
    for item in wanted:
        if item.get("DesiredInstanceCount") == 0 and serving.asynchronous is None:
            raise invalid(
                f"DesiredInstanceCount of variant {item['VariantName']!r} must be at least 1: only asynchronous "
                "endpoints can be scaled to no instances."
            )
        serverless = _served(serving, item["VariantName"]).serverless
        if serverless is not None and "DesiredInstanceCount" in item:
            raise invalid(f"Variant {item['VariantName']!r} is serverless: DesiredInstanceCount does not apply.")
        if serverless is None and "ServerlessUpdateConfig" in item:
            raise invalid(f"Variant {item['VariantName']!r} is not serverless: ServerlessUpdateConfig does not apply.")


def _served(serving: DeploymentSpec, name: str) -> VariantSpec:
    variant = serving.variant(name)
    assert variant is not None
    return variant


def _serverless(endpoint: Resource, wanted: list[dict[str, Any]]) -> dict[str, ServerlessSpec]:
    """The serverless configurations that are to change, by variant."""
    serving = _spec(endpoint.state.get("serving"))
    changed: dict[str, ServerlessSpec] = {}
    for item in wanted:
        before = serving.variant(item["VariantName"]) if serving is not None else None
        update = item.get("ServerlessUpdateConfig")
        if update and before is not None and before.serverless is not None:
            new = ServerlessSpec(
                before.serverless.memory_mb,
                update.get("MaxConcurrency", before.serverless.concurrency),
                update.get("ProvisionedConcurrency", before.serverless.provisioned),
            )
            if new.provisioned > new.concurrency:
                raise invalid("ServerlessUpdateConfig.ProvisionedConcurrency must not be more than MaxConcurrency.")
            changed[item["VariantName"]] = new
    return changed


def _in_the_way(call: Call, endpoint: Resource) -> AwsError:
    """Why the endpoint's present status does not allow the request."""
    if endpoint.status in endpoint_status.IN_PROGRESS:
        return invalid(f'Cannot update in-progress endpoint "{endpoint.arn}".')
    return invalid(
        f'Cannot update endpoint "{endpoint.arn}" in status {endpoint.status}: delete it and create it again.'
    )
