"""Models: a container image with its data, kept until endpoints need it."""

from dataclasses import replace

from selfmaker import clock
from selfmaker.aws.arn import sagemaker_arn
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import page
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.aws.output import describe
from selfmaker.errors import AlreadyExists, NotFound
from selfmaker.sagemaker import container_definition
from selfmaker.sagemaker.checks import invalid
from selfmaker.sagemaker.model_package_containers import resolved
from selfmaker.sagemaker.tag import tag_mapping
from selfmaker.serving.spec import ModelSpec
from selfmaker.store import tags
from selfmaker.store.resources import Resource, Resources

KIND = "Model"


@operation("sagemaker", "CreateModel")
def create_model(call: Call, request: Request) -> Output:
    packaged = resolved(call, request)
    container_definition.check_model(call, packaged or request)
    tag_values = tag_mapping(request.get("Tags", []))
    arn = sagemaker_arn(call, "model", request["ModelName"])
    now = clock.now()
    resource = Resource(
        kind=KIND,
        region=call.region,
        name=request["ModelName"],
        arn=arn,
        status="Created",
        created=now,
        modified=now,
        document={k: v for k, v in request.items() if k != "Tags"},
        state=packaged or {},
    )
    try:
        call.use(Resources).create(resource, also=lambda c: tags.add(c, arn, tag_values))
    except AlreadyExists:
        raise invalid(f'Cannot create already existing model "{arn}".') from None
    return {"ModelArn": arn}


@operation("sagemaker", "DescribeModel")
def describe_model(call: Call, request: Request) -> Output:
    model = find(call, request["ModelName"])
    state = {"ModelArn": model.arn, "CreationTime": model.created}
    document = {"EnableNetworkIsolation": False, **model.document}
    return describe("sagemaker", "DescribeModel", document, state)


@operation("sagemaker", "ListModels")
def list_models(call: Call, request: Request) -> Output:
    rows = [
        {"ModelName": model.name, "ModelArn": model.arn, "CreationTime": model.created}
        for model in call.use(Resources).list(KIND, call.region)
    ]
    return page(rows, request, "Models", name="ModelName")


@operation("sagemaker", "DeleteModel")
def delete_model(call: Call, request: Request) -> Output:
    model = find(call, request["ModelName"])
    try:
        call.use(Resources).delete(KIND, call.region, model.name, also=lambda c: tags.forget(c, model.arn))
    except NotFound:
        raise not_found(call, model.name) from None
    return None


def find(call: Call, name: str) -> Resource:
    """The model, or AWS's error."""
    try:
        return call.use(Resources).get(KIND, call.region, name)
    except NotFound:
        raise not_found(call, name) from None


def not_found(call: Call, name: str) -> AwsError:
    return invalid(f'Could not find model "{sagemaker_arn(call, "model", name)}".')


def container_specs(model: Resource) -> tuple[ModelSpec, ...]:
    """What the engine needs to serve the model: its containers, in order."""
    network = not model.document.get("EnableNetworkIsolation", False)
    given = container_definition.containers(model.state if "Containers" in model.state else model.document)
    return tuple(replace(container_definition.model_spec(model.name, each), network=network) for each in given)


def is_direct(model: Resource) -> bool:
    """Whether requests name the container that they are for."""
    return bool(model.document.get("InferenceExecutionConfig", {}).get("Mode") == "Direct")


def model_spec(model: Resource) -> ModelSpec:
    """The only container of the model. Raises AWS's error for a model of several, or of many models."""
    first, *others = container_specs(model)
    if others or first.many:
        raise invalid(f"Model {model.name} has several containers or models, which cannot be used here.")
    return first
