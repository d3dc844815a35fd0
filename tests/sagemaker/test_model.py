"""Models, called as the edge calls them."""

import pytest
from tests.serving.conftest import executor, loop, plain_environment  # noqa: F401 - fixtures
from tests.serving.world import World, archive

from selfmaker.aws.errors import AwsError
from selfmaker.sagemaker import model as models

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
URL = "s3://box/m/model.tar.gz"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"


@pytest.fixture
def world(tmp_path, loop, executor, plain_environment):  # noqa: F811
    made = World(tmp_path, loop, executor, plain_environment)
    made.objects.put("box", "m/model.tar.gz", archive(x="1"))
    yield made
    made.close()


@pytest.fixture
def call(world):
    return world.call()


def request(name="m", **container):
    return {
        "ModelName": name,
        "ExecutionRoleArn": ROLE,
        "PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": URL, **container},
    }


def refused(function, call, given):
    with pytest.raises(AwsError) as caught:
        function(call, given)
    assert (caught.value.code, caught.value.status) == ("ValidationException", 400)
    return caught.value.message


def test_a_model_is_described_as_it_was_created(call):
    given = request(Environment={"A": "1"}, ContainerHostname="host")
    given |= {"VpcConfig": {"SecurityGroupIds": ["sg"], "Subnets": ["s"]}, "EnableNetworkIsolation": True}
    arn = models.create_model(call, {**given, "Tags": [{"Key": "k", "Value": "v"}]})["ModelArn"]
    assert arn == "arn:aws:sagemaker:us-east-1:123456789012:model/m"
    described = models.describe_model(call, {"ModelName": "m"})
    assert described.pop("CreationTime") > 0
    assert described == {**given, "ModelArn": arn}
    listed = models.list_models(call, {"NameContains": "m"})["Models"]
    assert [(item["ModelName"], item["ModelArn"]) for item in listed] == [("m", arn)]
    assert models.delete_model(call, {"ModelName": "m"}) is None
    for function in (models.describe_model, models.delete_model):
        assert refused(function, call, {"ModelName": "m"}) == f'Could not find model "{arn}".'


def test_a_name_is_taken_once(call):
    models.create_model(call, request())
    arn = "arn:aws:sagemaker:us-east-1:123456789012:model/m"
    assert refused(models.create_model, call, request()) == f'Cannot create already existing model "{arn}".'


def test_one_container_of_a_list_is_as_good_as_a_primary_one(call):
    given = request()
    given["Containers"] = [given.pop("PrimaryContainer")]
    models.create_model(call, given)
    assert models.describe_model(call, {"ModelName": "m"})["Containers"] == given["Containers"]
    assert models.model_spec(models.find(call, "m")).uri == URL


def test_data_in_other_forms(call, world):
    world.objects.put("box", "plain/part/a", b"x")

    def with_source(uri, kind, compression):
        source = {"S3Uri": uri, "S3DataType": kind, "CompressionType": compression}
        given = request(f"m{kind}{compression}", ModelDataSource={"S3DataSource": source})
        del given["PrimaryContainer"]["ModelDataUrl"]
        return given

    for uri, kind, compression, form in (
        ("s3://box/plain/", "S3Prefix", "None", "prefix"),
        ("s3://box/plain/part/a", "S3Object", "None", "object"),
        (URL, "S3Object", "Gzip", "archive"),
    ):
        models.create_model(call, with_source(uri, kind, compression))
        spec = models.model_spec(models.find(call, f"m{kind}{compression}"))
        assert (spec.uri, spec.form) == (uri, form)
    assert "Gzip needs S3DataType S3Object" in refused(
        models.create_model, call, with_source("s3://box/plain/", "S3Prefix", "Gzip")
    )
    assert "slash" in refused(models.create_model, call, with_source("s3://box/plain", "S3Prefix", "None"))
    both = with_source(URL, "S3Object", "Gzip")
    both["PrimaryContainer"]["ModelDataUrl"] = URL
    assert "both ModelDataUrl and ModelDataSource" in refused(models.create_model, call, both)


