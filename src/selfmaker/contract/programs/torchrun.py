"""The environment's torchrun, on a port of the job's own.

The SDKs' drivers name port 7777, the same for all jobs: on AWS each host is a machine, here jobs share one. Left out,
torchrun takes PET_MASTER_PORT instead. Runs in the job's sandbox (Python 3.8 and later).
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

OF_THE_SDKS = "7777"
OPTIONS = ("--master_port", "--master-port")


def without_shared_port(given: list[str]) -> list[str]:
    """The arguments up to the script without the SDKs' port; what belongs to the script stays."""
    found: list[str] = []
    arguments = iter(given)
    for argument in arguments:
        if argument == "-m" or argument.endswith(".py"):
            return [*found, argument, *arguments]
        name, equals, value = argument.partition("=")
        if name not in OPTIONS:
            found.append(argument)
            continue
        if not equals:
            value = next(arguments, "")
        if value != OF_THE_SDKS:
            found += [name, value]
    return found


def main() -> NoReturn:
    ours = Path(__file__).parent / "torch"
    folders = [folder for folder in os.environ.get("PATH", "").split(":") if Path(folder) != ours]
    path = shutil.which("torchrun", path=":".join(folders))
    if path is None:
        sys.stderr.write("torchrun: not found: this image's environment has no PyTorch\n")
        sys.exit(127)
    arguments = sys.argv[1:]
    if os.environ.get("PET_MASTER_PORT"):
        arguments = without_shared_port(arguments)
    os.execv(path, [path, *arguments])


if __name__ == "__main__":
    main()
