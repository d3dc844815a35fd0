"""Production variants of an endpoint configuration: what is asked of them, and what the engine needs to know."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from selfmaker.aws.operation import Call, Request
from selfmaker.objects.uri import parse_s3_uri
from selfmaker.sagemaker import model
from selfmaker.sagemaker.checks import invalid
from selfmaker.serving.spec import ModelSpec, ServerlessSpec, VariantSpec

_DEFAULT_PATIENCE = 600.0  # seconds for a worker to load its model, where the variant doesn't say
_GB = 1024
_INSTANCES = ("InstanceType", "InitialInstanceCount", "InstancePools", "AcceleratorType", "VolumeSizeInGB")
_NOT_YET = {
    "ExplainerConfig": "explainers",
}
_NOTHING = ModelSpec(name="", image="")

Variant = Mapping[str, Any]


def check(call: Call, request: Request) -> None:
    """Raises ValidationException for a configuration that could not be brought into service, naming the member."""
    for member, what in _NOT_YET.items():
        if request.get(member):
            raise invalid(f"{member}: {what} are not supported here yet.")
    variants: list[Variant] = request["ProductionVariants"]
    shadows: list[Variant] = request.get("ShadowProductionVariants", [])
    _check_names([*variants, *shadows])
    for member, each in (("ProductionVariants", variants), ("ShadowProductionVariants", shadows)):
        for variant in each:
            _check_variant(call, f"{member}: variant {variant['VariantName']!r}", variant)
    _check_together(request, variants, shadows)
    _check_places(request)


def variant_spec(call: Call, variant: Variant, *, isolated: bool) -> VariantSpec:
    """What the engine needs to serve the variant. Raises AWS's error for a model that is gone."""
    containers: tuple[ModelSpec, ...] = (_NOTHING,)
    direct = False
    if "ModelName" in variant:
        row = model.find(call, variant["ModelName"])
        containers, direct = model.container_specs(row), model.is_direct(row)
    if isolated:
        containers = tuple(replace(container, network=False) for container in containers)
    serverless = variant.get("ServerlessConfig")
    return VariantSpec(
        name=variant["VariantName"],
        model=containers[0],
        following=containers[1:],
        direct=direct,
        weight=variant.get("InitialVariantWeight", 1.0),
        instances=variant.get("InitialInstanceCount", 1),
        instance_type=instance_type(variant),
        patience=variant.get("ContainerStartupHealthCheckTimeoutInSeconds", _DEFAULT_PATIENCE),
        serverless=None
        if serverless is None
        else ServerlessSpec(
            serverless["MemorySizeInMB"], serverless["MaxConcurrency"], serverless.get("ProvisionedConcurrency", 0)
        ),
    )


def instance_type(variant: Variant) -> str:
    pools = variant.get("InstancePools", [])
    return str(variant.get("InstanceType") or (pools[0]["InstanceType"] if pools else ""))


def _check_names(variants: list[Variant]) -> None:
    repeated = [name for name, n in Counter(variant["VariantName"] for variant in variants).items() if n > 1]
    if repeated:
        raise invalid(f"ProductionVariants: variant names must be unique, {', '.join(repeated)} is repeated.")


def _check_variant(call: Call, where: str, variant: Variant) -> None:
    if "ServerlessConfig" in variant:
        _check_serverless(call, where, variant)
        return
    if not instance_type(variant):
        raise invalid(f"{where} must have an InstanceType.")
    if "InitialInstanceCount" not in variant and "InstancePools" not in variant:
        raise invalid(f"{where} must have an InitialInstanceCount.")
    if "ModelName" in variant:
        model.find(call, variant["ModelName"])


def _check_serverless(call: Call, where: str, variant: Variant) -> None:
    config = variant["ServerlessConfig"]
    if config["MemorySizeInMB"] % _GB:
        raise invalid(
            f"{where}: ServerlessConfig.MemorySizeInMB must be 1024, 2048, 3072, 4096, 5120 or 6144, got "
            f"{config['MemorySizeInMB']}."
        )
    if config.get("ProvisionedConcurrency", 0) > config["MaxConcurrency"]:
        raise invalid(f"{where}: ServerlessConfig.ProvisionedConcurrency must not be more than MaxConcurrency.")
    beside = [member for member in _INSTANCES if member in variant]
    if beside:
        raise invalid(f"{where} has a ServerlessConfig and cannot have {beside[0]}.")
    if "ModelName" not in variant:
        raise invalid(f"{where} must have a ModelName.")
    row = model.find(call, variant["ModelName"])
    specs = model.container_specs(row)
    if len(specs) > 1 or specs[0].many:
        raise invalid(f"{where}: serverless variants take models of one container and one model.")
    if row.document.get("VpcConfig") or row.document.get("EnableNetworkIsolation"):
        raise invalid(f"{where}: serverless variants take no model with VpcConfig or EnableNetworkIsolation.")


def _check_together(request: Request, variants: list[Variant], shadows: list[Variant]) -> None:
    """What does not go with one another in a configuration."""
    serverless = any("ServerlessConfig" in variant for variant in variants)
    if serverless and len(variants) > 1:
        raise invalid("ProductionVariants: a serverless endpoint has one variant only.")
    if serverless and request.get("DataCaptureConfig", {}).get("EnableCapture"):
        raise invalid("DataCaptureConfig: data capture is not supported for serverless endpoints.")
    if serverless and "AsyncInferenceConfig" in request:
        raise invalid("AsyncInferenceConfig is not supported for serverless endpoints.")
    empty = [variant["VariantName"] for variant in variants if "ModelName" not in variant]
    if empty and len(empty) < len(variants):
        raise invalid(f"ProductionVariants: either all variants have a ModelName or none has; {empty[0]} has none.")
    if empty and "ExecutionRoleArn" not in request:
        raise invalid("ExecutionRoleArn is required when the ProductionVariants have no ModelName.")
    if empty and (request.get("DataCaptureConfig", {}).get("EnableCapture") or "AsyncInferenceConfig" in request):
        raise invalid(
            "ProductionVariants without a ModelName take no DataCaptureConfig and no AsyncInferenceConfig: inference "
            "components are answered at once, and not captured."
        )
    if shadows and (len(shadows) > 1 or len(variants) > 1 or serverless or empty):
        raise invalid("ShadowProductionVariants: one shadow variant beside one production variant with a model.")
    if any("ServerlessConfig" in shadow or "ModelName" not in shadow for shadow in shadows):
        raise invalid("ShadowProductionVariants: a shadow variant must have a ModelName and an InstanceType.")


def _check_places(request: Request) -> None:
    output = request.get("AsyncInferenceConfig", {}).get("OutputConfig", {})
    places = {
        "DataCaptureConfig.DestinationS3Uri": request.get("DataCaptureConfig", {}).get("DestinationS3Uri"),
        "AsyncInferenceConfig.OutputConfig.S3OutputPath": output.get("S3OutputPath"),
        "AsyncInferenceConfig.OutputConfig.S3FailurePath": output.get("S3FailurePath"),
    }
    for member, uri in places.items():
        if uri:
            try:
                parse_s3_uri(uri)
            except ValueError:
                raise invalid(f"{member} must be of the form s3://bucket/prefix, got {uri!r}.") from None
