"""Contexts, actions and QueryLineage, and the lineage that jobs, packages and endpoints write by themselves."""

import time

import pytest
from botocore.exceptions import ClientError

TRAIN = "import os; open(os.environ['SM_MODEL_DIR'] + '/model', 'w').write('x')"
SERVE = """
def model_fn(model_dir): return 1
def predict_fn(data, model): return data
"""


@pytest.fixture(scope="module")
def client(account):
    return account.sagemaker


def code(call, **request):
    with pytest.raises(ClientError) as caught:
        call(**request)
    return caught.value.response["Error"]["Code"]


@pytest.mark.parametrize("noun", ["Context", "Action"])
def test_the_life_of_contexts_and_actions(account, client, noun):
    lower, name = noun.lower(), account.unique(noun)
    create, describe = getattr(client, f"create_{lower}"), getattr(client, f"describe_{lower}")
    source = {"SourceUri": f"s3://bucket/{name}", "SourceType": "S3"}
    request = {f"{noun}Name": name, f"{noun}Type": "Own", "Source": source, "Properties": {"a": "1", "b": "2"}}
    arn = create(**request, Description="first", Tags=[{"Key": "k", "Value": "v"}])[f"{noun}Arn"]
    assert arn.endswith(f":{lower}/{name}")
    with pytest.raises(ClientError, match="already exists"):
        create(**request)
    update = getattr(client, f"update_{lower}")
    update(**{f"{noun}Name": name}, Properties={"c": "3"}, PropertiesToRemove=["a"], Description="second")
    for given in (name, arn):
        described = describe(**{f"{noun}Name": given})
        assert (described["Description"], described["Properties"]) == ("second", {"b": "2", "c": "3"})
        assert described["Source"] == source
    listed = getattr(client, f"list_{lower}s")(SourceUri=source["SourceUri"], **{f"{noun}Type": "Own"})
    assert [summary[f"{noun}Arn"] for summary in listed[f"{noun}Summaries"]] == [arn]
    assert getattr(client, f"list_{lower}s")(SourceUri="s3://none")[f"{noun}Summaries"] == []
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "k", "Value": "v"}]
    many = {str(number): "x" for number in range(30)}
    assert code(update, **{f"{noun}Name": name}, Properties=many) == "ResourceLimitExceeded"
    assert getattr(client, f"delete_{lower}")(**{f"{noun}Name": name})[f"{noun}Arn"] == arn
    assert code(describe, **{f"{noun}Name": name}) == "ResourceNotFound"


@pytest.fixture(scope="module")
def chain(account, client):
    """data -> step -> model -> action -> context, beside other -> step and step -> report; ARNs by those names."""

    def artifact(kind, **members):
        source = {"SourceUri": f"s3://bucket/{account.unique('object')}"}
        return client.create_artifact(ArtifactType=kind, Source=source, **members)["ArtifactArn"]

    source = {"SourceUri": "arn:x"}
    arns = {
        "data": artifact("DataSet", Properties={"owner": "me"}),
        "other": artifact("DataSet"),
        "step": client.create_trial_component(TrialComponentName=account.unique("step"))["TrialComponentArn"],
        "model": artifact("Model"),
        "report": artifact("Report"),
    }
    arns["action"] = client.create_action(
        ActionName=account.unique("action"), ActionType="ModelDeployment", Source=source, Status="Completed"
    )["ActionArn"]
    arns["context"] = client.create_context(
        ContextName=account.unique("context"), ContextType="Endpoint", Source=source
    )["ContextArn"]
    for ends in ("data step", "other step", "step model", "step report", "model action", "action context"):
        first, second = ends.split()
        client.add_association(SourceArn=arns[first], DestinationArn=arns[second], AssociationType="ContributedTo")
    return arns


def query(client, chain, start, direction, **members):
    """The names of the vertices, and the edges as pairs of names."""
    names = {arn: name for name, arn in chain.items()}
    answer = client.query_lineage(StartArns=[chain[start]], Direction=direction, **members)
    vertices = {names[vertex["Arn"]] for vertex in answer["Vertices"]}
    return vertices, {(names[edge["SourceArn"]], names[edge["DestinationArn"]]) for edge in answer["Edges"]}


def test_directions(client, chain):
    assert query(client, chain, "model", "Ascendants") == ({"step", "data", "other"}, set())
    assert query(client, chain, "model", "Descendants") == ({"action", "context"}, set())
    assert query(client, chain, "model", "Both")[0] == {"step", "data", "other", "action", "context"}
    assert query(client, chain, "context", "Descendants") == (set(), set())


def test_depth(client, chain):
    assert query(client, chain, "data", "Descendants", MaxDepth=1)[0] == {"step"}
    assert query(client, chain, "data", "Descendants", MaxDepth=2)[0] == {"step", "model", "report"}


