"""What an endpoint is to serve, as the engine needs it. Kept as JSON in the endpoint's row."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

ARCHIVE, PREFIX, OBJECT = "archive", "prefix", "object"


@dataclass(frozen=True)
class DataSource:
    """Files beside a model's own: the ``channel`` in which it finds them, and where they come from as in ModelSpec."""

    channel: str
    uri: str
    form: str


@dataclass(frozen=True)
class ModelSpec:
    """One container of a model: its image, where its data is (``form``: a tar.gz to unpack, all objects of a prefix, or
    one object; ``uri`` empty: it has none), and its environment variables.

    With ``many``, ``uri`` is a prefix, and each archive below it a model that requests name; ``cached`` False unloads a
    model when its request is answered. ``hostname`` is what requests call the container by.
    """

    name: str
    image: str
    uri: str = ""
    form: str = ARCHIVE
    environment: Mapping[str, str] = field(default_factory=dict)
    network: bool = True
    hostname: str = ""
    many: bool = False
    cached: bool = True
    additional: tuple[DataSource, ...] = ()

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> "ModelSpec":
        sources = tuple(DataSource(**source) for source in document.get("additional", ()))
        return ModelSpec(**{**document, "additional": sources})


@dataclass(frozen=True)
class ServerlessSpec:
    """A variant that has workers while there are requests: at most ``concurrency`` at once; ``provisioned`` of them are
    always there."""

    memory_mb: int
    concurrency: int
    provisioned: int = 0


@dataclass(frozen=True)
class VariantSpec:
    """One production variant. ``instances`` of ``instance_type`` say how many workers are wanted at most; ``patience``
    is how many seconds a worker may take until it is ready.

    A pipeline's further containers are ``following``; with ``direct`` each request names the one that it is for. A
    variant whose model has no image serves inference components alone. With ``copies``, ``instances`` is the number of
    workers, and may be 0.
    """

    name: str
    model: ModelSpec
    weight: float
    instances: int
    instance_type: str
    patience: float
    following: tuple[ModelSpec, ...] = ()
    direct: bool = False
    serverless: ServerlessSpec | None = None
    copies: bool = False

    @property
    def containers(self) -> tuple[ModelSpec, ...]:
        return (self.model, *self.following) if self.model.image else ()

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> "VariantSpec":
        members: dict[str, Any] = {**document, "model": ModelSpec.from_json(document["model"])}
        members["following"] = tuple(ModelSpec.from_json(model) for model in document.get("following", ()))
        if document.get("serverless"):
            members["serverless"] = ServerlessSpec(**document["serverless"])
        return VariantSpec(**members)


@dataclass(frozen=True)
class CaptureSpec:
    """What of each request and answer is kept in S3: a ``percentage`` of them, ``inputs`` and ``outputs`` or both,
    below ``destination``. Bodies of the ``csv`` and ``json`` content types are kept as text."""

    destination: str
    percentage: int
    inputs: bool
    outputs: bool
    csv: tuple[str, ...] = ()
    json: tuple[str, ...] = ()

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> "CaptureSpec":
        return CaptureSpec(**{**document, "csv": tuple(document["csv"]), "json": tuple(document["json"])})


@dataclass(frozen=True)
class AsyncSpec:
    """Requests come from S3 and answers go there. ``concurrency`` is for each instance (0: as many as there are
    workers); empty paths mean that there is no such place; ``topics`` are told of ("success" and "error")."""

    output: str
    failure: str
    concurrency: int = 0
    topics: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DeploymentSpec:
    """One configuration brought into service. ``id`` is unique; ``config`` is the configuration's name. ``shadows`` get
    a copy of the requests, a share that their weight says of that of all variants, and nobody sees their answers."""

    id: str
    config: str
    variants: tuple[VariantSpec, ...]
    created: float
    shadows: tuple[VariantSpec, ...] = ()
    capture: CaptureSpec | None = None
    asynchronous: AsyncSpec | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> "DeploymentSpec":
        members: dict[str, Any] = {**document}
        for name in ("variants", "shadows"):
            members[name] = tuple(VariantSpec.from_json(variant) for variant in document.get(name, ()))
        if document.get("capture"):
            members["capture"] = CaptureSpec.from_json(document["capture"])
        if document.get("asynchronous"):
            members["asynchronous"] = AsyncSpec(**document["asynchronous"])
        return DeploymentSpec(**members)

    def variant(self, name: str) -> VariantSpec | None:
        return next((variant for variant in self.variants if variant.name == name), None)
