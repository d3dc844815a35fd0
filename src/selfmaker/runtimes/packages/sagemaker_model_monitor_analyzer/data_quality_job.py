"""A job about a dataset's quality: statistics and constraints, or, with a baseline, statistics and violations."""

from __future__ import annotations

from sagemaker_model_monitor_analyzer import comparison, dataset, statistics
from sagemaker_model_monitor_analyzer.settings import Settings, read_json


def run(settings: Settings) -> str:
    """The message of the job's end. Raises UserError."""
    table = dataset.load(settings)
    constraints = read_json(settings.baseline_constraints) if settings.baseline_constraints else None
    if constraints is not None:
        table = _named(table, [feature["name"] for feature in constraints.get("features", [])])
    described = statistics.describe(table)
    settings.write("statistics.json", described)
    settings.write("constraints.json", statistics.constraints(table, described, settings.categorical_drift_method))
    count = 0
    if constraints is not None:
        baseline = read_json(settings.baseline_statistics) if settings.baseline_statistics else {}
        found = comparison.violations(table, constraints, baseline)
        settings.write("constraint_violations.json", {"violations": found})
        count = len(found)
    dataset.postprocess(settings)
    return message(count)


def message(violations: int) -> str:
    """As AWS's image words it."""
    if violations:
        return f"CompletedWithViolations: Job completed successfully with {violations} violations."
    return "Completed: Job completed successfully with no violations."


def _named(table: dataset.pd.DataFrame, names: list[str]) -> dataset.pd.DataFrame:
    """Columns without names of their own take those of the baseline, where the numbers agree."""
    if len(names) == len(table.columns) and all(name.startswith("_c") for name in table.columns):
        table.columns = names
    return table
