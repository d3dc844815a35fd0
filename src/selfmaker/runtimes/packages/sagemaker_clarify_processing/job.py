"""The job: where its inputs and outputs are, and what is to be analyzed."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BASE = "/opt/ml/processing"
CONFIG = "/opt/ml/config"
MESSAGE = "/opt/ml/output/message"
REFUSED = {
    "time_series_data_config": "explanations of time series",
    "facet_dataset_uri": "facets in a dataset of their own",
}


class UserError(Exception):
    """What the user can put right."""


@dataclass(frozen=True)
class Job:
    """``config`` is the analysis configuration. ``baseline``: the file of an earlier analysis to check against."""

    config: Mapping[str, Any]
    dataset: str
    output: str
    name: str = "clarify"
    first_host: bool = True
    isolated: bool = False
    baseline: str = ""

    @classmethod
    def read(cls) -> Job:
        """From the container's files. Raises UserError."""
        document = _json(f"{CONFIG}/processingjobconfig.json") or {}
        inputs = {i["InputName"]: i["S3Input"]["LocalPath"] for i in document.get("ProcessingInputs") or []}
        outputs = (document.get("ProcessingOutputConfig") or {}).get("Outputs") or []
        folder = inputs.get("analysis_config", f"{BASE}/input/config")
        config = _json(os.path.join(folder, "analysis_config.json"))
        if not isinstance(config, dict):
            raise UserError(f"There is no analysis_config.json in {folder}.")
        resources = _json(f"{CONFIG}/resourceconfig.json") or {"current_host": "", "hosts": [""]}
        job = cls(
            config=config,
            dataset=inputs.get("dataset", f"{BASE}/input/data"),
            output=outputs[0]["S3Output"]["LocalPath"] if outputs else f"{BASE}/output",
            name=document.get("ProcessingJobName", "clarify"),
            first_host=resources["current_host"] == resources["hosts"][0],
            isolated=bool((document.get("NetworkConfig") or {}).get("EnableNetworkIsolation")),
            baseline=os.environ.get("baseline_constraints", ""),  # noqa: SIM112 - as it is set
        )
        job.check()
        return job

    @property
    def methods(self) -> Mapping[str, Any]:
        """What to work out, by its name."""
        found: Mapping[str, Any] = self.config.get("methods") or {}
        return found

    def check(self) -> None:
        """Raises UserError for what is not there."""
        for member, words in REFUSED.items():
            if member in self.config:
                raise UserError(f"{words} ({member}) are not available here.")
        if self.config.get("dataset_type") == "application/x-image":
            raise UserError("explanations of images are not available here.")
        shap = self.methods.get("shap") or {}
        for member in ("text_config", "image_config"):
            if member in shap:
                raise UserError(f"methods.shap.{member} is not available here: only tables are explained.")
        if "asymmetric_shapley_value" in self.methods:
            raise UserError("methods.asymmetric_shapley_value (time series) is not available here.")
        if not any(name in self.methods for name in ("shap", "pdp", "pre_training_bias", "post_training_bias")):
            raise UserError("methods: there is nothing to do.")

    def path(self, *names: str) -> str:
        """A file of the output; its folder is made."""
        path = os.path.join(self.output, *names)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def write(self, name: str, document: Any) -> None:
        with open(self.path(name), "w") as file:
            json.dump(finite(document), file, indent=2)
            file.write("\n")


def finite(document: Any) -> Any:
    """A document without numbers that JSON lacks: null stands for them."""
    if isinstance(document, dict):
        return {name: finite(value) for name, value in document.items()}
    if isinstance(document, (list, tuple)):
        return [finite(value) for value in document]
    return None if isinstance(document, float) and not math.isfinite(document) else document


def read_baseline(path: str) -> Mapping[str, Any]:
    """An earlier analysis.json. Raises UserError."""
    document = _json(path)
    if not isinstance(document, dict):
        raise UserError(f"The baseline {path} is no analysis.")
    return document


def _json(path: str) -> Any:
    try:
        with open(path) as file:
            return json.load(file)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise UserError(f"{path} is no JSON: {error}") from None
