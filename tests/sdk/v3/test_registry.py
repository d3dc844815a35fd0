"""The model registry as SDK v3 uses it: ModelBuilder.register, the resource classes, and deployment of a package."""

import io
import json
import logging
import tarfile

import pytest
from botocore.exceptions import ClientError
from sagemaker.core.resources import Endpoint, EndpointConfig, Model, ModelPackage, ModelPackageGroup
from sagemaker.core.shapes import ContainerDefinition, ProductionVariant, Tag
from sagemaker.serve import ModelBuilder
from sagemaker.train.configs import SourceCode

HANDLERS = """
import json, pathlib

def model_fn(model_dir):
    return json.loads(pathlib.Path(model_dir, "weights.json").read_text())

def input_fn(body, content_type):
    return json.loads(body)

def predict_fn(data, model):
    return {"answer": sum(data) * model["factor"]}

def output_fn(prediction, accept):
    return json.dumps(prediction), "application/json"
"""


@pytest.fixture(scope="module")
def weights(session):
    """The URI of a model artifact that holds weights.json with factor 10."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        data = json.dumps({"factor": 10}).encode()
        member = tarfile.TarInfo("weights.json")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    bucket = session.default_bucket()
    session.boto_session.client("s3").put_object(Bucket=bucket, Key="v3-registry/model.tar.gz", Body=buffer.getvalue())
    return f"s3://{bucket}/v3-registry/model.tar.gz"


def builder(session, role, image, weights, folder):
    return ModelBuilder(
        image_uri=image,
        s3_model_data_url=weights,
        source_code=SourceCode(source_dir=folder({"inference.py": HANDLERS}), entry_script="inference.py"),
        role_arn=role,
        instance_type="ml.m5.large",
        sagemaker_session=session,
        log_level=logging.WARNING,
    )


def ask(endpoint, data):
    answer = endpoint.invoke(body=json.dumps(data), content_type="application/json", accept="application/json")
    return json.loads(answer.body.read())


def deployed(name, package_arn, role):
    """The endpoint that serves a model made from the package."""
    Model.create(
        model_name=name,
        primary_container=ContainerDefinition(model_package_name=package_arn),
        execution_role_arn=role,
    )
    variant = ProductionVariant(
        variant_name="all", model_name=name, instance_type="ml.m5.large", initial_instance_count=1
    )
    EndpointConfig.create(endpoint_config_name=name, production_variants=[variant])
    endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
    endpoint.wait_for_status("InService", poll=1)
    return endpoint


def test_a_built_model_is_registered_approved_and_deployed(session, role, image, weights, folder):
    model = builder(session, role, image, weights, folder)
    model.build()
    package = model.register(
        model_package_group_name="v3-group",
        content_types=["application/json"],
        response_types=["application/json"],
        inference_instances=["ml.m5.large"],
        transform_instances=["ml.m5.large"],
        approval_status="PendingManualApproval",
        customer_metadata_properties={"accuracy": "0.95"},
    )
    arn = package if isinstance(package, str) else getattr(package, "model_package_arn", None)
    found = ModelPackage.get(model_package_name=arn)
    assert (found.model_package_group_name, found.model_package_version) == ("v3-group", 1)
    assert found.customer_metadata_properties == {"accuracy": "0.95"}
    with pytest.raises(ClientError, match="PendingManualApproval"):
        deployed("v3-refused", arn, role)
    found.update(model_approval_status="Approved", approval_description="seen")
    assert found.refresh().approval_description == "seen"
    endpoint = deployed("v3-from-a-package", arn, role)
    try:
        assert ask(endpoint, [1, 2]) == {"answer": 30}
    finally:
        endpoint.delete()


def test_groups_and_versions_as_resources(session, image, weights):
    group = ModelPackageGroup.create(model_package_group_name="v3-resources", tags=[Tag(key="a", value="b")])
    assert group.model_package_group_status == "Completed"
    for _ in range(2):
        session.sagemaker_client.create_model_package(
            ModelPackageGroupName="v3-resources",
            InferenceSpecification={"Containers": [{"Image": image, "ModelDataUrl": weights}]},
        )
    packages = list(ModelPackage.get_all(model_package_group_name="v3-resources"))
    assert [package.model_package_version for package in packages] == [2, 1]
    packages[0].update(source_uri="s3://bucket/source")
    assert packages[0].refresh().source_uri == "s3://bucket/source"
    assert "v3-resources" in [found.model_package_group_name for found in ModelPackageGroup.get_all()]
    with pytest.raises(ClientError, match="Model Packages"):
        group.delete()
    for package in packages:
        session.sagemaker_client.delete_model_package(ModelPackageName=package.model_package_arn)
    group.delete()
    with pytest.raises(ClientError, match="does not exist"):
        group.refresh()
