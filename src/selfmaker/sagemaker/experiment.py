"""Experiments: collections of trials to compare."""

from typing import Any

from sqlalchemy import Connection

from selfmaker.aws.listing import page
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.aws.output import describe
from selfmaker.sagemaker import experiment_entity as entity
from selfmaker.sagemaker.checks import invalid
from selfmaker.sagemaker.experiment_entity import EXPERIMENT, TRIAL
from selfmaker.store import resources
from selfmaker.store.resources import Resource


@operation("sagemaker", "CreateExperiment")
def create_experiment(call: Call, request: Request) -> Output:
    row = entity.within(call, lambda c: entity.add(c, call, EXPERIMENT, request))
    return {"ExperimentArn": row.arn}


@operation("sagemaker", "DescribeExperiment")
def describe_experiment(call: Call, request: Request) -> Output:
    return describe("sagemaker", "DescribeExperiment", described(entity.find(call, EXPERIMENT, _name(request))))


@operation("sagemaker", "ListExperiments")
def list_experiments(call: Call, request: Request) -> Output:
    found = [described(row) for row in entity.rows(call, EXPERIMENT)]
    listed = page(found, request, "ExperimentSummaries", name="ExperimentName")
    return describe("sagemaker", "ListExperiments", listed)


@operation("sagemaker", "UpdateExperiment")
def update_experiment(call: Call, request: Request) -> Output:
    def work(connection: Connection) -> Resource:
        row = entity.get(connection, call, EXPERIMENT, _name(request))
        return entity.change(connection, row, **{k: v for k, v in request.items() if k != "ExperimentName"})

    return {"ExperimentArn": entity.within(call, work).arn}


@operation("sagemaker", "DeleteExperiment")
def delete_experiment(call: Call, request: Request) -> Output:
    def work(connection: Connection) -> Resource:
        row = entity.get(connection, call, EXPERIMENT, _name(request))
        trials = resources.of_kind(connection, TRIAL.kind, call.region)
        if any(trial.document["ExperimentName"].lower() == row.name for trial in trials):
            raise invalid(
                f"The experiment {row.document['ExperimentName']} has trials. "
                "Delete all trials of an experiment before the experiment."
            )
        entity.remove(connection, row)
        return row

    return {"ExperimentArn": entity.within(call, work).arn}


def described(row: Resource) -> dict[str, Any]:
    """In the members of DescribeExperiment, and of Search's Experiment."""
    return entity.described(row, EXPERIMENT)


def _name(request: Request) -> str:
    name: str = request["ExperimentName"]
    return name
