"""Models: a container image with its data, kept until endpoints need it."""

from typing import Any

from selfmaker import clock
from selfmaker.aws.arn import sagemaker_arn
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import page
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.aws.output import describe
from selfmaker.errors import AlreadyExists, NotFound
from selfmaker.objects.store import ObjectStore
from selfmaker.objects.uri import parse_s3_uri
from selfmaker.runtimes.catalog import runtime_for
from selfmaker.sagemaker.model_package_containers import resolved
from selfmaker.sagemaker.tag import tag_mapping
from selfmaker.serving.spec import ARCHIVE, OBJECT, PREFIX, ModelSpec
from selfmaker.store import tags
from selfmaker.store.resources import Resource, Resources

KIND = "Model"

_FORMS = {("S3Object", "Gzip"): ARCHIVE, ("S3Prefix", "None"): PREFIX, ("S3Object", "None"): OBJECT}
_NOT_YET = {
    "AdditionalModelDataSources": "additional model data sources",
    "MultiModelConfig": "multi-model endpoints",
    "ContainerMetricsConfig": "a container's own metrics",
}


@operation("sagemaker", "CreateModel")
def create_model(call: Call, request: Request) -> Output:
    packaged = resolved(call, request)
    _check(call, primary_container(packaged or request))
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


def model_spec(model: Resource) -> ModelSpec:
    """What the engine needs to serve the model."""
    container = primary_container(model.state if "Containers" in model.state else model.document)
    uri, form = _data(container)
    return ModelSpec(
        name=model.name,
        image=container["Image"],
        uri=uri,
        form=form,
        environment=container.get("Environment", {}),
        network=not model.document.get("EnableNetworkIsolation", False),
    )


def primary_container(request: Request) -> dict[str, Any]:
    """The one container of a model. Raises ValidationException for none, and for an inference pipeline of several."""
    several = request.get("Containers", [])
    if "PrimaryContainer" in request and several:
        raise invalid("The request has both PrimaryContainer and Containers: give one of them.")
    if len(several) > 1:
        raise invalid(
            "Containers: inference pipelines of several containers are not supported here yet. Give one container."
        )
    container: dict[str, Any] | None = request.get("PrimaryContainer") or (several[0] if several else None)
    if container is None:
        raise invalid("The request has neither PrimaryContainer nor Containers: give one of them.")
    return container


def _check(call: Call, container: dict[str, Any]) -> None:
    for member, what in _NOT_YET.items():
        if container.get(member):
            raise invalid(f"{member}: {what} are not supported here yet.")
    if container.get("Mode") == "MultiModel":
        raise invalid("Mode: multi-model endpoints are not supported here yet. Use SingleModel.")
    if "Image" not in container:
        raise invalid("The container must have an Image.")
    try:
        runtime_for(container["Image"])
    except NotFound as error:
        raise invalid(f"Image: {error.message}") from None
    _check_data(call, container)


def _check_data(call: Call, container: dict[str, Any]) -> None:
    uri, form = _data(container)
    if not uri:
        return
    try:
        bucket, key = parse_s3_uri(uri)
    except ValueError:
        raise invalid(f"The model data's location must be of the form s3://bucket/key, got {uri!r}.") from None
    if "ModelDataUrl" in container and not key.endswith(".tar.gz"):
        raise invalid(
            f"ModelDataUrl must be the location of a single gzip-compressed tar archive (.tar.gz suffix), got {uri!r}. "
            "For files that are not packed use ModelDataSource."
        )
    if form == PREFIX and not key.endswith("/"):
        raise invalid(f"ModelDataSource.S3DataSource.S3Uri must end with a slash for S3DataType S3Prefix, got {uri!r}.")
    store = call.use(ObjectStore)
    try:
        if form == PREFIX:
            found = next(iter(store.list(bucket, key)), None) is not None
        else:
            found = store.head(bucket, key) is not None
    except NotFound:
        found = False
    if not found:
        raise invalid(f"Could not find model data at {uri}.")


def _data(container: dict[str, Any]) -> tuple[str, str]:
    """The location and the form of a container's data; two empty texts when it has none."""
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if source is None:
        return container.get("ModelDataUrl", ""), ARCHIVE
    if "ModelDataUrl" in container:
        raise invalid("The container has both ModelDataUrl and ModelDataSource: give one of them.")
    form = _FORMS.get((source["S3DataType"], source["CompressionType"]))
    if form is None:
        raise invalid(
            f"ModelDataSource.S3DataSource: CompressionType Gzip needs S3DataType S3Object, got {source['S3DataType']}."
        )
    return source["S3Uri"], form


def invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)
