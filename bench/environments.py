"""How long the first job of an image waits for its environment, beside a virtual environment that pip fills.

Cold: nothing is cached, all packages are fetched. Warm: both caches have them. Both install the same requirements, and
both compile bytecode. Needs a package index; where there is none, there are no rows.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report import Row, print_table

from selfmaker.errors import Unavailable
from selfmaker.runtimes.base import EnvironmentRequest
from selfmaker.runtimes.catalog import parse_image, runtime_for
from selfmaker.runtimes.environments import Environments

IMAGE = "sagemaker-scikit-learn:1.4-2-cpu-py3"


def run() -> list[Row]:
    request = runtime_for(IMAGE).environment(parse_image(IMAGE))
    with tempfile.TemporaryDirectory(prefix="selfmaker-bench-") as folder:
        place = Path(folder)
        before = os.environ.get("UV_CACHE_DIR")
        os.environ["UV_CACHE_DIR"] = str(place / "uv")
        try:
            return [_row(place, request, case) for case in ("cold", "warm")] + [_found_again(place, request)]
        except (Unavailable, subprocess.CalledProcessError) as error:
            print(f"no environment can be built here: {error}", file=sys.stderr)
            return []
        finally:
            if before is None:
                del os.environ["UV_CACHE_DIR"]
            else:
                os.environ["UV_CACHE_DIR"] = before


def _row(place: Path, request: EnvironmentRequest, case: str) -> Row:
    started = time.perf_counter()
    built = Environments(place / f"ours-{case}").build(request, _quiet)
    ours = time.perf_counter() - started
    peer = _by_pip(place, request, case, str(built.python.resolve()))
    name = f"environment of {IMAGE.partition('-cpu')[0]}, {case}, beside venv and pip"
    return Row("environments", name, ours, peer, "s", f"{peer / ours:.1f}x faster", "")


def _by_pip(place: Path, request: EnvironmentRequest, case: str, python: str) -> float:
    folder = place / f"pip-{case}"
    environment = {**os.environ, "PIP_CACHE_DIR": str(place / "pip-cache"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    started = time.perf_counter()
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--only-binary", ":all:"]
    subprocess.run([*command, *request.requirements], check=True, env=environment, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def _found_again(place: Path, request: EnvironmentRequest) -> Row:
    environments = Environments(place / "ours-warm")
    started = time.perf_counter()
    environments.build(request, _quiet)
    ours = (time.perf_counter() - started) * 1000
    return Row("environments", "the same, when it is there already", ours, None, "ms", "-", "")


def _quiet(_line: str) -> None:
    """The bench's own lines are enough."""


def main() -> int:
    print_table(run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
