"""Endpoint configurations: which models an endpoint serves, on how much, with what share of its requests."""

from collections import Counter
from dataclasses import replace
from typing import Any

from selfmaker import clock, ids
from selfmaker.aws.arn import sagemaker_arn
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import page
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.aws.output import describe
from selfmaker.errors import AlreadyExists, NotFound
from selfmaker.sagemaker import model
from selfmaker.sagemaker.tag import tag_mapping
from selfmaker.serving.spec import DeploymentSpec, VariantSpec
from selfmaker.store import tags
from selfmaker.store.resources import Resource, Resources

KIND = "EndpointConfig"

_DEFAULT_PATIENCE = 600.0  # seconds for a worker to load its model, where the variant doesn't say
_NOT_YET = {
    "AsyncInferenceConfig": "asynchronous endpoints",
    "ExplainerConfig": "explainers",
    "ShadowProductionVariants": "shadow variants",
}


@operation("sagemaker", "CreateEndpointConfig")
def create_endpoint_config(call: Call, request: Request) -> Output:
    _check(request)
    for variant in request["ProductionVariants"]:
        model.find(call, variant["ModelName"])
    tag_values = tag_mapping(request.get("Tags", []))
    arn = sagemaker_arn(call, "endpoint-config", request["EndpointConfigName"])
    now = clock.now()
    document = {k: v for k, v in request.items() if k != "Tags"}
    document["ProductionVariants"] = [{"InitialVariantWeight": 1.0, **v} for v in request["ProductionVariants"]]
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
        raise model.invalid(f'Cannot create already existing endpoint configuration "{arn}".') from None
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
    return model.invalid(f'Could not find endpoint configuration "{sagemaker_arn(call, "endpoint-config", name)}".')


def deployment_spec(call: Call, config: Resource) -> DeploymentSpec:
    """What the engine needs to bring the configuration into service. Raises AWS's error for a model that is gone."""
    isolated = config.document.get("EnableNetworkIsolation", False)
    variants = tuple(_variant(call, variant, isolated=isolated) for variant in config.document["ProductionVariants"])
    return DeploymentSpec(id=ids.unique_id(), config=config.name, variants=variants, created=clock.now())


def instance_type(variant: dict[str, Any]) -> str:
    pools = variant.get("InstancePools", [])
    return str(variant.get("InstanceType") or (pools[0]["InstanceType"] if pools else ""))


def _variant(call: Call, variant: dict[str, Any], *, isolated: bool) -> VariantSpec:
    served = model.model_spec(model.find(call, variant["ModelName"]))
    if isolated:
        served = replace(served, network=False)
    return VariantSpec(
        name=variant["VariantName"],
        model=served,
        weight=variant["InitialVariantWeight"],
        instances=variant.get("InitialInstanceCount", 1),
        instance_type=instance_type(variant),
        patience=variant.get("ContainerStartupHealthCheckTimeoutInSeconds", _DEFAULT_PATIENCE),
    )


def _check(request: Request) -> None:
    for member, what in _NOT_YET.items():
        if request.get(member):
            raise model.invalid(f"{member}: {what} are not supported here yet.")
    variants = request["ProductionVariants"]
    repeated = [name for name, n in Counter(variant["VariantName"] for variant in variants).items() if n > 1]
    if repeated:
        raise model.invalid(f"ProductionVariants: variant names must be unique, {', '.join(repeated)} is repeated.")
    for variant in variants:
        where = f"ProductionVariants: variant {variant['VariantName']!r}"
        if "ServerlessConfig" in variant:
            raise model.invalid(f"{where}: serverless endpoints are not supported here yet. Give an InstanceType.")
        if "ModelName" not in variant:
            raise model.invalid(f"{where}: inference components are not supported here yet. Give a ModelName.")
        if not instance_type(variant):
            raise model.invalid(f"{where} must have an InstanceType.")
        if "InitialInstanceCount" not in variant and "InstancePools" not in variant:
            raise model.invalid(f"{where} must have an InitialInstanceCount.")
