"""Trial components: runs, and the steps that jobs are, with their parameters, artifacts and metrics."""

from typing import Any

from sqlalchemy import Connection

from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import page
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.aws.output import describe
from selfmaker.sagemaker import experiment_entity as entity
from selfmaker.sagemaker import trial
from selfmaker.sagemaker.checks import invalid
from selfmaker.sagemaker.experiment_entity import COMPONENT, EXPERIMENT, TRIAL
from selfmaker.sagemaker.trial_component_view import View, measured, merged
from selfmaker.store import trial_metrics
from selfmaker.store.resources import Resource

_MAPS = {"Parameters": 300, "InputArtifacts": 60, "OutputArtifacts": 60}  # with the most that each may hold
_FILTERS = ("ExperimentName", "TrialName", "SourceArn")


@operation("sagemaker", "CreateTrialComponent")
def create_trial_component(call: Call, request: Request) -> Output:
    _check_parameters(request)
    row = entity.within(call, lambda c: entity.add(c, call, COMPONENT, request))
    return {"TrialComponentArn": row.arn}


@operation("sagemaker", "DescribeTrialComponent")
def describe_trial_component(call: Call, request: Request) -> Output:
    name = request["TrialComponentName"].rpartition("/")[2]  # or an ARN
    row = entity.find(call, COMPONENT, name)
    [component] = measured(call, [View.of_one(call, row).described(row)])
    return describe("sagemaker", "DescribeTrialComponent", component)


@operation("sagemaker", "ListTrialComponents")
def list_trial_components(call: Call, request: Request) -> Output:
    if sum(member in request for member in _FILTERS) > 1:
        raise invalid("Give only one of the filters ExperimentName, TrialName and SourceArn.")
    view = View.of_all(call)
    found = [view.described(row) for row in _filtered(call, request)]
    for component in found:
        component["TrialComponentSource"] = component.get("Source")
    listed = page(found, request, "TrialComponentSummaries", name="TrialComponentName")
    return describe("sagemaker", "ListTrialComponents", listed)


@operation("sagemaker", "UpdateTrialComponent")
def update_trial_component(call: Call, request: Request) -> Output:
    _check_parameters(request)

    def work(connection: Connection) -> Resource:
        row = entity.get(connection, call, COMPONENT, request["TrialComponentName"])
        changes = {k: v for k, v in request.items() if k in ("DisplayName", "Status", "StartTime", "EndTime")}
        for member, most in _MAPS.items():
            changes[member] = _changed(row, request, member)
            if len(merged({}, changes[member])) > most:
                raise AwsError("ResourceLimitExceeded", f"A trial component can have at most {most} {member}.")
        return entity.change(connection, row, **changes)

    return {"TrialComponentArn": entity.within(call, work).arn}


@operation("sagemaker", "DeleteTrialComponent")
def delete_trial_component(call: Call, request: Request) -> Output:
    def work(connection: Connection) -> Resource:
        row = entity.get(connection, call, COMPONENT, request["TrialComponentName"])
        if trial.trials_of(row):
            raise invalid(
                f"The trial component {row.document['TrialComponentName']} is associated with a trial. "
                "Disassociate a trial component from all trials before you delete it."
            )
        entity.remove(connection, row)
        trial_metrics.forget(connection, row.arn)
        return row

    return {"TrialComponentArn": entity.within(call, work).arn}


@operation("sagemaker", "AssociateTrialComponent")
def associate_trial_component(call: Call, request: Request) -> Output:
    return _place(call, request, associate=True)


@operation("sagemaker", "DisassociateTrialComponent")
def disassociate_trial_component(call: Call, request: Request) -> Output:
    return _place(call, request, associate=False)


def _place(call: Call, request: Request, *, associate: bool) -> Output:
    def work(connection: Connection) -> Output:
        component = entity.get(connection, call, COMPONENT, request["TrialComponentName"])
        place = entity.get(connection, call, TRIAL, request["TrialName"])
        (trial.associate if associate else trial.disassociate)(connection, component, place)
        return {"TrialComponentArn": component.arn, "TrialArn": place.arn}

    return entity.within(call, work)


def _filtered(call: Call, request: Request) -> list[Resource]:
    rows = entity.rows(call, COMPONENT)
    if "SourceArn" in request:
        wanted = request["SourceArn"].lower()  # clients send it in lower case
        return [row for row in rows if row.state.get("Source", {}).get("SourceArn", "").lower() == wanted]
    if "TrialName" in request:
        place = entity.find(call, TRIAL, request["TrialName"])
        return [row for row in rows if place.name in trial.trials_of(row)]
    if "ExperimentName" in request:
        experiment = entity.find(call, EXPERIMENT, request["ExperimentName"])
        trials = entity.rows(call, TRIAL)
        names = {row.name for row in trials if row.document["ExperimentName"].lower() == experiment.name}
        return [row for row in rows if names.intersection(trial.trials_of(row))]
    return rows


def _changed(row: Resource, request: Request, member: str) -> dict[str, Any]:
    """The component's own map with what the request adds. What it removes is kept as None in a job's component, where
    the name may come from the job."""
    values = {**row.document.get(member, {}), **request.get(member, {})}
    for name in request.get(f"{member}ToRemove", []):
        values[name] = None
    return values if "Source" in row.state else {name: value for name, value in values.items() if value is not None}


def _check_parameters(request: Request) -> None:
    for name, value in request.get("Parameters", {}).items():
        if len(value) != 1:
            raise invalid(f"Parameters.{name} must have exactly one of StringValue and NumberValue.")
