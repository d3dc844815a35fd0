"""Endpoints, called as the edge calls them, with real workers behind."""

import pytest
from tests.serving.conftest import executor, loop, plain_environment  # noqa: F401 - fixtures
from tests.serving.world import World

from selfmaker.aws.errors import AwsError
from selfmaker.sagemaker import endpoint as endpoints
from selfmaker.sagemaker import endpoint_config as configs
from selfmaker.sagemaker import model as models

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
ARN = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e"


class Hosting(World):
    """Endpoints by the operations."""

    def config(self, name, *served, **variant):
        variants = []
        for number, given in enumerate(served, start=1):
            model = f"{name}-{number}"
            container = {"Image": IMAGE, "ModelDataUrl": self.model(**given).uri}
            models.create_model(self.call(), {"ModelName": model, "PrimaryContainer": container})
            variants.append(
                {
                    "VariantName": f"v{number}",
                    "ModelName": model,
                    "InstanceType": "ml.m5.large",
                    "InitialInstanceCount": 1,
                    **variant,
                }
            )
        configs.create_endpoint_config(self.call(), {"EndpointConfigName": name, "ProductionVariants": variants})
        return name

    def describe(self, name="e"):
        return endpoints.describe_endpoint(self.call(), {"EndpointName": name})

    def finished(self, name="e"):
        while (described := self.describe(name))["EndpointStatus"] in ("Creating", "Updating"):
            pass
        return described

    def refused(self, function, **given):
        with pytest.raises(AwsError) as caught:
            function(self.call(), given)
        assert (caught.value.code, caught.value.status) == ("ValidationException", 400)
        return caught.value.message


@pytest.fixture
def hosting(tmp_path, loop, executor, plain_environment):  # noqa: F811
    made = Hosting(tmp_path, loop, executor, plain_environment)
    yield made
    made.close()


@pytest.fixture
def served(hosting):
    """The endpoint e, in service."""
    config = hosting.config("first", {"name": "one"}, {"name": "two"}, InitialVariantWeight=2.0)
    given = {"EndpointName": "e", "EndpointConfigName": config, "Tags": [{"Key": "k", "Value": "v"}]}
    assert endpoints.create_endpoint(hosting.call(), given) == {"EndpointArn": ARN}
    assert hosting.finished()["EndpointStatus"] == "InService"
    return hosting


def test_an_endpoint_in_service_is_described(served):
    described = served.describe()
    assert described["EndpointArn"] == ARN
    assert described["EndpointConfigName"] == "first"
    assert described["CreationTime"] <= described["LastModifiedTime"]
    assert "FailureReason" not in described
    assert "PendingDeploymentSummary" not in described
    first, second = described["ProductionVariants"]
    assert first["VariantName"] == "v1"
    assert first["CurrentWeight"] == first["DesiredWeight"] == 2.0
    assert first["CurrentInstanceCount"] == second["DesiredInstanceCount"] == 1
    assert first["DeployedImages"][0]["SpecifiedImage"] == IMAGE
    listed = endpoints.list_endpoints(served.call(), {"StatusEquals": "InService"})["Endpoints"]
    assert [(item["EndpointName"], item["EndpointStatus"]) for item in listed] == [("e", "InService")]
    assert endpoints.list_endpoints(served.call(), {"StatusEquals": "Failed"})["Endpoints"] == []


def test_names_are_unique_and_configurations_must_exist(served):
    assert served.refused(endpoints.create_endpoint, EndpointName="e", EndpointConfigName="first") == (
        f'Cannot create already existing endpoint "{ARN}".'
    )
    missing = "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/none"
    for function in (endpoints.create_endpoint, endpoints.update_endpoint):
        words = served.refused(function, EndpointName="e", EndpointConfigName="none")
        assert words == f'Could not find endpoint configuration "{missing}".'
    models.delete_model(served.call(), {"ModelName": "first-1"})
    gone = "arn:aws:sagemaker:us-east-1:123456789012:model/first-1"
    words = served.refused(endpoints.create_endpoint, EndpointName="f", EndpointConfigName="first")
    assert words == f'Could not find model "{gone}".'


def test_an_unknown_endpoint(hosting):
    words = f'Could not find endpoint "{ARN}".'
    assert hosting.refused(endpoints.describe_endpoint, EndpointName="e") == words
    assert hosting.refused(endpoints.delete_endpoint, EndpointName="e") == words
    assert hosting.refused(endpoints.update_endpoint, EndpointName="e", EndpointConfigName="c") == words
    adjust = endpoints.update_endpoint_weights_and_capacities
    assert hosting.refused(adjust, EndpointName="e", DesiredWeightsAndCapacities=[{"VariantName": "v"}]) == words


