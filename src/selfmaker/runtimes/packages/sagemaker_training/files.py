"""Small files of the contract."""

from __future__ import annotations

import json
import os
from typing import Any

OUTPUT = "/opt/ml/output"


def read_json(path: str) -> Any:
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def read_file(path: str, mode: str = "r") -> Any:
    with open(path, mode) as file:
        return file.read()


def write_file(path: str, data: Any, mode: str = "w") -> None:
    with open(path, mode) as file:
        file.write(data)


def write_success_file() -> None:
    write_file(os.path.join(OUTPUT, "success"), "")


def write_failure_file(failure_msg: str) -> None:
    """What FailureReason will say."""
    write_file(os.path.join(OUTPUT, "failure"), failure_msg)
