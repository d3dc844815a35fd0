"""Endpoint configurations: which models an endpoint serves, on how much, with what share of its requests."""

from typing import Any

from selfmaker import clock, ids
from selfmaker.aws.arn import sagemaker_arn
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import page
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.aws.output import describe
from selfmaker.errors import AlreadyExists, NotFound
from selfmaker.sagemaker import production_variant as variants
from selfmaker.sagemaker.checks import invalid
from selfmaker.sagemaker.tag import tag_mapping
from selfmaker.serving.spec import AsyncSpec, CaptureSpec, DeploymentSpec, VariantSpec
from selfmaker.store import tags
from selfmaker.store.resources import Resource, Resources

KIND = "EndpointConfig"


@operation("sagemaker", "CreateEndpointConfig")
def create_endpoint_config(call: Call, request: Request) -> Output:
    variants.check(call, request)
    tag_values = tag_mapping(request.get("Tags", []))
    arn = sagemaker_arn(call, "endpoint-config", request["EndpointConfigName"])
    now = clock.now()
    document = {k: v for k, v in request.items() if k != "Tags"}
    for member in ("ProductionVariants", "ShadowProductionVariants"):
        if member in request:
            document[member] = [{"InitialVariantWeight": 1.0, **variant} for variant in request[member]]
    resource = Resource(
        kind=KIND,
        region=call.region,
        name=request["EndpointConfigName"],
        arn=arn,
        status="Created",
        created=now,
        modified=now,
        document=document,
        state={},
    )
    try:
        call.use(Resources).create(resource, also=lambda c: tags.add(c, arn, tag_values))
    except AlreadyExists:
        raise invalid(f'Cannot create already existing endpoint configuration "{arn}".') from None
    return {"EndpointConfigArn": arn}


@operation("sagemaker", "DescribeEndpointConfig")
def describe_endpoint_config(call: Call, request: Request) -> Output:
    config = find(call, request["EndpointConfigName"])
    state = {"EndpointConfigArn": config.arn, "CreationTime": config.created}
    document = {"EnableNetworkIsolation": False, **config.document}
    return describe("sagemaker", "DescribeEndpointConfig", document, state)


@operation("sagemaker", "ListEndpointConfigs")
def list_endpoint_configs(call: Call, request: Request) -> Output:
    rows = [
        {"EndpointConfigName": config.name, "EndpointConfigArn": config.arn, "CreationTime": config.created}
        for config in call.use(Resources).list(KIND, call.region)
    ]
    return page(rows, request, "EndpointConfigs", name="EndpointConfigName")


@operation("sagemaker", "DeleteEndpointConfig")
def delete_endpoint_config(call: Call, request: Request) -> Output:
    config = find(call, request["EndpointConfigName"])
    try:
        call.use(Resources).delete(KIND, call.region, config.name, also=lambda c: tags.forget(c, config.arn))
    except NotFound:
        raise not_found(call, config.name) from None
    return None


def find(call: Call, name: str) -> Resource:
    """The configuration, or AWS's error."""
    try:
        return call.use(Resources).get(KIND, call.region, name)
    except NotFound:
        raise not_found(call, name) from None


def not_found(call: Call, name: str) -> AwsError:
    return invalid(f'Could not find endpoint configuration "{sagemaker_arn(call, "endpoint-config", name)}".')


def deployment_spec(call: Call, config: Resource) -> DeploymentSpec:
    """What the engine needs to bring the configuration into service. Raises AWS's error for a model that is gone."""
    document = config.document
    isolated = document.get("EnableNetworkIsolation", False)

    def specs(member: str) -> tuple[VariantSpec, ...]:
        return tuple(variants.variant_spec(call, each, isolated=isolated) for each in document.get(member, []))

    return DeploymentSpec(
        id=ids.unique_id(),
        config=config.name,
        variants=specs("ProductionVariants"),
        created=clock.now(),
        shadows=specs("ShadowProductionVariants"),
        capture=capture_spec(document.get("DataCaptureConfig")),
        asynchronous=async_spec(call, config.name, document.get("AsyncInferenceConfig")),
    )


def capture_spec(capture: dict[str, Any] | None) -> CaptureSpec | None:
    """What is to be captured, from a DataCaptureConfig; None when nothing is."""
    if not capture or not capture.get("EnableCapture", False):
        return None
    modes = {option["CaptureMode"] for option in capture["CaptureOptions"]}
    types = capture.get("CaptureContentTypeHeader", {})
    return CaptureSpec(
        destination=capture["DestinationS3Uri"],
        percentage=capture["InitialSamplingPercentage"],
        inputs=bool(modes & {"Input", "InputAndOutput"}),
        outputs=bool(modes & {"Output", "InputAndOutput"}),
        csv=tuple(types.get("CsvContentTypes", [])),
        json=tuple(types.get("JsonContentTypes", [])),
    )


def async_spec(call: Call, name: str, config: dict[str, Any] | None) -> AsyncSpec | None:
    """Where an asynchronous endpoint's answers go, from an AsyncInferenceConfig: the default bucket if need be."""
    if config is None:
        return None
    output = config["OutputConfig"]
    default = f"s3://sagemaker-{call.region}-{call.account}/async-endpoint-outputs/{name}"
    return AsyncSpec(
        output=output.get("S3OutputPath") or default,
        failure=output.get("S3FailurePath", ""),
        concurrency=config.get("ClientConfig", {}).get("MaxConcurrentInvocationsPerInstance", 0),
        topics={
            kind: output["NotificationConfig"][member]
            for kind, member in (("success", "SuccessTopic"), ("error", "ErrorTopic"))
            if output.get("NotificationConfig", {}).get(member)
        },
    )
