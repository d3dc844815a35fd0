"""``sagemaker.lineage`` walks what the server has written, and what users write."""

import time

import pytest
from botocore.exceptions import ClientError
from sagemaker.inputs import TrainingInput
from sagemaker.lineage.action import Action, ModelPackageApprovalAction
from sagemaker.lineage.artifact import Artifact, DatasetArtifact, ImageArtifact, ModelArtifact
from sagemaker.lineage.association import Association
from sagemaker.lineage.context import Context, EndpointContext, ModelPackageGroup
from sagemaker.lineage.lineage_trial_component import LineageTrialComponent
from sagemaker.lineage.query import (
    LineageEntityEnum,
    LineageFilter,
    LineageQuery,
    LineageQueryDirectionEnum,
    LineageSourceEnum,
)
from sagemaker.lineage.visualizer import LineageTableVisualizer

SCRIPT = """
import os, json
if __name__ == "__main__":
    with open(os.path.join(os.environ["SM_MODEL_DIR"], "model.json"), "w") as file:
        json.dump({}, file)

def model_fn(model_dir):
    return 1

def predict_fn(data, model):
    return data
"""

UP, DOWN = LineageQueryDirectionEnum.ASCENDANTS, LineageQueryDirectionEnum.DESCENDANTS


class Deployed:
    """A data set, the job that read it, the version that was registered, and the endpoint that serves it."""

    def __init__(self, session, sklearn, folder):
        client = session.sagemaker_client
        key = f"lineage/{time.time_ns()}/rows.csv"
        session.boto_session.client("s3").put_object(Bucket=session.default_bucket(), Key=key, Body=b"1,2")
        self.data = f"s3://{session.default_bucket()}/{key}"
        estimator = sklearn("train.py", source_dir=folder({"train.py": SCRIPT}))
        estimator.fit({"train": TrainingInput(self.data)})
        self.job = estimator.latest_training_job.name
        self.package = estimator.register(
            content_types=["text/csv"],
            response_types=["text/csv"],
            inference_instances=["ml.m5.large"],
            transform_instances=["ml.m5.large"],
            image_uri=estimator.training_image_uri(),
            model_package_group_name="lineage-group",
        )
        self.image, self.endpoint = estimator.training_image_uri(), "lineage-endpoint"
        self.package.deploy(1, "ml.m5.large", endpoint_name=self.endpoint)
        arn = client.describe_endpoint(EndpointName=self.endpoint)["EndpointArn"]
        [summary] = Context.list(source_uri=arn, sagemaker_session=session)
        self.context = EndpointContext.load(summary.context_name, sagemaker_session=session)
        self.endpoint_arn = arn


@pytest.fixture(scope="module")
def deployed(session, role, tmp_path_factory):
    from sagemaker.sklearn import SKLearn

    root = tmp_path_factory.mktemp("lineage")

    def folder(files):
        for name, text in files.items():
            (root / name).write_text(text)
        return str(root)

    def sklearn(entry_point, **arguments):
        return SKLearn(
            entry_point=entry_point,
            framework_version="1.4-2",
            role=role,
            instance_type="ml.m5.large",
            sagemaker_session=session,
            **arguments,
        )

    made = Deployed(session, sklearn, folder)
    yield made
    session.sagemaker_client.delete_endpoint(EndpointName=made.endpoint)


def source_of(artifact):
    source = artifact.source
    return source["SourceUri"] if isinstance(source, dict) else source.source_uri


def test_from_the_endpoint_back(session, deployed):
    context = deployed.context
    assert deployed.data in [source_of(artifact) for artifact in context.dataset_artifacts()]
    [job] = context.training_job_arns()
    assert job.endswith(f"/{deployed.job}")
    assert [action.action_type for action in context.actions(UP) if action.action_type != "Approval"] == [
        "ModelDeployment"
    ]
    [component] = [c for c in context.trial_components() if "training" in c.trial_component_name]
    assert component.source["SourceArn"] == job
    assert context.processing_jobs() == [] and context.transform_jobs() == []


def test_from_the_data_on(session, deployed):
    [summary] = Artifact.list(source_uri=deployed.data, sagemaker_session=session)
    data = DatasetArtifact.load(summary.artifact_arn, sagemaker_session=session)
    assert [context.context_arn for context in data.endpoint_contexts()] == [deployed.context.context_arn]
    assert data.downstream_datasets() == []
    [image] = Artifact.list(source_uri=deployed.image, sagemaker_session=session)
    image = ImageArtifact.load(image.artifact_arn, sagemaker_session=session)
    assert image.datasets(UP) == []


