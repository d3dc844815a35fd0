"""The variables by which a job on this image is configured, and where it writes."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MESSAGE = "/opt/ml/output/message"


class UserError(Exception):
    """What the user can put right."""


@dataclass(frozen=True)
class Settings:
    """``format`` is one of csv, json, parquet and sagemakerCaptureJson, ``options`` what is said of it."""

    source: str
    output: str
    format: str
    options: Mapping[str, Any]
    analysis_type: str = "DATA_QUALITY"
    problem_type: str = ""
    inference: str = ""
    probability: str = ""
    threshold: float = 0.5
    ground_truth: str = ""
    baseline_statistics: str = ""
    baseline_constraints: str = ""
    preprocessor: str = ""
    postprocessor: str = ""
    categorical_drift_method: str = "LInfinity"

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> Settings:
        """Raises UserError."""
        for name in ("dataset_source", "dataset_format", "output_path"):
            if not variables.get(name):
                raise UserError(f"The environment variable {name} is missing.")
        form, options = _format(variables["dataset_format"])
        return cls(
            source=variables["dataset_source"],
            output=variables["output_path"],
            format=form,
            options=options,
            analysis_type=variables.get("analysis_type") or "DATA_QUALITY",
            problem_type=variables.get("problem_type", ""),
            inference=variables.get("inference_attribute", ""),
            probability=variables.get("probability_attribute", ""),
            threshold=_number(variables.get("probability_threshold_attribute") or "0.5"),
            ground_truth=variables.get("ground_truth_attribute", ""),
            baseline_statistics=variables.get("baseline_statistics", ""),
            baseline_constraints=variables.get("baseline_constraints", ""),
            preprocessor=variables.get("record_preprocessor_script", ""),
            postprocessor=variables.get("post_analytics_processor_script", ""),
            categorical_drift_method=variables.get("categorical_drift_method") or "LInfinity",
        )

    def write(self, name: str, document: Mapping[str, Any]) -> None:
        """A result of the job's."""
        os.makedirs(self.output, exist_ok=True)
        with open(os.path.join(self.output, name), "w") as file:
            json.dump(_finite(document), file, indent=2)
            file.write("\n")


def _finite(document: Any) -> Any:
    """A document without numbers that JSON lacks: they are texts, as AWS's image writes them."""
    if isinstance(document, dict):
        return {name: _finite(value) for name, value in document.items()}
    if isinstance(document, (list, tuple)):
        return [_finite(value) for value in document]
    if isinstance(document, float) and not math.isfinite(document):
        return "NaN" if math.isnan(document) else "Infinity" if document > 0 else "-Infinity"
    return document


def read_json(path: str) -> dict[str, Any]:
    """A baseline's file. Raises UserError."""
    try:
        with open(path) as file:
            document = json.load(file)
    except (OSError, ValueError) as error:
        raise UserError(f"The baseline {path} cannot be read: {error}") from None
    if not isinstance(document, dict):
        raise UserError(f"The baseline {path} is no JSON object.")
    return document


def _format(text: str) -> tuple[str, Mapping[str, Any]]:
    try:
        [(name, options)] = json.loads(text).items()
    except (ValueError, AttributeError):
        raise UserError(f"dataset_format {text!r} is no JSON object with one member.") from None
    known = {"csv": "csv", "json": "json", "parquet": "parquet", "sagemakercapturejson": "sagemakerCaptureJson"}
    if name.lower() not in known:
        raise UserError(f"dataset_format {name!r} is none of {', '.join(known.values())}.")
    return known[name.lower()], {key.lower(): value for key, value in (options or {}).items()}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UserError(f"probability_threshold_attribute {text!r} is no number.") from None
