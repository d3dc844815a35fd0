"""Experiments, trials and trial components as Search sees them."""

from typing import Any

from selfmaker.aws.operation import Call
from selfmaker.sagemaker import experiment, experiment_entity, trial
from selfmaker.sagemaker.experiment_entity import COMPONENT, EXPERIMENT, TRIAL
from selfmaker.sagemaker.search_filter import with_tag_paths
from selfmaker.sagemaker.tag import tag_list
from selfmaker.sagemaker.trial_component_view import View, measured
from selfmaker.store.tags import Tags

Document = dict[str, Any]


def experiments(call: Call) -> list[Document]:
    found = [experiment.described(row) for row in experiment_entity.rows(call, EXPERIMENT)]
    return _tagged(call, found, EXPERIMENT.arn)


def trials(call: Call) -> list[Document]:
    members: dict[str, list[Document]] = {}
    view = View.of_all(call)
    for row in experiment_entity.rows(call, COMPONENT):
        component = view.described(row)
        for name in trial.trials_of(row):
            members.setdefault(name, []).append({**component, "TrialComponentSource": component.get("Source")})
    found = [
        {**trial.described(row), "TrialComponentSummaries": members.get(row.name, [])}
        for row in experiment_entity.rows(call, TRIAL)
    ]
    return _tagged(call, found, TRIAL.arn)


def trial_components(call: Call) -> list[Document]:
    """Without their metrics, which are looked up for those that are shown, or that are chosen by them."""
    view = View.of_all(call)
    found = [view.found(row) for row in experiment_entity.rows(call, COMPONENT)]
    return [_with_parameter_paths(document) for document in _tagged(call, found, COMPONENT.arn)]


def measured_components(call: Call, documents: list[Document]) -> list[Document]:
    """With their metrics, and the paths to them."""
    return [_with_metric_paths(document) for document in measured(call, documents)]


def _tagged(call: Call, documents: list[Document], arn: str) -> list[Document]:
    tags = call.use(Tags).of_all([document[arn] for document in documents])
    return [with_tag_paths({**document, "Tags": tag_list(tags.get(document[arn], {}))}) for document in documents]


def _with_metric_paths(document: Document) -> Document:
    """With the paths by which clients sort and filter: ``Metrics.NAME.Max`` and, as AWS's documentation also has it,
    ``metrics.NAME.max``."""
    paths: Document = {}
    for metric in document["Metrics"]:
        statistics = {name: value for name, value in metric.items() if name not in ("MetricName", "SourceArn")}
        both = {**statistics, **{name.lower(): value for name, value in statistics.items()}}
        paths |= {f"{word}.{metric['MetricName']}": both for word in ("Metrics", "metrics")}
    return {**paths, **document}


def _with_parameter_paths(document: Document) -> Document:
    """With ``Parameters.NAME`` and ``parameters.NAME``."""
    paths: Document = {}
    for name, value in document["Parameters"].items():
        plain = value.get("NumberValue", value.get("StringValue"))
        paths |= {f"{word}.{name}": plain for word in ("Parameters", "parameters")}
    return {**paths, **document}
