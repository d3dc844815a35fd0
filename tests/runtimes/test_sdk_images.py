"""Every image of a framework that the SDKs name means an environment here, or is refused by name."""

import json
import subprocess
from pathlib import Path

import pytest

from selfmaker.errors import NotFound
from selfmaker.runtimes.catalog import parse_image, runtime_for

ROOT = Path(__file__).resolve().parents[2]
MODULES = {"sdk-v2": "sagemaker", "sdk-v3": "sagemaker.core"}
FRAMEWORKS = ("sklearn", "xgboost", "tensorflow", "pytorch", "huggingface", "mxnet", "chainer")
OURS = {"sklearn", "xgboost", "tensorflow", "pytorch", "huggingface"}

# What belongs to these frameworks, and has no environment: accelerators that are gone, TensorFlow before script mode,
# and Hugging Face on TensorFlow.
REFUSED = ("-eia", "sagemaker-tensorflow:", "huggingface-tensorflow-")

LIST = """
import functools, json, logging, sys, warnings
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
import importlib
image_uris = importlib.import_module(sys.argv[1] + ".image_uris")
utils = getattr(image_uris, "utils", None) or importlib.import_module(sys.argv[1] + ".common_utils")
utils._botocore_resolver = functools.lru_cache(None)(utils._botocore_resolver)  # else a second for each image
image_uris.config_for_framework = functools.lru_cache(None)(image_uris.config_for_framework)
found = []

def uris(framework, config, **options):
    for version, known in config.get("versions", {}).items():
        bases = [name for name, value in known.items() if isinstance(value, dict) and "repository" in value] or [None]
        for base in bases:
            settings = known[base] if base else known
            for python in settings.get("py_versions") or [None]:
                for kind in ("ml.m5.large", "ml.g5.xlarge"):
                    try:
                        uri = image_uris.retrieve(
                            framework, "us-east-1", version=version, py_version=python, instance_type=kind,
                            base_framework_version=base, container_version=None, **options,
                        )
                    except (ValueError, KeyError, TypeError):
                        continue
                    found.append([framework, uri])

for framework in sys.argv[2].split(","):
    config = image_uris.config_for_framework(framework)
    scopes = config.get("scope") or config.get("image_scope") or [s for s in config if s in ("training", "inference")]
    for scope in scopes:
        uris(framework, config.get(scope, config), image_scope=scope)
print(json.dumps(sorted(map(list, set(map(tuple, found))))))
"""


@pytest.fixture(scope="module", params=sorted(MODULES))
def listed(request: pytest.FixtureRequest) -> list[tuple[str, str]]:
    """Framework and URI of every image that an SDK names."""
    python = ROOT / ".cache" / request.param / "bin" / "python"
    if not python.exists():
        pytest.skip(f"{request.param} is not set up: make setup-sdks")
    command = [str(python), "-c", LIST, MODULES[request.param], ",".join(FRAMEWORKS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [(framework, uri) for framework, uri in json.loads(done.stdout.splitlines()[-1])]


def test_each_image_means_an_environment_or_is_refused(listed: list[tuple[str, str]]) -> None:
    counted = dict.fromkeys(FRAMEWORKS, 0)
    for framework, uri in listed:
        counted[framework] += 1
        image = parse_image(uri)
        if framework not in OURS or any(part in f"{image.repository}:" for part in REFUSED):
            with pytest.raises(NotFound, match=image.repository):
                runtime_for(uri)
            continue
        runtime = runtime_for(uri)
        assert runtime.name == framework, uri
        request = runtime.environment(image)
        assert any("==" in requirement for requirement in request.requirements), uri
        assert len(request.notes) <= 1, uri
    assert all(counted.values()), counted
    assert sum(counted.values()) > 200
