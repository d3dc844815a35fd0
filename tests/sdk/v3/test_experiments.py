"""``sagemaker.core.experiments``: runs, and a training job under one."""

import uuid

import pytest
from sagemaker.core.experiments.experiment import Experiment
from sagemaker.core.experiments.run import Run, list_runs, load_run
from sagemaker.core.resources import TrialComponent


@pytest.fixture
def experiment():
    return f"exp-{uuid.uuid4().hex[:8]}"


def test_runs_are_logged_loaded_and_listed(session, experiment):
    for number in range(2):
        with Run(experiment_name=experiment, run_name=f"r{number}", sagemaker_session=session) as run:
            run.log_parameter("depth", number)
            run.log_metric("acc", 0.5 + number, step=number)
    with load_run(experiment_name=experiment, run_name="r1", sagemaker_session=session) as again:
        assert again._trial_component.parameters == {"depth": 1.0}
    names = [run.run_name for run in list_runs(experiment_name=experiment, sagemaker_session=session)]
    assert names == ["r1", "r0"]
    component = TrialComponent.get(trial_component_name=f"{experiment}-r1")
    [metric] = component.metrics
    assert (metric.metric_name, metric.last, metric.count) == ("acc", 1.5, 1)
    assert component.status.primary_status == "Completed"
    Experiment.load(experiment_name=experiment, sagemaker_session=session)._delete_all(action="--force")
    assert list_runs_is_refused(session, experiment)


def list_runs_is_refused(session, experiment):
    with pytest.raises(session.sagemaker_client.exceptions.ResourceNotFound):
        list_runs(experiment_name=experiment, sagemaker_session=session)
    return True
