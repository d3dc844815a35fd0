"""Artifacts and associations through plain boto3."""

import pytest
from botocore.exceptions import ClientError


@pytest.fixture(scope="module")
def client(account):
    return account.sagemaker


def code(call, **request):
    with pytest.raises(ClientError) as caught:
        call(**request)
    return caught.value.response["Error"]["Code"]


@pytest.fixture
def made(account, client):
    """``made(**members)``: the ARN of an artifact with a source of its own."""

    def make(**members):
        source = {"SourceUri": f"s3://bucket/{account.unique('object')}"}
        return client.create_artifact(**{"ArtifactType": "DataSet", "Source": source, **members})["ArtifactArn"]

    return make


def test_an_artifact_is_known_by_its_source(account, client):
    source = {
        "SourceUri": f"s3://bucket/{account.unique('known')}",
        "SourceTypes": [{"SourceIdType": "S3ETag", "Value": "abc"}],
    }
    request = {"ArtifactName": "data", "ArtifactType": "DataSet", "Source": source}
    arn = client.create_artifact(**request, Properties={"a": "1"}, Tags=[{"Key": "k", "Value": "v"}])["ArtifactArn"]
    with pytest.raises(ClientError, match="already exists"):
        client.create_artifact(**request)
    other = client.create_artifact(ArtifactType="DataSet", Source={"SourceUri": source["SourceUri"]})["ArtifactArn"]
    assert other != arn
    listed = client.list_artifacts(SourceUri=source["SourceUri"])["ArtifactSummaries"]
    assert {artifact["ArtifactArn"] for artifact in listed} == {arn, other}
    client.update_artifact(ArtifactArn=arn, ArtifactName="shown", Properties={"b": "2"}, PropertiesToRemove=["a"])
    described = client.describe_artifact(ArtifactArn=arn)
    assert (described["ArtifactName"], described["Properties"]) == ("shown", {"b": "2"})
    assert described["Source"] == source
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "k", "Value": "v"}]
    other = {"SourceUri": source["SourceUri"] + "/other"}
    assert code(client.delete_artifact, ArtifactArn=arn, Source=other) == "ValidationException"
    assert client.delete_artifact(Source=source)["ArtifactArn"] == arn
    assert code(client.describe_artifact, ArtifactArn=arn) == "ResourceNotFound"
    assert code(client.delete_artifact) == "ValidationException"


def test_associations_join_what_is_there(account, client, made):
    component = account.unique("step")
    step = client.create_trial_component(TrialComponentName=component)["TrialComponentArn"]
    data, model = made(ArtifactName="data"), made(ArtifactName="model", ArtifactType="Model")
    client.add_association(SourceArn=data, DestinationArn=step, AssociationType="ContributedTo")
    client.add_association(SourceArn=step, DestinationArn=model, AssociationType="Produced")
    with pytest.raises(ClientError, match="already exists"):
        client.add_association(SourceArn=step, DestinationArn=model)
    [summary] = client.list_associations(SourceArn=step)["AssociationSummaries"]
    assert summary.pop("CreationTime")
    assert summary == {
        "SourceArn": step, "SourceName": component, "DestinationArn": model, "DestinationName": "model",
        "DestinationType": "Model", "AssociationType": "Produced",
    }  # fmt: skip
    typed = client.list_associations(DestinationArn=step, SourceType="DataSet")["AssociationSummaries"]
    assert [a["SourceArn"] for a in typed] == [data]
    assert client.list_associations(DestinationArn=step, SourceType="Model")["AssociationSummaries"] == []
    client.delete_association(SourceArn=data, DestinationArn=step)
    assert client.list_associations(DestinationArn=step)["AssociationSummaries"] == []
    assert code(client.delete_association, SourceArn=data, DestinationArn=step) == "ResourceNotFound"
    client.delete_artifact(ArtifactArn=model)
    assert client.list_associations(SourceArn=step)["AssociationSummaries"] == []
    assert code(client.add_association, SourceArn=step, DestinationArn=model) == "ResourceNotFound"
    assert code(client.list_associations, SourceArn=model) == "ResourceNotFound"


def test_an_entity_that_goes_takes_its_associations_along(account, client, made):
    name, source = account.unique("action"), made()
    request = {"ActionName": name, "ActionType": "Step", "Source": {"SourceUri": "x"}}
    action = client.create_action(**request)["ActionArn"]
    client.add_association(SourceArn=source, DestinationArn=action)
    client.delete_action(ActionName=name)
    assert client.list_associations(SourceArn=source)["AssociationSummaries"] == []
    client.create_action(**request)  # another one by the same name
    assert client.list_associations(SourceArn=source)["AssociationSummaries"] == []
    client.add_association(SourceArn=source, DestinationArn=action)
