"""What serving works with and on: the parts of the server around it, and the family of rows that it serves."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from selfmaker.executors.protocol import Executor, Mount
from selfmaker.objects.store import ObjectStore
from selfmaker.serving.building import Keep
from selfmaker.serving.endpoint_metrics import ENDPOINT
from selfmaker.serving.preparation import Environments, Surroundings
from selfmaker.store.async_invocations import AsyncInvocations
from selfmaker.store.log_streams import LogStreams
from selfmaker.store.metrics import Metrics
from selfmaker.store.resources import Resources

KIND = "Endpoint"
LOG_GROUP = "/aws/sagemaker/Endpoints/"


@dataclass(frozen=True)
class Neighbours:
    """The parts of the server that serving works with. ``home`` is the folder that workers must not see; ``mounts``
    are what the variables of ``surroundings`` speak of. ``alarmed`` gives those of the named alarms that are in alarm;
    the waiting times of an update are taken times ``wait_scale``."""

    resources: Resources
    objects: ObjectStore
    environments: Environments
    executor: Executor
    log_streams: LogStreams
    async_invocations: AsyncInvocations
    metrics: Metrics
    surroundings: Surroundings
    home: Path
    cores: int
    mounts: tuple[Mount, ...] = ()
    keep: Keep = field(default_factory=Keep)
    alarmed: Callable[[str, tuple[str, ...]], list[str]] = lambda region, names: []
    wait_scale: float = 1.0


@dataclass(frozen=True)
class Family:
    """What is brought into service, by the kind of its rows, and where it is kept: folders in the home, and the prefix
    of its log groups."""

    kind: str = KIND
    folder: str = "endpoints"
    models: str = "models"
    log_group: str = LOG_GROUP
    dimension: str = ENDPOINT