def test_filters(client, chain):
    def found(start, **filters):
        return query(client, chain, start, "Ascendants", Filters=filters)[0]

    assert found("context", LineageTypes=["Artifact"]) == {"model", "data", "other"}
    assert found("context", Types=["DataSet"]) == {"data", "other"}
    assert found("context", LineageTypes=["Artifact"], Types=["Model"]) == {"model"}
    assert found("context", Properties={"owner": "me"}) == {"data"}
    assert found("context", LineageTypes=["TrialComponent", "Action"]) == {"step", "action"}
    assert found("context", CreatedBefore=time.time() - 3600) == set()
    assert found("context", Types=["Model"], ModifiedAfter=time.time() - 3600) == {"model"}


def test_edges_are_those_on_the_way_to_what_was_sought(client, chain):
    vertices, edges = query(
        client, chain, "context", "Ascendants", IncludeEdges=True, Filters={"Properties": {"owner": "me"}}
    )
    assert vertices == {"context", "action", "model", "step", "data"}
    assert edges == {("data", "step"), ("step", "model"), ("model", "action"), ("action", "context")}
    vertices, edges = query(client, chain, "data", "Descendants", IncludeEdges=True)
    assert vertices == {"data", "step", "model", "report", "action", "context"}
    assert ("step", "report") in edges and ("other", "step") not in edges


def test_pages_and_types(client, chain):
    answer = client.query_lineage(StartArns=[chain["context"]], Direction="Ascendants", MaxResults=2)
    more = client.query_lineage(
        StartArns=[chain["context"]], Direction="Ascendants", MaxResults=10, NextToken=answer["NextToken"]
    )
    found = [*answer["Vertices"], *more["Vertices"]]
    assert len({vertex["Arn"] for vertex in found}) == 5 and "NextToken" not in more
    [action] = [vertex for vertex in found if vertex["LineageType"] == "Action"]
    assert action == {"Arn": chain["action"], "Type": "ModelDeployment", "LineageType": "Action"}
    assert code(client.query_lineage, StartArns=[chain["data"][:-4] + "none"]) == "ResourceNotFound"


def test_without_a_start_the_filters_search_everything(client, chain):
    found = client.query_lineage(Filters={"Properties": {"owner": "me"}, "Types": ["DataSet"]})["Vertices"]
    assert [vertex["Arn"] for vertex in found] == [chain["data"]]


def artifact_of(client, uri):
    [found] = client.list_artifacts(SourceUri=uri)["ArtifactSummaries"]
    return found


def associations(client, **ends):
    return client.list_associations(**ends)["AssociationSummaries"]


@pytest.mark.frameworks
def test_from_data_to_the_endpoint(account, client, channel):
    """A training job, a version of its model, and an endpoint: the endpoint's ancestors are all of it."""
    data = account.put(f"{account.unique('data')}/rows.csv", "1,2")
    job = account.succeed({"train.py": TRAIN}, InputDataConfig=[channel("train", data)])
    model_data = job["ModelArtifacts"]["S3ModelArtifacts"]
    component = client.list_trial_components(SourceArn=job["TrainingJobArn"])["TrialComponentSummaries"][0]
    inputs = associations(client, DestinationArn=component["TrialComponentArn"])
    assert {(a["SourceType"], a["AssociationType"]) for a in inputs} == {
        ("Image", "ContributedTo"),
        ("DataSet", "ContributedTo"),
    }
    [made] = associations(client, SourceArn=component["TrialComponentArn"])
    assert (made["DestinationArn"], made["AssociationType"]) == (
        artifact_of(client, model_data)["ArtifactArn"],
        "Produced",
    )

    group, name = account.unique("group"), account.unique("endpoint")
    group_arn = client.create_model_package_group(ModelPackageGroupName=group)["ModelPackageGroupArn"]
    code = account.model({}, SERVE)
    environment = client.describe_model(ModelName=code)["PrimaryContainer"]["Environment"]
    container = {"Image": account.sklearn, "ModelDataUrl": model_data, "Environment": environment}
    package = client.create_model_package(
        ModelPackageGroupName=group, InferenceSpecification={"Containers": [container]}
    )["ModelPackageArn"]
    client.update_model_package(ModelPackageArn=package, ModelApprovalStatus="Approved")
    client.create_model(ModelName=name, ExecutionRoleArn=account.role, PrimaryContainer={"ModelPackageName": package})
    client.create_endpoint(EndpointName=name, EndpointConfigName=account.config(name))
    arn = account.settled(name)["EndpointArn"]
    [context] = client.list_contexts(SourceUri=arn)["ContextSummaries"]
    assert context["ContextType"] == "Endpoint"

    def ancestors(**filters):
        answer = client.query_lineage(StartArns=[context["ContextArn"]], Direction="Ascendants", Filters=filters)
        return {vertex["Arn"] for vertex in answer["Vertices"]}

    assert artifact_of(client, data)["ArtifactArn"] in ancestors(Types=["DataSet"])
    assert artifact_of(client, account.sklearn)["ArtifactArn"] in ancestors(Types=["Image"])
    assert ancestors(LineageTypes=["TrialComponent"], Types=["TrainingJob"]) == {component["TrialComponentArn"]}
    assert artifact_of(client, package)["ArtifactArn"] in ancestors(Types=["Model"])
    assert len(ancestors(Types=["ModelDeployment"])) == 1
    approvals = client.list_actions(SourceUri=package, ActionType="Approval")["ActionSummaries"]
    assert {action["ActionName"].split("-")[3] for action in approvals} == {"PendingManualApproval", "Approved"}
    [place] = client.list_contexts(SourceUri=group_arn)["ContextSummaries"]
    [inside] = associations(client, DestinationArn=place["ContextArn"])
    assert (inside["SourceArn"], inside["AssociationType"]) == (
        artifact_of(client, package)["ArtifactArn"],
        "AssociatedWith",
    )
    client.update_endpoint(EndpointName=name, EndpointConfigName=account.config(name))
    assert account.settled(name)["EndpointStatus"] == "InService"
    assert len(ancestors(Types=["ModelDeployment"])) == 2
    client.delete_endpoint(EndpointName=name)


