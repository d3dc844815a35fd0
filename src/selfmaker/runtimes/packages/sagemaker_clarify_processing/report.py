"""The report for people: a page, and a notebook with the same tables."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from typing import Any

from sagemaker_clarify_processing.job import Job

Rows = list[list[str]]


def write(job: Job, analysis: Mapping[str, Any]) -> None:
    """Nothing where no report was asked for."""
    if "report" not in job.methods:
        return
    settings = job.methods["report"] or {}
    name, title = settings.get("name", "report"), settings.get("title", "Analysis Report")
    sections = list(_sections(analysis))
    with open(job.path(f"{name}.html"), "w") as file:
        file.write(_page(title, sections))
    with open(job.path(f"{name}.ipynb"), "w") as file:
        json.dump(_notebook(title, sections), file, indent=1)


def _sections(analysis: Mapping[str, Any]) -> Iterator[tuple[str, Rows]]:
    """A heading, and a table whose first row names the columns."""
    for member, words in (
        ("pre_training_bias_metrics", "Pre-training"),
        ("post_training_bias_metrics", "Post-training"),
    ):
        section = analysis.get(member) or {}
        for facet, groups in (section.get("facets") or {}).items():
            for group in groups:
                rows = [["Metric", "Value"], *([m["description"], _number(m["value"])] for m in group["metrics"])]
                yield f"{words} bias of {section['label']} for {facet}: {group['value_or_threshold']}", rows
    explanations = analysis.get("explanations") or {}
    for label, explained in (explanations.get("kernel_shap") or {}).items():
        values = sorted(explained["global_shap_values"].items(), key=lambda item: -item[1])
        yield f"SHAP values of {label}", [["Feature", "Value"], *([name, _number(value)] for name, value in values)]
    for dependence in explanations.get("pdp") or ():
        pairs = zip(dependence["feature_values"], dependence["model_predictions"][0])
        rows = [["Value", "Prediction"], *([str(value), _number(answer)] for value, answer in pairs)]
        yield f"Partial dependence on {dependence['feature_name']}", rows


def _number(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "-" if value is None else f"{value:.6g}"


def _page(title: str, sections: list[tuple[str, Rows]]) -> str:
    parts = [f"<h1>{html.escape(title)}</h1>"]
    for heading, rows in sections:
        lines = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows]
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        parts.append(f"<h2>{html.escape(heading)}</h2><table>{body}</table>")
    style = "body{font-family:sans-serif}td{padding:2px 12px 2px 0}tr:first-child{font-weight:bold}"
    head = f"<meta charset='utf-8'><title>{html.escape(title)}</title><style>{style}</style>"
    return f"<!DOCTYPE html><html><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def _notebook(title: str, sections: list[tuple[str, Rows]]) -> dict[str, Any]:
    texts = [f"# {title}"]
    for heading, (columns, *rows) in sections:
        lines = [" | ".join(columns), " | ".join("---" for _ in columns), *(" | ".join(row) for row in rows)]
        texts.append(f"## {heading}\n\n" + "\n".join(lines))
    cells = [{"cell_type": "markdown", "metadata": {}, "source": text.splitlines(keepends=True)} for text in texts]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
