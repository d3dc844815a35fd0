"""NVIDIA GPUs: which the machine has, and how many an instance type stands for."""

import re
from pathlib import Path

_DEVICE = re.compile(r"nvidia(\d+)")
_TYPE = re.compile(r"ml\.(p|g)(\d+)[a-z]*\.(\d*)xlarge|ml\.(p|g)(\d+)[a-z]*\.metal")

# GPUs of the sizes that have more than one, from the accelerated instance types' table in the EC2 User Guide.
_SEVERAL = {
    ("p", "2"): {8: 8, 16: 16},
    ("p", "3"): {8: 4, 16: 8, 24: 8},
    ("p", "4"): {24: 8},
    ("p", "5"): {48: 8},
    ("p", "6"): {48: 8},
    ("g", "4"): {12: 4},
    ("g", "5"): {12: 4, 24: 4, 48: 8},
    ("g", "6"): {12: 4, 24: 4, 48: 8},
    ("g", "7"): {12: 2, 24: 4, 48: 8},
}


def gpus_of(instance_type: str) -> int:
    """How many GPUs an instance of that type has on AWS; 0 for types without."""
    match = _TYPE.fullmatch(instance_type)
    if match is None:
        return 0
    if match.group(4):
        return 8
    family, generation, size = match.group(1), match.group(2), int(match.group(3) or 1)
    return _SEVERAL.get((family, generation), {}).get(size, 1)


def installed(devices: Path = Path("/dev")) -> tuple[int, ...]:
    """The indexes of this machine's NVIDIA GPUs, in order."""
    found = [_DEVICE.fullmatch(path.name) for path in devices.glob("nvidia*")]
    return tuple(sorted(int(match.group(1)) for match in found if match))