@pytest.mark.frameworks
def test_a_failed_job_has_made_nothing(account, client, channel):
    data = account.put(f"{account.unique('data')}/rows.csv", "1,2")
    job = account.train({"train.py": "raise SystemExit(1)"}, InputDataConfig=[channel("train", data)])
    assert job["TrainingJobStatus"] == "Failed"
    [component] = client.list_trial_components(SourceArn=job["TrainingJobArn"])["TrialComponentSummaries"]
    assert len(associations(client, DestinationArn=component["TrialComponentArn"])) == 2
    assert associations(client, SourceArn=component["TrialComponentArn"]) == []


@pytest.mark.frameworks
def test_processing_leads_from_input_to_output(account, client):
    name = account.unique("processing")
    data = account.put(f"{name}/in/rows.csv", "1,2")
    target = f"s3://{account.bucket}/{name}/out"
    place = "/opt/ml/processing/"
    s3 = {"S3DataType": "S3Prefix", "S3InputMode": "File"}
    client.create_processing_job(
        ProcessingJobName=name,
        RoleArn=account.role,
        AppSpecification={
            "ImageUri": account.sklearn,
            "ContainerEntrypoint": ["cp", "-r", f"{place}in/.", f"{place}out"],
        },
        ProcessingResources={"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}},
        ProcessingInputs=[{"InputName": "in", "S3Input": {"S3Uri": data, "LocalPath": f"{place}in", **s3}}],
        ProcessingOutputConfig={
            "Outputs": [
                {
                    "OutputName": "out",
                    "S3Output": {"S3Uri": target, "LocalPath": f"{place}out", "S3UploadMode": "EndOfJob"},
                }
            ]
        },
    )
    waiter = client.get_waiter("processing_job_completed_or_stopped")
    waiter.wait(ProcessingJobName=name, WaiterConfig={"Delay": 1})
    answer = client.query_lineage(
        StartArns=[artifact_of(client, data)["ArtifactArn"]], Direction="Descendants", IncludeEdges=True
    )
    assert {vertex["Type"] for vertex in answer["Vertices"]} == {"DataSet", "ProcessingJob"}
    assert artifact_of(client, target)["ArtifactArn"] in {edge["DestinationArn"] for edge in answer["Edges"]}


@pytest.mark.frameworks
def test_a_transform_job_leads_from_model_and_data_to_the_results(account, client):
    name, model = account.unique("transform"), account.model({}, SERVE)
    data, target = account.put(f"{name}/in/rows.csv", "1,2\n"), f"s3://{account.bucket}/{name}/out"
    client.create_transform_job(
        TransformJobName=name,
        ModelName=model,
        TransformInput={
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": data}},
            "ContentType": "text/csv",
        },
        TransformOutput={"S3OutputPath": target},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    waiter = client.get_waiter("transform_job_completed_or_stopped")
    waiter.wait(TransformJobName=name, WaiterConfig={"Delay": 1})
    answer = client.query_lineage(StartArns=[artifact_of(client, target)["ArtifactArn"]], Direction="Ascendants")
    assert {vertex["Type"] for vertex in answer["Vertices"]} == {"TransformJob", "DataSet", "Model", "Image"}
    arns = {vertex["Arn"] for vertex in answer["Vertices"]}
    model_data = client.describe_model(ModelName=model)["PrimaryContainer"]["ModelDataUrl"]
    assert {artifact_of(client, uri)["ArtifactArn"] for uri in (data, model_data)} <= arns