def test_an_update_shows_what_is_pending_and_refuses_others(served):
    served.config("second", {"name": "new"})
    given = {"EndpointName": "e", "EndpointConfigName": "second", "DeploymentConfig": {"AutoRollbackConfiguration": {}}}
    assert endpoints.update_endpoint(served.call(), given) == {"EndpointArn": ARN}
    described = endpoints.described(served.call(), endpoints.find(served.call(), "e"))
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("Updating", "first")
    pending = described["PendingDeploymentSummary"]
    assert pending["EndpointConfigName"] == "second"
    assert pending["ProductionVariants"][0]["VariantStatus"][0]["Status"] == "Creating"
    words = f'Cannot update in-progress endpoint "{ARN}".'
    assert served.refused(endpoints.update_endpoint, EndpointName="e", EndpointConfigName="first") == words
    assert served.refused(endpoints.delete_endpoint, EndpointName="e") == words
    described = served.finished()
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", "second")
    assert served.name_served() == "new"


def test_retained_properties(served):
    wanted = [{"VariantName": "v1", "DesiredWeight": 5.0, "DesiredInstanceCount": 2}]
    endpoints.update_endpoint_weights_and_capacities(
        served.call(), {"EndpointName": "e", "DesiredWeightsAndCapacities": wanted}
    )
    first = served.finished()["ProductionVariants"][0]
    assert (first["CurrentWeight"], first["CurrentInstanceCount"]) == (5.0, 2)
    served.config("second", {"name": "a"}, {"name": "b"})
    excluded = [{"VariantPropertyType": "DesiredInstanceCount"}]
    given = {"EndpointName": "e", "EndpointConfigName": "second", "RetainAllVariantProperties": True}
    endpoints.update_endpoint(served.call(), {**given, "ExcludeRetainedVariantProperties": excluded})
    first, second = served.finished()["ProductionVariants"]
    assert (first["CurrentWeight"], first["CurrentInstanceCount"]) == (5.0, 1)
    assert second["CurrentWeight"] == 2.0
    served.config("third", {"name": "a"}, {"name": "b"})
    endpoints.update_endpoint(served.call(), {"EndpointName": "e", "EndpointConfigName": "third"})
    assert [v["CurrentWeight"] for v in served.finished()["ProductionVariants"]] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (
            [{"VariantName": "nobody", "DesiredWeight": 1.0}],
            'The variant name(s) "nobody" is/are not present within endpoint configuration "first".',
        ),
        ([{"VariantName": "v1"}, {"VariantName": "v1"}], "more than once"),
        ([{"VariantName": "v1", "DesiredInstanceCount": 0}], "at least 1"),
        ([{"VariantName": "v1", "ServerlessUpdateConfig": {}}], "not serverless"),
    ],
)
def test_weights_and_capacities_that_make_no_sense(served, wanted, words):
    adjust = endpoints.update_endpoint_weights_and_capacities
    assert words in served.refused(adjust, EndpointName="e", DesiredWeightsAndCapacities=wanted)
    assert served.describe()["EndpointStatus"] == "InService"


def test_a_failed_endpoint_says_why_and_can_only_be_deleted(hosting):
    hosting.config("bad", {"name": "x", "fail": "corrupt"})
    hosting.config("good", {"name": "x"})
    endpoints.create_endpoint(hosting.call(), {"EndpointName": "e", "EndpointConfigName": "bad"})
    described = hosting.finished()
    assert described["EndpointStatus"] == "Failed"
    assert "ValueError: corrupt" in described["FailureReason"]
    words = hosting.refused(endpoints.update_endpoint, EndpointName="e", EndpointConfigName="good")
    assert "in status Failed" in words
    endpoints.delete_endpoint(hosting.call(), {"EndpointName": "e"})
    assert hosting.gone()
    assert hosting.refused(endpoints.describe_endpoint, EndpointName="e") == f'Could not find endpoint "{ARN}".'


def test_a_configuration_and_a_model_may_go_before_their_endpoint(served):
    configs.delete_endpoint_config(served.call(), {"EndpointConfigName": "first"})
    for model in ("first-1", "first-2"):
        models.delete_model(served.call(), {"ModelName": model})
    assert served.describe()["EndpointStatus"] == "InService"
    served.restart()
    assert served.settled().status == "InService"
    assert {served.name_served() for _ in range(4)} == {"one", "two"}