def test_from_the_model(session, deployed):
    described = session.describe_training_job(deployed.job)
    [summary] = Artifact.list(source_uri=described["ModelArtifacts"]["S3ModelArtifacts"], sagemaker_session=session)
    model = ModelArtifact.load(summary.artifact_arn, sagemaker_session=session)
    assert [arn.rpartition("/")[2] for arn in model.training_job_arns()] == [deployed.job]
    assert deployed.data in [source_of(artifact) for artifact in model.dataset_artifacts()]
    assert deployed.context.context_arn in [context.context_arn for context in model.endpoint_contexts()]
    assert model.pipeline_execution_arn() is None


def test_the_approval_leads_to_the_endpoint(session, deployed):
    actions = Action.list(source_uri=deployed.package.model_package_arn, sagemaker_session=session)
    names = [action.action_name for action in actions if "-Approved-" in action.action_name]
    approval = ModelPackageApprovalAction.load(names[0], sagemaker_session=session)
    assert [context.context_arn for context in approval.endpoints()] == [deployed.context.context_arn]
    group = session.sagemaker_client.describe_model_package_group(ModelPackageGroupName="lineage-group")
    [summary] = Context.list(source_uri=group["ModelPackageGroupArn"], sagemaker_session=session)
    assert ModelPackageGroup.load(summary.context_name, sagemaker_session=session).pipeline_execution_arn() is None


def test_queries_by_hand(session, deployed):
    everything = LineageQuery(session).query([deployed.context.context_arn], direction=UP)
    entities = {vertex.lineage_entity for vertex in everything.vertices}
    assert entities == {"Artifact", "Action", "TrialComponent", "Context"}
    arns = {vertex.arn for vertex in everything.vertices}
    assert all({edge.source_arn, edge.destination_arn} <= arns for edge in everything.edges)
    chosen = LineageFilter(entities=[LineageEntityEnum.ARTIFACT], sources=[LineageSourceEnum.IMAGE])
    images = LineageQuery(session).query(
        [deployed.context.context_arn], direction=UP, query_filter=chosen, include_edges=False
    )
    assert images.edges == []
    assert {source_of(vertex.to_lineage_object()) for vertex in images.vertices} == {deployed.image}


def test_the_table_of_a_job(session, deployed):
    table = LineageTableVisualizer(session).show(training_job_name=deployed.job)
    rows = {(row["Direction"], row["Type"], row["Association Type"]) for _, row in table.iterrows()}
    assert rows == {
        ("Input", "Image", "ContributedTo"),
        ("Input", "DataSet", "ContributedTo"),
        ("Output", "Model", "Produced"),
    }
    table = LineageTableVisualizer(session).show(model_package_arn=deployed.package.model_package_arn)
    rows = {(row["Direction"], row["Type"], row["Association Type"]) for _, row in table.iterrows()}
    assert {("Input", "Image", "ContributedTo"), ("Input", "Model", "ContributedTo")} <= rows
    assert {("Input", "Approval", "ContributedTo"), ("Output", "ModelGroup", "AssociatedWith")} <= rows
    table = LineageTableVisualizer(session).show(endpoint_arn=deployed.endpoint_arn)
    assert [row["Type"] for _, row in table.iterrows()] == ["ModelDeployment"]


def test_entities_of_one_s_own(session):
    stamp = str(time.time_ns())
    given = {"sagemaker_session": session}
    data = Artifact.create("data", f"s3://own/{stamp}", artifact_type="DataSet", properties={"k": "v"}, **given)
    action = Action.create(f"act-{stamp}", "arn:own", "ARN", "Review", status="InProgress", **given)
    context = Context.create(f"place-{stamp}", "arn:own", "ARN", "Project", **given)
    Association.create(data.artifact_arn, action.action_arn, "ContributedTo", **given)
    Association.create(action.action_arn, context.context_arn, "AssociatedWith", **given)
    action.status = "Completed"
    action.properties = {"by": "me"}
    action.save()
    assert Action.load(f"act-{stamp}", **given).status == "Completed"
    found = LineageQuery(session).query([data.artifact_arn], direction=DOWN, include_edges=False)
    assert {vertex.arn for vertex in found.vertices} == {action.action_arn, context.context_arn}
    [association] = Association.list(source_arn=data.artifact_arn, **given)
    assert association.destination_type == "Review"
    context.set_tag({"Key": "a", "Value": "b"})
    action.delete(disassociate=True)
    assert list(Association.list(source_arn=data.artifact_arn, **given)) == []
    context.delete()
    data.delete()
    with pytest.raises(ClientError):
        Context.load(f"place-{stamp}", **given)


def test_a_component_knows_its_models(session, deployed):
    component = LineageTrialComponent.load(f"{deployed.job}-aws-training-job", sagemaker_session=session)
    models = [source_of(artifact) for artifact in component.models()]
    assert any(uri.endswith("model.tar.gz") for uri in models)
    assert deployed.data in [source_of(artifact) for artifact in component.dataset_artifacts()]
