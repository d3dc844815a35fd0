"""How many workers a variant gets."""

import re

from selfmaker.serving.spec import VariantSpec

WORKERS = "SAGEMAKER_MODEL_SERVER_WORKERS"


def workers(spec: VariantSpec, cores: int) -> int:
    """One for each virtual CPU of the variant's instances, as far as there are cores here; or as many for each instance
    as its container's environment says. None without instances: asynchronous endpoints, and copies."""
    asked = spec.model.environment.get(WORKERS, "")
    if not spec.instances and spec.serverless is None:
        return 0
    if spec.copies:
        return spec.instances * (int(asked) if asked.isdigit() and int(asked) > 0 else 1)
    if asked.isdigit() and int(asked) > 0:
        return min(int(asked) * spec.instances, max(cores, int(asked)))
    if spec.serverless is not None:
        return max(1, min(cores, spec.serverless.concurrency))
    return max(1, min(cores, vcpus(spec.instance_type) * spec.instances))


def vcpus(instance_type: str) -> int:
    """The virtual CPUs of an instance type, by its size: large has 2, xlarge 4, 8xlarge 32."""
    size = instance_type.rpartition(".")[2]
    match = re.fullmatch(r"(\d*)xlarge", size)
    if match:
        return 4 * int(match[1] or 1)
    return 2
