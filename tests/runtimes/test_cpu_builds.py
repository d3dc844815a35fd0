"""Which builds are tried where package indexes have builds for GPUs only."""

import platform
from pathlib import Path

import pytest

from selfmaker.runtimes import cpu_builds
from selfmaker.runtimes.base import EnvironmentRequest

MACHINE = platform.machine()
REQUEST = EnvironmentRequest(
    name="pytorch-2.6.0",
    python="3.12",
    requirements=("torch==2.6.0", "torchvision==0.21.0", "numpy", "boto3>=1.34"),
    cpu_builds=("torch", "torchvision"),
)


def wheels(folder: Path, *names: str) -> str:
    for name in names:
        (folder / f"{name}_{MACHINE}.whl").touch()
    return str(folder)


def test_a_request_without_them_is_tried_as_it_is(tmp_path: Path) -> None:
    request = EnvironmentRequest("sklearn", "3.10", ("scikit-learn==1.4.2",))
    folder = wheels(tmp_path, "torch-2.6.0+cpu-cp312-cp312-linux")
    assert list(cpu_builds.variants(request, [folder])) == [request]


def test_without_local_wheels_builds_for_gpus_are_last_and_noted(tmp_path: Path) -> None:
    first, last = cpu_builds.variants(REQUEST, [str(tmp_path), str(tmp_path / "missing")])
    assert first == REQUEST
    assert last.requirements == REQUEST.requirements
    assert last.cpu_builds == ()
    assert "for GPUs" in last.notes[0]


def test_a_local_wheel_comes_with_its_python_and_without_what_belongs_to_other_builds(tmp_path: Path) -> None:
    folder = wheels(tmp_path, "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28", "torchvision-0.1.0+cpu-cp310-cp310-linux")
    _, local, _ = cpu_builds.variants(REQUEST, [folder])
    assert local.python == "3.11"
    assert local.requirements == ("torch==2.13.0+cpu", "numpy", "boto3>=1.34")
    _, local, _ = cpu_builds.variants(REQUEST, [wheels(tmp_path, "torchvision-0.28.0+cpu-cp311-cp311-linux")])
    assert local.requirements == ("torch==2.13.0+cpu", "torchvision", "numpy", "boto3>=1.34")


@pytest.mark.parametrize(
    ("versions", "chosen"),
    [
        (("2.5.0", "2.6.0", "2.13.0"), "2.6.0"),
        (("2.13.0", "2.7.1", "2.10.0"), "2.7.1"),
        (("1.13.0", "2.5.1"), "2.5.1"),
    ],
)
def test_the_nearest_version_is_chosen_rather_a_newer_one(
    tmp_path: Path, versions: tuple[str, ...], chosen: str
) -> None:
    folder = wheels(tmp_path, *(f"torch-{version}+cpu-cp311-cp311-linux" for version in versions))
    _, local, _ = cpu_builds.variants(REQUEST, [Path(folder).as_uri()])
    assert local.requirements[0] == f"torch=={chosen}+cpu"


def test_wheels_for_other_machines_and_for_gpus_do_not_count(tmp_path: Path) -> None:
    for name in (f"torch-2.6.0-cp312-cp312-linux_{MACHINE}.whl", "torch-2.6.0+cpu-cp312-cp312-win_amd65.whl", "x.txt"):
        (tmp_path / name).touch()
    assert len(list(cpu_builds.variants(REQUEST, [str(tmp_path)]))) == 2


def test_folders_are_those_that_uv_is_told_of() -> None:
    links = ("--find-links", "/a", "--find-links", "/b")
    assert cpu_builds.folders({"UV_FIND_LINKS": "/c,/d"}, links) == ["/c", "/d", "/a", "/b"]
