"""Search: one query language over the resources of a type, seen as their Describe operations show them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from selfmaker.aws.listing import page_of
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.aws.output import cut
from selfmaker.jobs.engine import Jobs
from selfmaker.sagemaker import (
    experiment_search,
    feature_group,
    feature_metadata,
    hosting_search,
    model_card,
    model_package,
    model_package_group,
    pipeline_search,
    training_job,
)
from selfmaker.sagemaker.search_filter import admits, check, values_at, with_tag_paths
from selfmaker.sagemaker.tag import tag_list
from selfmaker.settings import Settings
from selfmaker.store.resources import Resources
from selfmaker.store.tags import Tags

Documents = list[dict[str, Any]]


@dataclass(frozen=True)
class Kind:
    """What a Resource of the request's stands for: the member and shape of a result, where the documents come from, and
    what completes those that are shown, too dear to be done for all."""

    member: str
    documents: Callable[[Call], Documents]
    completed: Callable[[Call, Documents], Documents] = lambda call, documents: documents
    shape: str = ""  # of a result, where it has another name than the member


@operation("sagemaker", "Search")
def search(call: Call, request: Request) -> Output:
    kind, expression = _kind(request["Resource"]), request.get("SearchExpression", {})
    check(expression)
    documents, by_metrics = kind.documents(call), _names_metrics(request)
    if by_metrics:
        documents = kind.completed(call, documents)
    found = [document for document in documents if admits(expression, document)]
    _sort(found, request.get("SortBy", "LastModifiedTime"), request.get("SortOrder", "Descending"))
    results, token = page_of(found, request)
    if not by_metrics:
        results = kind.completed(call, results)
    output: dict[str, Any] = {
        "Results": [{kind.member: cut("sagemaker", kind.shape or kind.member, document)} for document in results],
        "TotalHits": {"Value": len(found), "Relation": "EqualTo"},
    }
    if token is not None:
        output["NextToken"] = token
    return output


def documents_of(call: Call, resource: str) -> Documents:
    """All resources of a type, with all that can be searched for."""
    kind = _kind(resource)
    return kind.completed(call, kind.documents(call))


def _kind(resource: str) -> Kind:
    return _SEARCHABLE.get(resource, Kind(resource, _none))


def _training_jobs(call: Call) -> Documents:
    jobs = call.use(Jobs).of_kind(training_job.KIND, call.region)
    tags = call.use(Tags).of_all([job.arn for job in jobs])
    documents = []
    for job in jobs:
        document = training_job.described(job, call.use(Settings).spot_discount)
        document["Tags"] = tag_list(tags.get(job.arn, {}))
        document["Metrics"] = {m["MetricName"]: m["Value"] for m in document["FinalMetricDataList"] or []}
        documents.append(with_tag_paths(document))
    return documents


def _model_cards(call: Call) -> Documents:
    rows = call.use(Resources).list(model_card.KIND, call.region)
    return _tagged(call, [model_card.found(row) for row in rows], "ModelCardArn")


def _model_packages(call: Call) -> Documents:
    rows = call.use(Resources).list(model_package.KIND, call.region)
    found = [{**model_package.described(row), "LastModifiedTime": row.modified} for row in rows]
    tagged = _tagged(call, found, "ModelPackageArn")
    groups = {group["ModelPackageGroupName"]: group for group in _model_package_groups(call)}
    return [_with_tags_of(groups.get(document.get("ModelPackageGroupName", "")), document) for document in tagged]


def _with_tags_of(group: dict[str, Any] | None, package: dict[str, Any]) -> dict[str, Any]:
    """A version has the tags of its group."""
    if group is None:
        return package
    return {
        **{name: value for name, value in group.items() if name.startswith("Tags")},
        **package,
        "Tags": group["Tags"],
    }


def _model_package_groups(call: Call) -> Documents:
    rows = call.use(Resources).list(model_package_group.KIND, call.region)
    return _tagged(call, [model_package_group.described(row) for row in rows], "ModelPackageGroupArn")


def _feature_groups(call: Call) -> Documents:
    rows = call.use(Resources).list(feature_group.KIND, call.region)
    return _tagged(call, [feature_group.described(row) for row in rows], "FeatureGroupArn")


def _feature_metadata(call: Call) -> Documents:
    rows = call.use(Resources).list(feature_group.KIND, call.region)
    features = [(row, definition["FeatureName"]) for row in rows for definition in row.document["FeatureDefinitions"]]
    return [feature_metadata.found(row, name) for row, name in features]


def _tagged(call: Call, documents: Documents, arn: str) -> Documents:
    tags = call.use(Tags).of_all([document[arn] for document in documents])
    return [with_tag_paths({**document, "Tags": tag_list(tags.get(document[arn], {}))}) for document in documents]


def _none(call: Call) -> Documents:
    return []


def _sort(documents: Documents, path: str, order: str) -> None:
    """In place; documents without the property come last in either order."""

    def key(document: dict[str, Any]) -> tuple[bool, float, str]:
        value = next((v for v in values_at(document, path) if v is not None), None)
        number = float(value) if isinstance(value, (int, float)) else 0.0
        return (value is not None, number, "" if isinstance(value, (int, float)) else str(value))

    documents.sort(key=key, reverse=order == "Descending")
    documents.sort(key=lambda document: not key(document)[0])


def _names_metrics(request: Request) -> bool:
    """Whether metrics decide on which documents are found, or on their order."""
    return "metrics" in json.dumps([request.get("SearchExpression"), request.get("SortBy")]).lower()


_SEARCHABLE: Mapping[str, Kind] = {
    "Endpoint": Kind("Endpoint", hosting_search.endpoints),
    "Model": Kind("Model", hosting_search.models, shape="ModelDashboardModel"),
    "FeatureGroup": Kind("FeatureGroup", _feature_groups),
    "FeatureMetadata": Kind("FeatureMetadata", _feature_metadata),
    "TrainingJob": Kind("TrainingJob", _training_jobs),
    "ModelCard": Kind("ModelCard", _model_cards),
    "ModelPackage": Kind("ModelPackage", _model_packages),
    "ModelPackageGroup": Kind("ModelPackageGroup", _model_package_groups),
    "Pipeline": Kind("Pipeline", pipeline_search.pipelines),
    "PipelineVersion": Kind("PipelineVersion", pipeline_search.versions),
    "PipelineExecution": Kind("PipelineExecution", pipeline_search.executions),
    "Experiment": Kind("Experiment", experiment_search.experiments),
    "ExperimentTrial": Kind("Trial", experiment_search.trials),
    "ExperimentTrialComponent": Kind(
        "TrialComponent", experiment_search.trial_components, experiment_search.measured_components
    ),
}
