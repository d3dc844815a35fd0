"""Endpoint configurations, called as the edge calls them."""

import pytest
from tests.serving.conftest import executor, loop, plain_environment  # noqa: F401 - fixtures
from tests.serving.world import World, archive

from selfmaker.aws.errors import AwsError
from selfmaker.sagemaker import endpoint_config as configs
from selfmaker.sagemaker import model as models

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
ARN = "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/c"


@pytest.fixture
def call(tmp_path, loop, executor, plain_environment):  # noqa: F811
    world = World(tmp_path, loop, executor, plain_environment)
    world.objects.put("box", "model.tar.gz", archive(x="1"))
    call = world.call()
    container = {"Image": IMAGE, "ModelDataUrl": "s3://box/model.tar.gz", "Environment": {"A": "1"}}
    models.create_model(call, {"ModelName": "m", "PrimaryContainer": container})
    yield call
    world.close()


def variant(name="v", **members):
    return {
        "VariantName": name,
        "ModelName": "m",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
        **members,
    }


def request(*variants, **members):
    return {"EndpointConfigName": "c", "ProductionVariants": list(variants) or [variant()], **members}


def refused(function, call, given):
    with pytest.raises(AwsError) as caught:
        function(call, given)
    assert (caught.value.code, caught.value.status) == ("ValidationException", 400)
    return caught.value.message


def test_a_configuration_is_described_as_it_was_created(call):
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 5,
        "DestinationS3Uri": "s3://box/c",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    given = request(variant(InitialVariantWeight=0.5, VolumeSizeInGB=5), variant("w"), DataCaptureConfig=capture)
    created = configs.create_endpoint_config(call, {**given, "Tags": [{"Key": "k", "Value": "v"}]})
    assert created == {"EndpointConfigArn": ARN}
    described = configs.describe_endpoint_config(call, {"EndpointConfigName": "c"})
    assert described["DataCaptureConfig"] == capture
    assert described["ProductionVariants"][0] == given["ProductionVariants"][0]
    assert described["ProductionVariants"][1] == {**given["ProductionVariants"][1], "InitialVariantWeight": 1.0}
    assert configs.list_endpoint_configs(call, {})["EndpointConfigs"][0]["EndpointConfigArn"] == ARN
    assert refused(configs.create_endpoint_config, call, given) == (
        f'Cannot create already existing endpoint configuration "{ARN}".'
    )
    configs.delete_endpoint_config(call, {"EndpointConfigName": "c"})
    for function in (configs.describe_endpoint_config, configs.delete_endpoint_config):
        assert refused(function, call, {"EndpointConfigName": "c"}) == (
            f'Could not find endpoint configuration "{ARN}".'
        )


def test_its_models_must_exist(call):
    arn = "arn:aws:sagemaker:us-east-1:123456789012:model/nobody"
    words = refused(configs.create_endpoint_config, call, request(variant(ModelName="nobody")))
    assert words == f'Could not find model "{arn}".'


SERVERLESS = {"MemorySizeInMB": 1024, "MaxConcurrency": 1}


def bare():
    return {"VariantName": "v", "ModelName": "m"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (request(variant(), variant()), "v is repeated"),
        (request({**variant(), "ServerlessConfig": SERVERLESS}), "cannot have InstanceType"),
        (request({**bare(), "ServerlessConfig": {**SERVERLESS, "MemorySizeInMB": 1500}}), "MemorySizeInMB must be"),
        (request({**bare(), "ServerlessConfig": {**SERVERLESS, "ProvisionedConcurrency": 2}}), "Provisioned"),
        (request({**bare(), "ServerlessConfig": SERVERLESS}, variant(VariantName="w")), "one variant only"),
        (request({"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1}), "InstanceType"),
        (request({"VariantName": "v", "ModelName": "m", "InstanceType": "ml.m5.large"}), "InitialInstanceCount"),
        (request(AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": "https://x/y"}}), "S3OutputPath must be"),
        (request(ShadowProductionVariants=[variant()]), "v is repeated"),
        (request(ShadowProductionVariants=[variant(VariantName=name) for name in "ab"]), "one shadow variant"),
        (request(ExplainerConfig={"ClarifyExplainerConfig": {}}), "ExplainerConfig"),
    ],
)
def test_what_cannot_be_served_is_refused_by_name(call, given, words):
    assert words in refused(configs.create_endpoint_config, call, given)
    assert configs.list_endpoint_configs(call, {})["EndpointConfigs"] == []


def test_what_the_engine_is_told(call):
    pools = [{"InstanceType": "ml.c5.xlarge", "Priority": 1}]
    given = request(
        variant(InitialInstanceCount=3, ContainerStartupHealthCheckTimeoutInSeconds=90),
        {"VariantName": "w", "ModelName": "m", "InstancePools": pools, "InitialVariantWeight": 0.0},
        EnableNetworkIsolation=True,
    )
    configs.create_endpoint_config(call, given)
    spec = configs.deployment_spec(call, configs.find(call, "c"))
    first, second = spec.variants
    assert (spec.config, first.instances, first.patience, first.weight) == ("c", 3, 90, 1.0)
    assert (second.instances, second.instance_type, second.weight) == (1, "ml.c5.xlarge", 0.0)
    assert first.model.environment == {"A": "1"}
    assert not first.model.network
    assert configs.deployment_spec(call, configs.find(call, "c")).id != spec.id