ADDITIONAL = {
    "ChannelName": "c",
    "S3DataSource": {"S3Uri": "s3://box/none/", "S3DataType": "S3Prefix", "CompressionType": "None"},
}


def test_a_pipelines_containers_are_told_in_order(call):
    given = request("p")
    first = given.pop("PrimaryContainer")
    second = {**first, "ContainerHostname": "b", "Environment": {"B": "2"}}
    containers = [{**first, "ContainerHostname": "a"}, second]
    direct = {"Mode": "Direct"}
    models.create_model(call, {**given, "Containers": containers, "InferenceExecutionConfig": direct})
    row = models.find(call, "p")
    specs = models.container_specs(row)
    assert [(spec.hostname, spec.environment) for spec in specs] == [("a", {}), ("b", {"B": "2"})]
    assert models.is_direct(row)
    assert "several containers" in refused(lambda call, row: models.model_spec(row), call, row)


def test_a_multi_model_container_needs_no_models_yet(call):
    given = request("many", Mode="MultiModel", ModelDataUrl="s3://box/many")
    given["PrimaryContainer"]["MultiModelConfig"] = {"ModelCacheSetting": "Disabled"}
    models.create_model(call, given)
    (spec,) = models.container_specs(models.find(call, "many"))
    assert (spec.many, spec.cached, spec.uri) == (True, False, "s3://box/many")


@pytest.mark.parametrize(
    ("container", "words"),
    [
        ({"ModelDataUrl": "s3://box/none/model.tar.gz"}, "Could not find model data at s3://box/none/model.tar.gz."),
        ({"ModelDataUrl": "s3://nobox/model.tar.gz"}, "Could not find model data at s3://nobox/model.tar.gz."),
        ({"ModelDataUrl": "s3://box/m/model.zip"}, ".tar.gz suffix"),
        ({"ModelDataUrl": "https://box/m/model.tar.gz"}, "s3://bucket/key"),
        ({"Image": "123.dkr.ecr.us-east-1.amazonaws.com/mine:1"}, "mine:1"),
        ({"Mode": "MultiModel"}, "prefix of the models"),
        ({"Mode": "MultiModel", "ModelDataUrl": "s3://nobox/many/"}, "Could not find model data at s3://nobox/many/."),
        ({"MultiModelConfig": {"ModelCacheSetting": "Enabled"}}, "MultiModelConfig"),
        ({"ModelPackageName": "p"}, "ModelPackageName"),
        ({"AdditionalModelDataSources": [ADDITIONAL]}, "Could not find model data at s3://box/none/."),
    ],
)
def test_what_cannot_be_served_is_refused_by_name(call, container, words):
    assert words in refused(models.create_model, call, request(**container))
    assert models.list_models(call, {})["Models"] == []


def test_containers_are_given_once_and_their_hostnames_are_their_own(call):
    given = request()
    container = given["PrimaryContainer"]
    assert "both PrimaryContainer and Containers" in refused(
        models.create_model, call, {**given, "Containers": [container]}
    )
    del given["PrimaryContainer"]
    assert "neither" in refused(models.create_model, call, given)
    named = {**container, "ContainerHostname": "a"}
    assert "a is repeated" in refused(models.create_model, call, {**given, "Containers": [named] * 2})
    assert "all must have one" in refused(models.create_model, call, {**given, "Containers": [container, named]})
    direct = {"Containers": [named], "InferenceExecutionConfig": {"Mode": "Direct"}}
    assert "InferenceExecutionConfig" in refused(models.create_model, call, {**given, **direct})
    assert "must have an Image" in refused(models.create_model, call, {**given, "PrimaryContainer": {"Mode": "x"}})


def test_repeated_tags_are_refused_and_nothing_is_kept(call):
    tag = {"Key": "k", "Value": "v"}
    assert "Duplicate" in refused(models.create_model, call, {**request(), "Tags": [tag, tag]})
    assert models.list_models(call, {})["Models"] == []
