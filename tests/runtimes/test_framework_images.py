"""The images of the deep learning frameworks, and what is installed for them."""

import pytest

from selfmaker.runtimes import gpus
from selfmaker.runtimes.catalog import parse_image, runtime_for

ECR = "763104351884.dkr.ecr.us-east-1.amazonaws.com"


@pytest.fixture
def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "present", lambda: False)


@pytest.mark.parametrize(
    ("image", "runtime", "name", "python"),
    [
        ("tensorflow-training:2.19.0-cpu-py312-ubuntu22.04-sagemaker", "tensorflow", "tensorflow-2.19.0", "3.12"),
        ("tensorflow-inference:2.14.1-gpu", "tensorflow", "tensorflow-2.14.1", "3.10"),
        ("tensorflow-training:2.12.0-cpu-py310", "tensorflow", "tensorflow-2.12.1", "3.10"),
        ("tensorflow-training:2.16-cpu-py310", "tensorflow", "tensorflow-2.16.2", "3.10"),
        ("tensorflow-training:2.17.0-cpu-py310", "tensorflow", "tensorflow-2.16.2", "3.10"),
        ("sagemaker-tensorflow-scriptmode:1.12.0-cpu-py3", "tensorflow", "tensorflow-1.15.5", "3.7"),
        ("pytorch-training:2.8.0-gpu-py312-cu129-ubuntu22.04-sagemaker", "pytorch", "pytorch-2.8.0", "3.12"),
        ("pytorch-inference:2.0.0-cpu-py310", "pytorch", "pytorch-2.0.1", "3.10"),
        ("pytorch-inference:1.13.1-cpu-py39", "pytorch", "pytorch-1.13.1", "3.9"),
        (
            "huggingface-pytorch-training:2.5.1-transformers4.49.0-gpu-py311-cu124-ubuntu22.04",
            "huggingface",
            "huggingface-4.49.0-pytorch-2.5.1",
            "3.11",
        ),
    ],
)
@pytest.mark.usefixtures("without_gpu")
def test_a_tag_means_the_release_of_its_minor_version(image: str, runtime: str, name: str, python: str) -> None:
    found = runtime_for(f"{ECR}/{image}")
    request = found.environment(parse_image(f"{ECR}/{image}"))
    assert (found.name, request.name, request.python) == (runtime, name, python)


@pytest.mark.parametrize(
    ("image", "noted"),
    [
        ("tensorflow-training:2.19.0-cpu-py312", False),
        ("tensorflow-training:2.19-cpu-py312", False),
        ("tensorflow-training", False),
        ("tensorflow-training:2.12.0-cpu-py310", True),
        ("tensorflow-training:2.17.0-cpu-py310", True),
        ("pytorch-training:2.6.0-cpu-py312", False),
        ("pytorch-training:latest", True),
        ("huggingface-pytorch-inference:2.6.0-transformers4.51.3-cpu-py312", False),
        ("huggingface-pytorch-inference:2.6.0-cpu-py312", True),
    ],
)
def test_another_release_than_the_tags_is_noted(image: str, noted: bool) -> None:
    reference = parse_image(f"{ECR}/{image}")
    notes = runtime_for(reference.uri).environment(reference).notes
    assert bool(notes) == noted, notes


@pytest.mark.parametrize(
    ("version", "kept"),
    [("4.4.2", {"packaging<22", "numpy<1.24"}), ("4.17.0", {"numpy<1.24"}), ("4.49.0", set())],
)
@pytest.mark.usefixtures("without_gpu")
def test_old_transformers_have_packages_of_their_time(version: str, kept: set[str]) -> None:
    image = f"{ECR}/huggingface-pytorch-training:1.10.2-transformers{version}-cpu-py38"
    requirements = runtime_for(image).environment(parse_image(image)).requirements
    assert kept == {"packaging<22", "numpy<1.24"} & set(requirements)


def test_the_packages_are_those_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def requirements(image: str, gpu: bool, machine: str = "x86_64") -> tuple[str, ...]:
        monkeypatch.setattr(gpus, "present", lambda: gpu)
        monkeypatch.setattr("platform.machine", lambda: machine)
        return runtime_for(image).environment(parse_image(image)).requirements

    assert requirements("tensorflow-training:2.19.0-gpu-py312", gpu=False)[0] == "tensorflow-cpu==2.19.0"
    assert requirements("tensorflow-training:2.19.0-gpu-py312", gpu=True)[0] == "tensorflow[and-cuda]==2.19.0"
    assert requirements("tensorflow-training:2.13.0-gpu-py310", gpu=True)[0] == "tensorflow==2.13.0"
    assert requirements("tensorflow-training:2.19.0-cpu-py312", gpu=False, machine="aarch64")[0] == "tensorflow==2.19.0"
    assert requirements("pytorch-training:2.8.0-gpu-py312", gpu=True)[0] == "torch==2.8.0"


def test_builds_of_pytorch_for_the_cpu_and_for_gpus_are_different_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    image = parse_image("pytorch-training:2.8.0-gpu-py312")
    monkeypatch.setattr(gpus, "present", lambda: True)
    with_gpu = runtime_for(image.uri).environment(image)
    monkeypatch.setattr(gpus, "present", lambda: False)
    without = runtime_for(image.uri).environment(image)
    assert with_gpu.cpu_builds == ()
    assert without.cpu_builds[0] == "torch"
    assert with_gpu.name != without.name
