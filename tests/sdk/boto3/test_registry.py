"""The model registry through plain boto3."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError


@pytest.fixture(scope="module")
def client(account):
    return account.sagemaker


@pytest.fixture
def group(account, client):
    """The name of a new group."""
    name = account.unique("group")
    client.create_model_package_group(ModelPackageGroupName=name, Tags=[{"Key": "team", "Value": name}])
    return name


@pytest.fixture
def inference(account):
    """An InferenceSpecification with data that is there."""
    data = account.put(f"{account.unique('data')}/model.tar.gz", b"data")
    return specification(account.sklearn, data)


MODEL = "arn:aws:sagemaker:us-east-1:123456789012:model/no"


def specification(image, data, **members):
    return {
        "Containers": [{"Image": image, "ModelDataUrl": data, "Environment": {"A": "package", "B": "package"}}],
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["text/csv"],
        **members,
    }


def register(client, group, **members):
    return client.create_model_package(ModelPackageGroupName=group, **members)["ModelPackageArn"]


def refusal(call, **request):
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return f"{error['Code']}: {error['Message']}"


def test_a_group_s_life(account, client, group):
    described = client.describe_model_package_group(ModelPackageGroupName=group)
    arn = described["ModelPackageGroupArn"]
    assert (described["ModelPackageGroupStatus"], arn.endswith(f":model-package-group/{group}")) == ("Completed", True)
    assert client.describe_model_package_group(ModelPackageGroupName=arn)["ModelPackageGroupName"] == group
    again = refusal(client.create_model_package_group, ModelPackageGroupName=group)
    assert again == f"ValidationException: Model Package Group already exists: {arn}"
    listed = client.list_model_package_groups(NameContains=group)["ModelPackageGroupSummaryList"]
    assert group in [summary["ModelPackageGroupName"] for summary in listed]
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": group}]
    client.delete_model_package_group(ModelPackageGroupName=arn)
    for call in (client.describe_model_package_group, client.delete_model_package_group, client.list_model_packages):
        assert (
            refusal(call, ModelPackageGroupName=group)
            == f"ValidationException: ModelPackageGroup {arn} does not exist."
        )


def test_groups_are_searched(client, group):
    filters = [{"Name": "ModelPackageGroupName", "Operator": "Equals", "Value": group}]
    found = client.search(Resource="ModelPackageGroup", SearchExpression={"Filters": filters})["Results"]
    assert [result["ModelPackageGroup"]["Tags"] for result in found] == [[{"Key": "team", "Value": group}]]
    filters = [{"Name": "Tags.team", "Operator": "Equals", "Value": group}]
    assert len(client.search(Resource="ModelPackageGroup", SearchExpression={"Filters": filters})["Results"]) == 1


def test_a_group_s_policy(client, group):
    name = {"ModelPackageGroupName": group}
    assert "Cannot find" in refusal(client.get_model_package_group_policy, **name)
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    client.put_model_package_group_policy(**name, ResourcePolicy=policy)
    assert client.get_model_package_group_policy(**name)["ResourcePolicy"] == policy
    assert "ResourcePolicy" in refusal(client.put_model_package_group_policy, **name, ResourcePolicy="{")
    assert client.get_model_package_group_policy(**name)["ResourcePolicy"] == policy
    client.delete_model_package_group_policy(**name)
    assert "Cannot find" in refusal(client.delete_model_package_group_policy, **name)


def test_every_member_of_a_version_comes_back(account, client, group, inference):
    file = {"ContentType": "application/json", "S3Uri": "s3://bucket/report.json"}
    given = {
        "ModelPackageDescription": "churn",
        "InferenceSpecification": inference,
        "AdditionalInferenceSpecifications": [{"Name": "small", "Containers": [{"Image": account.xgboost}]}],
        "ModelMetrics": {"ModelQuality": {"Statistics": file}, "Bias": {"Report": file}},
        "DriftCheckBaselines": {"ModelQuality": {"Statistics": file}, "Bias": {"ConfigFile": {"S3Uri": "s3://b/c"}}},
        "CustomerMetadataProperties": {"owner": "me"},
        "MetadataProperties": {"CommitId": "abc", "GeneratedBy": "a test"},
        "ModelApprovalStatus": "PendingManualApproval",
        "ModelLifeCycle": {"Stage": "Development", "StageStatus": "In-Progress", "StageDescription": "new"},
        "ModelCard": {"ModelCardContent": json.dumps({"a": 1}), "ModelCardStatus": "Draft"},
        "SourceUri": "https://example.com/model",
        "Domain": "MACHINE_LEARNING",
        "Task": "CLASSIFICATION",
        "SamplePayloadUrl": "s3://bucket/payload.tar.gz",
        "SkipModelValidation": "All",
        "ModelPackageRegistrationType": "Registered",
        "SecurityConfig": {"KmsKeyId": "alias/key"},
    }
    arn = register(client, group, **given, CertifyForMarketplace=False, ClientToken="token-1")
    described = client.describe_model_package(ModelPackageName=arn)
    etag = described["InferenceSpecification"]["Containers"][0].pop("ModelDataETag")
    assert re.fullmatch("[0-9a-f]{32}", etag)
    assert {member: described[member] for member in given} == given
    assert described["ModelPackageArn"] == arn and arn.endswith(f":model-package/{group}/1")
    assert (described["ModelPackageGroupName"], described["ModelPackageVersion"]) == (group, 1)
    assert described["ModelPackageStatus"] == "Completed"
    assert described["ModelPackageStatusDetails"] == {"ValidationStatuses": [], "ImageScanStatuses": []}
    assert described["CertifyForMarketplace"] is False
    assert client.describe_model_package(ModelPackageName=f"{group}/1")["ModelPackageArn"] == arn


def test_versions_are_counted_and_never_come_back(client, group, inference):
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(register, client, group, InferenceSpecification=inference) for _ in range(8)]
        arns = {future.result() for future in futures}
    assert {int(arn.rpartition("/")[2]) for arn in arns} == set(range(1, 9))
    newest = max(arns)
    client.delete_model_package(ModelPackageName=newest)
    assert refusal(client.describe_model_package, ModelPackageName=newest) == (
        f"ValidationException: ModelPackage {newest} does not exist."
    )
    assert register(client, group, InferenceSpecification=inference).endswith("/9")
    assert refusal(client.delete_model_package_group, ModelPackageGroupName=group).startswith("ConflictException")


def test_a_client_token_registers_once(account, client, group, inference):
    token = account.unique("token")
    first = register(client, group, InferenceSpecification=inference, ClientToken=token)
    assert register(client, group, InferenceSpecification=inference, ClientToken=token) == first
    assert register(client, group, InferenceSpecification=inference).endswith("/2")
    other = account.unique("other")
    client.create_model_package_group(ModelPackageGroupName=other)
    assert "ClientToken" in refusal(client.create_model_package, ModelPackageGroupName=other, ClientToken=token)


def test_unversioned_packages(account, client, inference):
    """With the profiles by which it is to be validated, as for the Marketplace: kept, and not begun."""
    name = account.unique("package")
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/in"}}
    definition = {
        "TransformInput": {"DataSource": source},
        "TransformOutput": {"S3OutputPath": "s3://bucket/out"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }
    validation = {
        "ValidationRole": account.role,
        "ValidationProfiles": [{"ProfileName": "first", "TransformJobDefinition": definition}],
    }
    arn = client.create_model_package(
        ModelPackageName=name,
        InferenceSpecification=inference,
        ValidationSpecification=validation,
        Tags=[{"Key": "a", "Value": "b"}],
    )["ModelPackageArn"]
    described = client.describe_model_package(ModelPackageName=name)
    assert described["ValidationSpecification"] == validation
    assert described["ModelPackageStatusDetails"]["ValidationStatuses"] == [{"Name": "first", "Status": "NotStarted"}]
    assert (described["ModelPackageArn"], described["ModelPackageName"]) == (arn, name)
    assert "ModelApprovalStatus" not in described
    again = refusal(client.create_model_package, ModelPackageName=name, InferenceSpecification=inference)
    assert again == f"ValidationException: ModelPackage already exists: {arn}"
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    assert "ModelApprovalStatus" in refusal(
        client.update_model_package, ModelPackageArn=arn, ModelApprovalStatus="Approved"
    )
    listed = client.list_model_packages(NameContains=name)["ModelPackageSummaryList"]
    assert [summary["ModelPackageArn"] for summary in listed] == [arn]
    client.delete_model_package(ModelPackageName=name)
    assert client.list_model_packages(NameContains=name)["ModelPackageSummaryList"] == []


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({}, "Missing ARN"),
        ({"ModelPackageName": "a", "ModelPackageGroupName": "b"}, "Both ModelPackageName and ModelPackageGroupName"),
        ({"ModelPackageName": "a"}, "InferenceSpecification"),
        ({"ModelPackageGroupName": "not-there"}, "does not exist"),
        ({"ModelPackageGroupName": "GROUP", "Tags": [{"Key": "a", "Value": "b"}]}, "Tags"),
        ({"ModelPackageGroupName": "GROUP", "CertifyForMarketplace": True}, "CertifyForMarketplace"),
        ({"ModelPackageGroupName": "GROUP", "ModelCard": {"ModelCardContent": "["}}, "ModelCard.ModelCardContent"),
        ({"ModelPackageGroupName": "GROUP", "SourceUri": MODEL}, "SourceUri"),
        ({"ModelPackageGroupName": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/x"}, "does not exist"),
    ],
)  # fmt: skip
def test_what_is_refused(client, group, members, words):
    request = {
        **members,
        **({"ModelPackageGroupName": group} if members.get("ModelPackageGroupName") == "GROUP" else {}),
    }
    answer = refusal(client.create_model_package, **request)
    assert answer.startswith("ValidationException") and words in answer
    assert client.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"] == []
    assert register(client, group).endswith("/1")  # no number was used up


def test_update_merges(account, client, group, inference):
    arn = register(client, group, InferenceSpecification=inference, CustomerMetadataProperties={"a": "1", "b": "2"})
    update = {"ModelPackageArn": arn}
    client.update_model_package(
        **update,
        CustomerMetadataProperties={"b": "3", "c": "4"},
        CustomerMetadataPropertiesToRemove=["a"],
        ModelApprovalStatus="Rejected",
        ApprovalDescription="no",
        ModelLifeCycle={"Stage": "Staging", "StageStatus": "Approved"},
        ModelCard={"ModelCardContent": '{"x": 1}', "ModelCardStatus": "Draft"},
        AdditionalInferenceSpecificationsToAdd=[{"Name": "one", "Containers": [{"Image": account.sklearn}]}],
    )
    client.update_model_package(
        **update,
        ModelCard={"ModelCardStatus": "Approved"},
        SourceUri="s3://bucket/source",
        AdditionalInferenceSpecificationsToAdd=[{"Name": "two", "Containers": [{"Image": account.sklearn}]}],
    )
    described = client.describe_model_package(ModelPackageName=arn)
    assert described["CustomerMetadataProperties"] == {"b": "3", "c": "4"}
    assert (described["ModelApprovalStatus"], described["ApprovalDescription"]) == ("Rejected", "no")
    assert described["ModelLifeCycle"] == {"Stage": "Staging", "StageStatus": "Approved"}
    assert described["ModelCard"] == {"ModelCardContent": '{"x": 1}', "ModelCardStatus": "Approved"}
    assert [item["Name"] for item in described["AdditionalInferenceSpecifications"]] == ["one", "two"]
    assert described["SourceUri"] == "s3://bucket/source"
    assert described["LastModifiedTime"] > described["CreationTime"]
    assert described["InferenceSpecification"]["SupportedContentTypes"] == ["text/csv"]
    twice = [{"Name": "two", "Containers": [{"Image": account.sklearn}]}]
    assert "'two'" in refusal(client.update_model_package, **update, AdditionalInferenceSpecificationsToAdd=twice)
    client.update_model_package(**update, InferenceSpecification={"Containers": [{"Image": account.xgboost}]})
    described = client.describe_model_package(ModelPackageName=arn)
    assert described["InferenceSpecification"] == {"Containers": [{"Image": account.xgboost}]}


def test_a_card_s_metadata_alone(client, group):
    content = {"intended_uses": {"risk_rating": "Low", "purpose": "secret"}, "other": 1}
    arn = register(client, group, ModelCard={"ModelCardContent": json.dumps(content), "ModelCardStatus": "Draft"})
    whole = client.describe_model_package(ModelPackageName=arn)["ModelCard"]
    assert json.loads(whole["ModelCardContent"]) == content
    part = client.describe_model_package(ModelPackageName=arn, IncludedData="MetadataOnly")["ModelCard"]
    assert json.loads(part["ModelCardContent"]) == {"intended_uses": {"risk_rating": "Low"}}


def test_lists_are_filtered_sorted_and_paged(client, group, inference):
    arns = [register(client, group, ModelApprovalStatus=status) for status in ("Approved", "Rejected", "Approved")]
    in_group = {"ModelPackageGroupName": group}

    def listed(**members):
        found = client.list_model_packages(**{**in_group, **members})["ModelPackageSummaryList"]
        return [summary["ModelPackageArn"] for summary in found]

    assert listed() == listed(SortBy="CreationTime") == arns[::-1]
    assert listed(SortOrder="Ascending") == arns
    newest = listed(ModelApprovalStatus="Approved", SortBy="CreationTime", MaxResults=1)
    assert newest == arns[-1:]
    pages = client.get_paginator("list_model_packages").paginate(**in_group, PaginationConfig={"PageSize": 2})
    paged = [summary for page in pages for summary in page["ModelPackageSummaryList"]]
    assert [summary["ModelPackageVersion"] for summary in paged] == [3, 2, 1]
    for kind, expected in (("Versioned", arns[::-1]), ("Both", arns[::-1]), ("Unversioned", [])):
        summaries = client.list_model_packages(ModelPackageType=kind, NameContains=group)["ModelPackageSummaryList"]
        assert [summary["ModelPackageArn"] for summary in summaries] == expected
    created = client.describe_model_package(ModelPackageName=arns[1])["CreationTime"]
    for member, before, after in (("CreationTimeAfter", arns[::-1], []), ("CreationTimeBefore", [], arns[::-1])):
        assert listed(**{member: created - timedelta(hours=1)}) == before
        assert listed(**{member: created + timedelta(hours=1)}) == after


def test_several_are_described_at_once(client, group, inference):
    arn = register(client, group, InferenceSpecification=inference, ModelPackageDescription="d")
    gone = f"{arn[:-1]}7"
    answer = client.batch_describe_model_package(ModelPackageArnList=[arn, gone])
    [(key, summary)] = answer["ModelPackageSummaries"].items()
    assert (key, summary["ModelPackageDescription"], summary["ModelPackageVersion"]) == (arn, "d", 1)
    assert answer["BatchDescribeModelPackageErrorMap"][gone]["ErrorCode"] == "ValidationException"


def test_packages_are_searched(client, group):
    for number in range(3):
        register(client, group, CustomerMetadataProperties={"accuracy": f"0.9{number}"}, ModelApprovalStatus="Approved")
    filters = [
        {"Name": "ModelPackageGroupName", "Value": group},
        {"Name": "ModelApprovalStatus", "Value": "Approved"},
        {"Name": "CustomerMetadataProperties.accuracy", "Operator": "GreaterThan", "Value": "0.905"},
    ]
    request = {"Resource": "ModelPackage", "SortBy": "ModelPackageVersion", "SortOrder": "Descending"}
    found = client.search(**request, SearchExpression={"Filters": filters})["Results"]
    assert [result["ModelPackage"]["ModelPackageVersion"] for result in found] == [3, 2]


def test_a_package_is_cloned_and_a_model_registered(account, client, group, inference):
    first = register(client, group, InferenceSpecification=inference)
    clone = register(client, group, SourceUri=first)
    containers = client.describe_model_package(ModelPackageName=clone)["InferenceSpecification"]["Containers"]
    assert containers[0]["ModelDataUrl"] == inference["Containers"][0]["ModelDataUrl"]
    name = account.model({"a": b"b"})
    model = client.describe_model(ModelName=name)
    version = register(client, group, SourceUri=model["ModelArn"])
    containers = client.describe_model_package(ModelPackageName=version)["InferenceSpecification"]["Containers"]
    assert containers[0]["ModelDataUrl"] == model["PrimaryContainer"]["ModelDataUrl"]


def test_only_an_approved_version_becomes_a_model(account, client, group, inference):
    arn = register(client, group, InferenceSpecification=inference)
    request = {"ExecutionRoleArn": account.role, "Containers": [{"ModelPackageName": arn}]}
    name = account.unique("model")
    answer = refusal(client.create_model, ModelName=name, **request)
    assert answer.startswith("ValidationException") and "PendingManualApproval" in answer and arn in answer
    assert "Could not find" in refusal(client.describe_model, ModelName=name)
    client.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    client.create_model(ModelName=name, **request)
    assert client.describe_model(ModelName=name)["Containers"] == [{"ModelPackageName": arn}]
    other = {"Containers": [{"ModelPackageName": arn, "Image": account.sklearn}]}
    assert "Image" in refusal(client.create_model, ModelName=account.unique("model"), **{**request, **other})
    unknown = {"Containers": [{"ModelPackageName": arn, "InferenceSpecificationName": "none"}]}
    assert "InferenceSpecificationName" in refusal(client.create_model, ModelName=account.unique("model"), **unknown)


@pytest.mark.frameworks
def test_a_package_is_deployed_with_the_model_s_environment_over_its_own(account, client, group):
    source = """
