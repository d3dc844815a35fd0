"""A model's containers: what CreateModel asks of them, and what the engine needs to know."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from selfmaker.aws.operation import Call, Request
from selfmaker.errors import NotFound
from selfmaker.objects.store import ObjectStore
from selfmaker.objects.uri import parse_s3_uri
from selfmaker.runtimes.catalog import runtime_for
from selfmaker.sagemaker.checks import invalid
from selfmaker.serving.spec import ARCHIVE, OBJECT, PREFIX, DataSource, ModelSpec

_FORMS = {("S3Object", "Gzip"): ARCHIVE, ("S3Prefix", "None"): PREFIX, ("S3Object", "None"): OBJECT}
_NOT_YET = {
    "ContainerMetricsConfig": "a container's own metrics",
}
_NO_SOURCE = {"ManifestS3Uri": "manifests", "HubAccessConfig": "models of a hub"}


def containers(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The containers of a CreateModel request, in order. Raises ValidationException for none."""
    several: list[dict[str, Any]] = request.get("Containers", [])
    if "PrimaryContainer" in request and several:
        raise invalid("The request has both PrimaryContainer and Containers: give one of them.")
    if "PrimaryContainer" in request:
        return [request["PrimaryContainer"]]
    if not several:
        raise invalid("The request has neither PrimaryContainer nor Containers: give one of them.")
    return several


def check_model(call: Call, request: Request) -> None:
    """Raises ValidationException for containers that could not be served, naming the member."""
    given = containers(request)
    names = Counter(each["ContainerHostname"] for each in given if "ContainerHostname" in each)
    repeated = [name for name, count in names.items() if count > 1]
    if repeated:
        raise invalid(f"Containers: ContainerHostname must be unique, {', '.join(repeated)} is repeated.")
    if names and len(given) > 1 and sum(names.values()) < len(given):
        raise invalid("Containers: when one container has a ContainerHostname, all must have one.")
    if "InferenceExecutionConfig" in request and len(given) < 2:
        raise invalid("InferenceExecutionConfig is for models of several Containers.")
    for each in given:
        check(call, each)


def check(call: Call, container: Mapping[str, Any]) -> None:
    """Raises ValidationException for a container that could not be served."""
    for member, what in _NOT_YET.items():
        if container.get(member):
            raise invalid(f"{member}: {what} are not supported here yet.")
    if "Image" not in container:
        raise invalid("The container must have an Image.")
    try:
        runtime_for(container["Image"])
    except NotFound as error:
        raise invalid(f"Image: {error.message}") from None
    if _is_many(container):
        _check_prefix(call, container)
    else:
        if "MultiModelConfig" in container:
            raise invalid("MultiModelConfig is for containers of Mode MultiModel.")
        _check_data(call, container)
    for source in container.get("AdditionalModelDataSources", []):
        _check_source(source["S3DataSource"])
        _find(call, *_source(source["S3DataSource"]))


def model_spec(name: str, container: Mapping[str, Any]) -> ModelSpec:
    """What the engine needs to serve the container."""
    uri, form = _data(container)
    many = _is_many(container)
    return ModelSpec(
        name=name,
        image=container["Image"],
        uri=uri,
        form=PREFIX if many else form,
        environment=container.get("Environment", {}),
        hostname=container.get("ContainerHostname", ""),
        many=many,
        cached=container.get("MultiModelConfig", {}).get("ModelCacheSetting") != "Disabled",
        additional=tuple(
            DataSource(source["ChannelName"], *_source(source["S3DataSource"]))
            for source in container.get("AdditionalModelDataSources", [])
        ),
    )


def _is_many(container: Mapping[str, Any]) -> bool:
    return bool(container.get("Mode") == "MultiModel")


def _check_prefix(call: Call, container: Mapping[str, Any]) -> None:
    """Where a multi-model container's models are; there need not be any yet."""
    uri, _ = _data(container)
    if not uri:
        raise invalid("ModelDataUrl is required for a container of Mode MultiModel: the prefix of its models.")
    if uri.endswith(".tar.gz"):
        raise invalid(f"ModelDataUrl must be the prefix of the models for Mode MultiModel, got {uri!r}.")
    bucket, _ = _location(uri)
    try:
        call.use(ObjectStore).bucket(bucket)
    except NotFound:
        raise invalid(f"Could not find model data at {uri}.") from None


def _check_data(call: Call, container: Mapping[str, Any]) -> None:
    uri, form = _data(container)
    if not uri:
        return
    _, key = _location(uri)
    if "ModelDataUrl" in container and not key.endswith(".tar.gz"):
        raise invalid(
            f"ModelDataUrl must be the location of a single gzip-compressed tar archive (.tar.gz suffix), got {uri!r}. "
            "For files that are not packed use ModelDataSource."
        )
    _find(call, uri, form)


def _find(call: Call, uri: str, form: str) -> None:
    bucket, key = _location(uri)
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


def _location(uri: str) -> tuple[str, str]:
    try:
        return parse_s3_uri(uri)
    except ValueError:
        raise invalid(f"The model data's location must be of the form s3://bucket/key, got {uri!r}.") from None


def _data(container: Mapping[str, Any]) -> tuple[str, str]:
    """The location and the form of a container's data; two empty texts when it has none."""
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if source is None:
        return container.get("ModelDataUrl", ""), ARCHIVE
    if "ModelDataUrl" in container:
        raise invalid("The container has both ModelDataUrl and ModelDataSource: give one of them.")
    _check_source(source)
    return _source(source)


def _check_source(source: Mapping[str, Any]) -> None:
    for member, what in _NO_SOURCE.items():
        if source.get(member):
            raise invalid(f"S3DataSource.{member}: {what} are not supported here.")


def _source(source: Mapping[str, Any]) -> tuple[str, str]:
    form = _FORMS.get((source["S3DataType"], source["CompressionType"]))
    if form is None:
        raise invalid(
            f"ModelDataSource.S3DataSource: CompressionType Gzip needs S3DataType S3Object, got {source['S3DataType']}."
        )
    return source["S3Uri"], form
