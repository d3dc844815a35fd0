"""``sagemaker.core.lineage`` of SDK v3 over what users write, and what the server writes of a version."""

import time

from sagemaker.core import resources
from sagemaker.core.lineage.action import Action
from sagemaker.core.lineage.artifact import Artifact
from sagemaker.core.lineage.association import Association
from sagemaker.core.lineage.context import Context
from sagemaker.core.lineage.query import LineageFilter, LineageQuery, LineageQueryDirectionEnum, LineageSourceEnum


def test_a_chain_is_walked(session):
    stamp, given = str(time.time_ns()), {"sagemaker_session": session}
    data = Artifact.create("data", f"s3://v3/{stamp}", artifact_type="DataSet", **given)
    action = Action.create(f"v3-act-{stamp}", "arn:own", "ARN", "ModelDeployment", status="Completed", **given)
    context = Context.create(f"v3-place-{stamp}", "arn:own", "ARN", "Endpoint", **given)
    Association.create(data.artifact_arn, action.action_arn, "ContributedTo", **given)
    Association.create(action.action_arn, context.context_arn, "AssociatedWith", **given)
    wanted = LineageFilter(sources=[LineageSourceEnum.DATASET])
    found = LineageQuery(session).query(
        [context.context_arn], direction=LineageQueryDirectionEnum.ASCENDANTS, query_filter=wanted, include_edges=False
    )
    assert [vertex.arn for vertex in found.vertices] == [data.artifact_arn]
    whole = LineageQuery(session).query([context.context_arn], direction=LineageQueryDirectionEnum.ASCENDANTS)
    assert len(whole.edges) == 2 and len(whole.vertices) == 3


def test_an_artifact_is_a_resource():
    uri = f"s3://v3-resource/{time.time_ns()}"
    made = resources.Artifact.create(source={"source_uri": uri}, artifact_type="DataSet", artifact_name="data")
    [listed] = resources.Artifact.get_all(source_uri=uri)
    assert (listed.artifact_arn, listed.artifact_name) == (made.artifact_arn, "data")
    made.delete()
    assert list(resources.Artifact.get_all(source_uri=uri)) == []


def test_a_version_has_its_group_about_it(session, image):
    client, group = session.sagemaker_client, f"v3-lineage-{time.time_ns()}"
    arn = client.create_model_package_group(ModelPackageGroupName=group)["ModelPackageGroupArn"]
    package = client.create_model_package(
        ModelPackageGroupName=group,
        InferenceSpecification={"Containers": [{"Image": image, "ModelDataUrl": "s3://v3/model.tar.gz"}]},
    )["ModelPackageArn"]
    [artifact] = Artifact.list(source_uri=package, sagemaker_session=session)
    [context] = Context.list(source_uri=arn, sagemaker_session=session)
    [association] = Association.list(destination_arn=context.context_arn, sagemaker_session=session)
    assert association.source_arn == artifact.artifact_arn
    types = {a.source_type for a in Association.list(destination_arn=artifact.artifact_arn, sagemaker_session=session)}
    assert types == {"Image", "Model", "Approval"}