import json, os
def model_fn(model_dir): return open(model_dir + "/which").read()
def predict_fn(data, model): return [model, os.environ["A"], os.environ["B"]]
def output_fn(prediction, accept): return json.dumps(prediction), "application/json"
"""
    name = account.model({"which": "mine"}, source)
    container = client.describe_model(ModelName=name)["PrimaryContainer"]
    container["Environment"] |= {"A": "package", "B": "package"}
    arn = register(client, group, InferenceSpecification={"Containers": [container]}, ModelApprovalStatus="Approved")
    model = account.unique("model")
    client.create_model(
        ModelName=model,
        ExecutionRoleArn=account.role,
        PrimaryContainer={"ModelPackageName": arn, "Environment": {"B": "model"}},
    )
    client.delete_model_package(ModelPackageName=arn)
    client.delete_model_package_group(ModelPackageGroupName=group)
    endpoint = account.deploy(model)
    assert json.loads(account.invoke(endpoint, "1,2")) == ["mine", "package", "model"]
    client.delete_endpoint(EndpointName=endpoint)


@pytest.mark.frameworks
def test_a_package_of_several_containers_is_an_inference_pipeline(account, client, group):
    """Each container's answer is the next one's request; an additional specification has but the second."""
    source = """
def model_fn(model_dir): return open(model_dir + "/which").read()
def input_fn(body, content_type): return body if isinstance(body, str) else body.decode()
def predict_fn(data, model): return data + model
def output_fn(prediction, accept): return prediction, "text/csv"
"""
    names = [account.model({"which": which}, source) for which in ("one", "two")]
    containers = [client.describe_model(ModelName=name)["PrimaryContainer"] for name in names]
    arn = register(
        client,
        group,
        InferenceSpecification={"Containers": containers},
        AdditionalInferenceSpecifications=[{"Name": "second", "Containers": containers[1:]}],
        ModelApprovalStatus="Approved",
    )
    for more, expected in (({}, b"x,onetwo"), ({"InferenceSpecificationName": "second"}, b"x,two")):
        model = account.unique("model")
        container = {"ModelPackageName": arn, **more}
        client.create_model(ModelName=model, ExecutionRoleArn=account.role, PrimaryContainer=container)
        endpoint = account.deploy(model)
        assert account.invoke(endpoint, "x,") == expected
        client.delete_endpoint(EndpointName=endpoint)


def test_nothing_is_lost_by_a_kill(new_server, account_on):
    server = new_server()
    client = account_on(server).sagemaker
    client.create_model_package_group(ModelPackageGroupName="kept")
    arns = [register(client, "kept") for _ in range(3)]
    client.update_model_package(ModelPackageArn=arns[1], ModelApprovalStatus="Approved")
    client.delete_model_package(ModelPackageName=arns[2])
    server.kill()
    client = account_on(server.start()).sagemaker
    listed = client.list_model_packages(ModelPackageGroupName="kept")["ModelPackageSummaryList"]
    assert [s["ModelApprovalStatus"] for s in listed] == ["Approved", "PendingManualApproval"]
    assert register(client, "kept").endswith("/4")


def test_a_person_approves_on_the_command_line(account, client, group):
    def approve(*arguments):
        done = account.server.selfmaker("approve", *arguments)
        return done.returncode, done.stdout + done.stderr

    def status(version):
        described = client.describe_model_package(ModelPackageName=f"{group}/{version}")
        return described["ModelApprovalStatus"], described.get("ApprovalDescription")

    assert approve(group) == (1, f"selfmaker: the model package group {group} has no versions\n")
    arns = [register(client, group, ModelPackageDescription="for a person") for _ in range(3)]
    code, waiting = approve()
    assert code == 0 and f"{group}/1" in waiting and "for a person" in waiting
    assert approve(f"{group}/1", "-m", "good") == (0, f"{group}/1 is Approved (it was PendingManualApproval)\n")
    assert approve(arns[1], "--reject")[0] == 0
    assert approve(group)[0] == 0  # the newest
    assert [status(version) for version in (1, 2, 3)] == [("Approved", "good"), ("Rejected", None), ("Approved", None)]
    assert f"{group}/" not in approve()[1]
    code, said = approve(f"{group}/4")
    assert (code, said.count("\n")) == (1, 1) and "does not exist" in said


def test_changed_data_are_tagged_too(account, client, group, inference):
    package = register(client, group, InferenceSpecification=inference)
    data = account.put(f"{account.unique('data')}/model.tar.gz", b"other data")
    bucket, key = data.removeprefix("s3://").split("/", 1)
    etag = account.s3.head_object(Bucket=bucket, Key=key)["ETag"].strip('"')
    more = {"Name": "more", **specification(account.sklearn, data)}
    client.update_model_package(
        ModelPackageArn=package,
        InferenceSpecification=specification(account.sklearn, data),
        AdditionalInferenceSpecificationsToAdd=[more],
    )
    described = client.describe_model_package(ModelPackageName=package)
    found = [described["InferenceSpecification"], *described["AdditionalInferenceSpecifications"]]
    assert [one["Containers"][0]["ModelDataETag"] for one in found] == [etag, etag]


def test_who_made_and_changed_it_is_told(client, group, inference):
    package = register(client, group, InferenceSpecification=inference)
    assert client.describe_model_package_group(ModelPackageGroupName=group)["CreatedBy"]["IamIdentity"]["Arn"]
    described = client.describe_model_package(ModelPackageName=package)
    assert described["CreatedBy"]["IamIdentity"]["Arn"] and "LastModifiedBy" not in described
    client.update_model_package(ModelPackageArn=package, ModelApprovalStatus="Approved")
    assert client.describe_model_package(ModelPackageName=package)["LastModifiedBy"] == described["CreatedBy"]


def test_versions_are_searched_by_their_group_s_tags(client, group, inference):
    package = register(client, group, InferenceSpecification=inference)
    wanted = {"Filters": [{"Name": "Tags.team", "Operator": "Equals", "Value": group}]}
    [found] = client.search(Resource="ModelPackage", SearchExpression=wanted)["Results"]
    assert found["ModelPackage"]["ModelPackageArn"] == package
    assert found["ModelPackage"]["Tags"] == [{"Key": "team", "Value": group}]
