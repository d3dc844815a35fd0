"""Trials: sets of trial components, each part of one experiment."""

from typing import Any

from sqlalchemy import Connection

from selfmaker.aws.listing import page
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.aws.output import describe
from selfmaker.sagemaker import experiment_entity as entity
from selfmaker.sagemaker.checks import invalid
from selfmaker.sagemaker.experiment_entity import COMPONENT, EXPERIMENT, TRIAL
from selfmaker.store import resources
from selfmaker.store.resources import Resource


@operation("sagemaker", "CreateTrial")
def create_trial(call: Call, request: Request) -> Output:
    return {"TrialArn": entity.within(call, lambda c: add(c, call, request)).arn}


@operation("sagemaker", "DescribeTrial")
def describe_trial(call: Call, request: Request) -> Output:
    return describe("sagemaker", "DescribeTrial", described(entity.find(call, TRIAL, request["TrialName"])))


@operation("sagemaker", "ListTrials")
def list_trials(call: Call, request: Request) -> Output:
    found = entity.rows(call, TRIAL)
    if "ExperimentName" in request:
        experiment = entity.find(call, EXPERIMENT, request["ExperimentName"])
        found = [row for row in found if row.document["ExperimentName"].lower() == experiment.name]
    if "TrialComponentName" in request:
        component = entity.find(call, COMPONENT, request["TrialComponentName"])
        found = [row for row in found if row.name in trials_of(component)]
    listed = page([described(row) for row in found], request, "TrialSummaries", name="TrialName")
    return describe("sagemaker", "ListTrials", listed)


@operation("sagemaker", "UpdateTrial")
def update_trial(call: Call, request: Request) -> Output:
    def work(connection: Connection) -> Resource:
        row = entity.get(connection, call, TRIAL, request["TrialName"])
        return entity.change(connection, row, **{k: v for k, v in request.items() if k != "TrialName"})

    return {"TrialArn": entity.within(call, work).arn}


@operation("sagemaker", "DeleteTrial")
def delete_trial(call: Call, request: Request) -> Output:
    def work(connection: Connection) -> Resource:
        row = entity.get(connection, call, TRIAL, request["TrialName"])
        components = resources.of_kind(connection, COMPONENT.kind, call.region)
        if any(row.name in trials_of(component) for component in components):
            raise invalid(
                f"The trial {row.document['TrialName']} has trial components. "
                "Disassociate all trial components from a trial before you delete it."
            )
        entity.remove(connection, row)
        return row

    return {"TrialArn": entity.within(call, work).arn}


def add(connection: Connection, call: Call, request: Request) -> Resource:
    """A new trial of an experiment that must be there."""
    experiment = entity.get(connection, call, EXPERIMENT, request["ExperimentName"])
    named = {**request, "ExperimentName": experiment.document["ExperimentName"]}
    return entity.add(connection, call, TRIAL, named)


def associate(connection: Connection, component: Resource, trial: Resource) -> Resource:
    """Make the component part of the trial; nothing happens when it is that already."""
    known = trials_of(component)
    if trial.name in known:
        return component
    return entity.change_state(connection, component, Trials=[*known, trial.name])


def disassociate(connection: Connection, component: Resource, trial: Resource) -> Resource:
    """The reverse of ``associate``."""
    known = trials_of(component)
    if trial.name not in known:
        return component
    return entity.change_state(connection, component, Trials=[name for name in known if name != trial.name])


def trials_of(component: Resource) -> list[str]:
    """The row names of the trials that a component is part of, in the order of their association."""
    names: list[str] = component.state.get("Trials", [])
    return names


def described(row: Resource) -> dict[str, Any]:
    """In the members of DescribeTrial, and of Search's Trial."""
    return entity.described(row, TRIAL)
