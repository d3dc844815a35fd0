"""Model cards through plain boto3."""

import json

import pytest
from botocore.exceptions import ClientError


@pytest.fixture(scope="module")
def client(account):
    return account.sagemaker


def content(**sections):
    return json.dumps({"model_overview": {"model_id": "m", "model_name": "n"}, **sections})


def code(call, **request):
    with pytest.raises(ClientError) as caught:
        call(**request)
    return caught.value.response["Error"]["Code"]


@pytest.fixture
def card(account, client):
    name = account.unique("card")
    tags = [{"Key": "card", "Value": name}]
    client.create_model_card(ModelCardName=name, Content=content(), ModelCardStatus="Draft", Tags=tags)
    return name


def test_content_makes_versions_and_status_does_not(client, card):
    again = {"ModelCardName": card, "Content": content(), "ModelCardStatus": "Draft"}
    assert code(client.create_model_card, **again) == "ConflictException"
    client.update_model_card(ModelCardName=card, ModelCardStatus="PendingReview")
    client.update_model_card(ModelCardName=card, Content=content(intended_uses={"risk_rating": "Low"}))
    arn = client.update_model_card(ModelCardName=card, ModelCardStatus="Approved")["ModelCardArn"]
    described = client.describe_model_card(ModelCardName=arn)
    assert (described["ModelCardVersion"], described["ModelCardStatus"]) == (2, "Approved")
    first = client.describe_model_card(ModelCardName=card, ModelCardVersion=1)
    assert (first["ModelCardStatus"], first["Content"]) == ("PendingReview", content())
    assert code(client.describe_model_card, ModelCardName=card, ModelCardVersion=3) == "ResourceNotFound"
    versions = client.list_model_card_versions(ModelCardName=card)["ModelCardVersionSummaryList"]
    assert [(v["ModelCardVersion"], v["ModelCardStatus"]) for v in versions] == [(2, "Approved"), (1, "PendingReview")]
    part = client.describe_model_card(ModelCardName=card, IncludedData="MetadataOnly")["Content"]
    assert json.loads(part)["intended_uses"] == {"risk_rating": "Low"}


def test_lists_and_search(client, card):
    listed = client.list_model_cards(NameContains=card, ModelCardStatus="Draft")["ModelCardSummaries"]
    assert [summary["ModelCardName"] for summary in listed] == [card]
    assert client.list_model_cards(NameContains=card, ModelCardStatus="Approved")["ModelCardSummaries"] == []
    details = {"model_package_arn": f"arn:{card}", "model_package_group_name": f"group-{card}"}
    client.update_model_card(ModelCardName=card, Content=content(model_package_details=details))
    for name, value in (("ModelId", f"arn:{card}"), ("ModelPackageGroupName", f"group-{card}"), ("Tags.card", card)):
        expression = {"Filters": [{"Name": name, "Operator": "Equals", "Value": value}]}
        found = client.search(Resource="ModelCard", SearchExpression=expression)["Results"]
        assert [result["ModelCard"]["ModelCardName"] for result in found] == [card]


def test_what_is_refused(client, card):
    both = {"Content": content(), "ModelCardStatus": "Draft"}
    assert code(client.update_model_card, ModelCardName=card, **both) == "ValidationException"
    for text in ("[1]", "{"):
        assert code(client.update_model_card, ModelCardName=card, Content=text) == "ValidationException"
        assert code(client.create_model_card, ModelCardName="other", Content=text, ModelCardStatus="Draft") == (
            "ValidationException"
        )
    assert client.describe_model_card(ModelCardName=card)["ModelCardVersion"] == 1


def test_a_deleted_card_can_be_made_anew(client, card):
    client.update_model_card(ModelCardName=card, Content=content(a={}))
    client.delete_model_card(ModelCardName=card)
    for call in (client.describe_model_card, client.delete_model_card, client.list_model_card_versions):
        assert code(call, ModelCardName=card) == "ResourceNotFound"
    client.create_model_card(ModelCardName=card, Content=content(), ModelCardStatus="Draft")
    assert client.describe_model_card(ModelCardName=card)["ModelCardVersion"] == 1


def test_who_wrote_a_card_is_told(account):
    client, name = account.sagemaker, account.unique("card")
    client.create_model_card(ModelCardName=name, Content="{}", ModelCardStatus="Draft")
    client.update_model_card(ModelCardName=name, Content='{"model_overview": {}}')
    described = client.describe_model_card(ModelCardName=name)
    assert described["CreatedBy"]["IamIdentity"]["Arn"] and described["LastModifiedBy"] == described["CreatedBy"]


def test_a_version_is_exported(account):
    client, name = account.sagemaker, account.unique("card")
    client.create_model_card(
        ModelCardName=name, Content='{"model_overview": {"model_name": "a"}}', ModelCardStatus="Draft"
    )
    client.update_model_card(ModelCardName=name, Content='{"model_overview": {"model_name": "b"}}')
    output = {"S3OutputPath": f"s3://{account.bucket}/{name}"}
    request = {"ModelCardName": name, "ModelCardExportJobName": "first", "OutputConfig": output}
    arn = client.create_model_card_export_job(**request, ModelCardVersion=1)["ModelCardExportJobArn"]
    described = client.describe_model_card_export_job(ModelCardExportJobArn=arn)
    assert (described["Status"], described["ModelCardVersion"], described["OutputConfig"]) == ("Completed", 1, output)
    document = account.get(described["ExportArtifacts"]["S3ExportArtifacts"])
    assert document.startswith(b"%PDF-") and b"(Model name: a)" in document
    client.create_model_card_export_job(**{**request, "ModelCardExportJobName": "second"})
    nowhere = {"S3OutputPath": "s3://no-such-bucket-here/x"}
    lost = client.create_model_card_export_job(
        **{**request, "ModelCardExportJobName": "third", "OutputConfig": nowhere}
    )["ModelCardExportJobArn"]
    failed = client.describe_model_card_export_job(ModelCardExportJobArn=lost)
    assert failed["Status"] == "Failed" and "no-such-bucket-here" in failed["FailureReason"]
    listed = client.list_model_card_export_jobs
    jobs = listed(ModelCardName=name, SortBy="Name", SortOrder="Ascending")["ModelCardExportJobSummaries"]
    assert [(job["ModelCardExportJobName"], job["ModelCardVersion"]) for job in jobs] == [
        ("first", 1), ("second", 2), ("third", 2)
    ]  # fmt: skip
    [failed] = listed(ModelCardName=name, StatusEquals="Failed")["ModelCardExportJobSummaries"]
    assert failed["ModelCardExportJobArn"] == lost
    assert len(listed(ModelCardName=name, ModelCardExportJobNameContains="sec")["ModelCardExportJobSummaries"]) == 1
    for wrong, code in (
        (request, "ConflictException"),
        ({**request, "ModelCardExportJobName": "x", "ModelCardVersion": 9}, "ResourceNotFound"),
        ({**request, "ModelCardName": "nobody"}, "ResourceNotFound"),
        ({**request, "OutputConfig": {"S3OutputPath": "s3://"}}, "ValidationException"),
    ):
        with pytest.raises(ClientError) as caught:
            client.create_model_card_export_job(**wrong)
        assert caught.value.response["Error"]["Code"] == code
    client.delete_model_card(ModelCardName=name)
    with pytest.raises(ClientError, match="does not exist"):
        client.describe_model_card_export_job(ModelCardExportJobArn=arn)
