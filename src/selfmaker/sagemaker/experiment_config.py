"""Jobs as trial components: the row that each job gets, and how an ExperimentConfig places it among the trials.

The row holds the name, the source and what users add; everything else is worked out from the job (``job_component``),
so that it is never stale. Like AWS, a job without an ExperimentConfig gets a component that belongs to no trial.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection

from selfmaker.aws.operation import Call
from selfmaker.sagemaker import experiment_entity as entity
from selfmaker.sagemaker import trial
from selfmaker.sagemaker.checks import invalid
from selfmaker.sagemaker.experiment_entity import COMPONENT, EXPERIMENT, TRIAL
from selfmaker.store import resources
from selfmaker.store.database import Database
from selfmaker.store.resources import Resource

TRAINING, PROCESSING, TRANSFORM = "SageMakerTrainingJob", "SageMakerProcessingJob", "SageMakerTransformJob"
_SUFFIX = {TRAINING: "-aws-training-job", PROCESSING: "-aws-processing-job", TRANSFORM: "-aws-transform-job"}


def tracked(
    call: Call, config: Mapping[str, str], source_type: str, name: str, arn: str
) -> Callable[[Connection], None]:
    """What to write in the transaction that stores the job with that name and ARN.

    Raises ResourceNotFound at once, and again within the transaction, where the experiment or the trial is not there.
    """
    call.use(Database).read(lambda c: _check(c, call, config))

    def work(connection: Connection) -> None:
        _check(connection, call, config)
        source = {"SourceArn": arn, "SourceType": source_type}
        component = _component(connection, call, config, name + _SUFFIX[source_type], source)
        place = _trial(connection, call, config, name)
        if place is not None:
            trial.associate(connection, component, place)
        _note_run(connection, call, config, source)

    return work


def freeze(call: Call, arn: str, members: Mapping[str, Any]) -> None:
    """The job is about to be forgotten: keep in its component's row what was worked out from the job until now."""

    def work(connection: Connection) -> None:
        for row in resources.of_kind(connection, COMPONENT.kind, call.region):
            if row.state.get("Source", {}).get("SourceArn") == arn:
                entity.change_state(connection, row, Frozen=dict(members))

    entity.within(call, work)


def _check(connection: Connection, call: Call, config: Mapping[str, str]) -> None:
    if "ExperimentName" in config:
        entity.get(connection, call, EXPERIMENT, config["ExperimentName"])
    if "TrialName" in config:
        found = entity.get(connection, call, TRIAL, config["TrialName"])
        wanted = config.get("ExperimentName", found.document["ExperimentName"])
        if found.document["ExperimentName"].lower() != wanted.lower():
            raise invalid(
                f"ExperimentConfig: the trial {config['TrialName']} is not part of the experiment {wanted}, but of "
                f"{found.document['ExperimentName']}."
            )


def _component(
    connection: Connection, call: Call, config: Mapping[str, str], name: str, source: Mapping[str, str]
) -> Resource:
    """The job's component: an earlier job's of the same name is taken over, another's of that name is left alone."""
    display = {"DisplayName": config["TrialComponentDisplayName"]} if "TrialComponentDisplayName" in config else {}
    free = name
    for number in itertools.count(2):
        if not entity.exists(connection, call, COMPONENT, free):
            break
        row = entity.get(connection, call, COMPONENT, free)
        if row.state.get("Source") == source:
            row = entity.change_state(connection, row, Frozen=None)
            return entity.change(connection, row, **display)
        free = f"{name}-{number}"
    return entity.add(connection, call, COMPONENT, {COMPONENT.name: free, **display}, Source=dict(source))


def _trial(connection: Connection, call: Call, config: Mapping[str, str], job: str) -> Resource | None:
    """The trial that the configuration names; for an experiment alone a new one, as AWS makes it."""
    if "TrialName" in config:
        return entity.get(connection, call, TRIAL, config["TrialName"])
    if "ExperimentName" not in config:
        return None
    name, experiment = f"{job}-aws-trial", config["ExperimentName"]
    if not entity.exists(connection, call, TRIAL, name):
        return trial.add(connection, call, {"TrialName": name, "ExperimentName": experiment})
    _check(connection, call, {"TrialName": name, "ExperimentName": experiment})
    return entity.get(connection, call, TRIAL, name)


def _note_run(connection: Connection, call: Call, config: Mapping[str, str], source: Mapping[str, str]) -> None:
    """The run that the job belongs to counts it among its sources."""
    name = config.get("RunName", "")
    if name and entity.exists(connection, call, COMPONENT, name):
        row = entity.get(connection, call, COMPONENT, name)
        known = row.state.get("Sources", [])
        if source not in known:
            entity.change_state(connection, row, Sources=[*known, dict(source)])
