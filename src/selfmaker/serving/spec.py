"""What an endpoint is to serve, as the engine needs it. Kept as JSON in the endpoint's row."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

ARCHIVE, PREFIX, OBJECT = "archive", "prefix", "object"


@dataclass(frozen=True)
class ModelSpec:
    """A model: its image, where its data is (``form``: a tar.gz to unpack, all objects of a prefix, or one object;
    ``uri`` empty: it has none), and the container's environment variables."""

    name: str
    image: str
    uri: str = ""
    form: str = ARCHIVE
    environment: Mapping[str, str] = field(default_factory=dict)
    network: bool = True


@dataclass(frozen=True)
class VariantSpec:
    """One production variant. ``instances`` of ``instance_type`` say how many workers are wanted at most; ``patience``
    is how many seconds a worker may take until it is ready."""

    name: str
    model: ModelSpec
    weight: float
    instances: int
    instance_type: str
    patience: float


@dataclass(frozen=True)
class DeploymentSpec:
    """One configuration brought into service. ``id`` is unique; ``config`` is the configuration's name."""

    id: str
    config: str
    variants: tuple[VariantSpec, ...]
    created: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> "DeploymentSpec":
        variants = tuple(
            VariantSpec(**{**variant, "model": ModelSpec(**variant["model"])}) for variant in document["variants"]
        )
        return DeploymentSpec(**{**document, "variants": variants})

    def variant(self, name: str) -> VariantSpec | None:
        return next((variant for variant in self.variants if variant.name == name), None)
