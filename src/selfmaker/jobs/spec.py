"""What the engine knows of a job: the part of a request that it acts on, in plain JSON types."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class JobSpec:
    """One job to run. ``channels`` are AWS's Channel structures, ``inputs`` and ``outputs``
    ProcessingInput and ProcessingOutput; ``models`` the containers that a transform job sends its data through, as
    ``serving.spec.ModelSpec`` in JSON; ``entrypoint`` and ``arguments`` override what the
    image would run; ``max_runtime`` (of running) and ``max_wait`` (from the submission to the end, for spot
    jobs) are in seconds, 0 for no limit; ``attempts`` is how often a job may be started when
    the fault was ours."""

    kind: str
    region: str
    name: str
    arn: str
    image: str
    role: str
    instance_type: str
    hosts: tuple[str, ...] = ("algo-1",)
    groups: tuple[Mapping[str, Any], ...] = ()
    entrypoint: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    input_mode: str = "File"
    channels: tuple[Mapping[str, Any], ...] = ()
    inputs: tuple[Mapping[str, Any], ...] = ()
    outputs: tuple[Mapping[str, Any], ...] = ()
    models: tuple[Mapping[str, Any], ...] = ()
    output: str = ""
    compressed: bool = True
    checkpoint_uri: str = ""
    checkpoint_path: str = "/opt/ml/checkpoints"
    max_runtime: int = 0
    spot: bool = False
    max_wait: int = 0
    attempts: int = 1
    metric_definitions: tuple[tuple[str, str], ...] = ()
    network: bool = True
    log_group: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "JobSpec":
        values = dict(data)
        for name in ("hosts", "groups", "entrypoint", "arguments", "channels", "inputs", "outputs", "models"):
            values.setdefault(name, ())
            values[name] = tuple(values[name])
        values["metric_definitions"] = tuple((name, regex) for name, regex in values["metric_definitions"])
        return cls(**values)
