"""Steps of SDK v3's pipelines that make resources: a later execution makes its own, or updates what is there."""

import uuid

import pytest
from sagemaker.core.lineage.action import Action
from sagemaker.core.resources import Endpoint, EndpointConfig
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.mlops.workflow.endpoint_step import EndpointConfigStep, EndpointStep
from sagemaker.mlops.workflow.lineage_step import LineageStep
from sagemaker.mlops.workflow.pipeline import Pipeline


@pytest.fixture
def name():
    return f"v3-made-{uuid.uuid4().hex[:6]}"


@pytest.fixture
def made(name, role):
    """``made(steps, times)``: executes a pipeline of them; yields the steps' metadata of each execution."""
    pipeline = Pipeline(name, sagemaker_session=PipelineSession())

    def execute(steps, times=1):
        pipeline.steps = steps
        pipeline.upsert(role_arn=role)
        for _ in range(times):
            execution = pipeline.start()
            execution.wait(delay=1, max_attempts=120)
            yield {step["StepName"]: step["Metadata"] for step in execution.list_steps()}

    yield execute
    pipeline.delete()


def test_an_endpoint_is_updated_to_a_configuration_of_each_execution(name, made, role):
    session = PipelineSession()
    variant = {"VariantName": "AllTraffic", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    asked = session.create_endpoint_config(name=name, production_variants=[variant], role=role)
    config = EndpointConfigStep("Config", step_args=asked)
    asked = session.create_endpoint(endpoint_name=name, config_name=config.properties.EndpointConfigName)
    endpoint = EndpointStep("Endpoint", step_args=asked, depends_on=[config])
    executions = made([config, endpoint], times=2)
    configs = [found["Config"]["EndpointConfig"]["Arn"].rpartition("/")[2] for found in executions]
    assert len(set(configs)) == 2
    assert all(config.startswith(f"{name}-") for config in configs)
    there = Endpoint.get(name)
    assert (there.endpoint_status, there.endpoint_config_name) == ("InService", configs[1])
    there.delete()
    for config in configs:
        EndpointConfig.get(config).delete()


def test_an_action_is_recorded(name, made, session):
    given = {"source_uri": "s3://a/model.tar.gz", "source_type": "MODEL", "action_type": "ModelTraining"}
    action = Action.create(action_name=name, status="Completed", sagemaker_session=PipelineSession(), **given)
    (found,) = made([LineageStep("Record", actions=[action])])
    assert found["Record"]["Lineage"]["ActionArns"][name].endswith(f":action/{name}")
    assert session.sagemaker_client.describe_action(ActionName=name)["ActionType"] == "ModelTraining"
    session.sagemaker_client.delete_action(ActionName=name)
