"""The model registry as SDK v2 uses it: register, approve, deploy."""

import io
import json
import tarfile

import pytest
from botocore.exceptions import ClientError
from sagemaker import ModelPackage
from sagemaker.deserializers import BytesDeserializer
from sagemaker.drift_check_baselines import DriftCheckBaselines
from sagemaker.metadata_properties import MetadataProperties
from sagemaker.model_card import ModelPackageModelCard
from sagemaker.model_life_cycle import ModelLifeCycle
from sagemaker.model_metrics import MetricsSource, ModelMetrics
from sagemaker.predictor import Predictor
from sagemaker.serializers import JSONSerializer
from sagemaker.sklearn import SKLearnModel

HANDLERS = """
import json, os, pathlib

def model_fn(model_dir):
    return json.loads(pathlib.Path(model_dir, "weights.json").read_text())

def input_fn(body, content_type):
    return json.loads(body)

def predict_fn(data, model):
    return {"answer": sum(data) * model["factor"], "who": os.environ.get("WHO", "")}

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
    session.boto_session.client("s3").put_object(Bucket=bucket, Key="registry/model.tar.gz", Body=buffer.getvalue())
    return f"s3://{bucket}/registry/model.tar.gz"


@pytest.fixture
def model(session, role, weights, folder):
    return SKLearnModel(
        model_data=weights,
        role=role,
        entry_point="inference.py",
        source_dir=folder({"inference.py": HANDLERS}),
        framework_version="1.4-2",
        env={"WHO": "package"},
        sagemaker_session=session,
    )


def registered(model, **arguments):
    """A version with all that ``register`` takes; its group comes with the first."""
    report = MetricsSource(content_type="application/json", s3_uri="s3://bucket/evaluation.json")
    return model.register(
        content_types=["application/json"],
        response_types=["application/json"],
        inference_instances=["ml.m5.large"],
        transform_instances=["ml.m5.large"],
        model_metrics=ModelMetrics(model_statistics=report),
        drift_check_baselines=DriftCheckBaselines(model_statistics=report),
        metadata_properties=MetadataProperties(commit_id="abc"),
        customer_metadata_properties={"accuracy": "0.95"},
        description="a registered model",
        domain="MACHINE_LEARNING",
        task="CLASSIFICATION",
        **arguments,
    )


def describe(session, package):
    return session.sagemaker_client.describe_model_package(ModelPackageName=package.model_package_arn)


def test_a_version_is_registered_approved_and_deployed(session, role, model):
    package = registered(model, model_package_group_name="v2-group")
    described = describe(session, package)
    assert (described["ModelPackageGroupName"], described["ModelPackageVersion"]) == ("v2-group", 1)
    assert described["ModelApprovalStatus"] == "PendingManualApproval"
    assert described["CustomerMetadataProperties"] == {"accuracy": "0.95"}
    assert described["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"] == "s3://bucket/evaluation.json"
    assert described["MetadataProperties"]["CommitId"] == "abc"
    with pytest.raises(ClientError, match="PendingManualApproval"):
        container = {"ModelPackageName": package.model_package_arn}
        session.sagemaker_client.create_model(ModelName="no", ExecutionRoleArn=role, PrimaryContainer=container)

    package.update_approval_status("Approved", approval_description="seen")
    fresh = ModelPackage(role=role, model_package_arn=package.model_package_arn, sagemaker_session=session)
    fresh.env = {"WHO": "model"}
    predictor = fresh.deploy(1, "ml.m5.large", endpoint_name="from-a-package", serializer=JSONSerializer())
    try:
        assert predictor is None  # the class of a package's predictor is for the caller to choose
        predictor = Predictor("from-a-package", session, serializer=JSONSerializer())
        assert json.loads(predictor.predict([1, 2])) == {"answer": 30, "who": "model"}
    finally:
        session.sagemaker_client.delete_endpoint(EndpointName="from-a-package")
    assert describe(session, package)["ApprovalDescription"] == "seen"


def test_deploy_approves_what_waits(session, model):
    """As the SDK does it: whoever deploys a version by hand has approved it."""
    package = registered(model, model_package_group_name="v2-waiting")
    predictor = package.deploy(
        1, "ml.m5.large", endpoint_name="waiting", serializer=JSONSerializer(), deserializer=BytesDeserializer()
    )
    assert describe(session, package)["ModelApprovalStatus"] == "Approved"
    assert json.loads(predictor.predict([4]))["answer"] == 40
    session.sagemaker_client.delete_endpoint(EndpointName="waiting")


def test_a_package_s_members_are_updated(session, model):
    package = registered(model, model_package_group_name="v2-updates", approval_status="Rejected")
    package.update_customer_metadata({"owner": "me"})
    package.remove_customer_metadata_properties(["accuracy"])
    package.update_source_uri("s3://bucket/source")
    package.update_model_life_cycle(ModelLifeCycle(stage="Staging", stage_status="Pending")._to_request_dict())
    package.add_inference_specification(name="other", image_uris=["example/image:1"], content_types=["text/csv"])
    package.update_inference_specification(image_uris=["example/image:2"], content_types=["text/plain"])
    described = describe(session, package)
    assert described["ModelApprovalStatus"] == "Rejected"
    assert described["CustomerMetadataProperties"] == {"owner": "me"}
    assert described["SourceUri"] == "s3://bucket/source"
    assert described["ModelLifeCycle"] == {"Stage": "Staging", "StageStatus": "Pending"}
    assert described["AdditionalInferenceSpecifications"][0]["Name"] == "other"
    assert described["InferenceSpecification"]["Containers"][0]["Image"] == "example/image:2"


def test_all_that_register_takes_is_kept(session, role, model):
    package = model.register(
        content_types=["application/json"],
        response_types=["application/json"],
        inference_instances=["ml.m5.large"],
        transform_instances=["ml.m5.large"],
        model_package_group_name="v2-everything",
        model_card=ModelPackageModelCard(model_card_content={"a": 1}, model_card_status="Draft"),
        model_life_cycle=ModelLifeCycle(stage="Development", stage_status="In-Progress"),
        sample_payload_url="s3://bucket/payload.tar.gz",
        framework="SKLEARN",
        framework_version="1.4-2",
        nearest_model_name="nearest",
        data_input_configuration='{"input": [1]}',
        skip_model_validation="All",
        source_uri="https://example.com/model",
        task="CLASSIFICATION",
    )
    described = describe(session, package)
    assert described["ModelCard"] == {"ModelCardContent": '{"a": 1}', "ModelCardStatus": "Draft"}
    assert described["ModelLifeCycle"] == {"Stage": "Development", "StageStatus": "In-Progress"}
    assert (described["SkipModelValidation"], described["SourceUri"]) == ("All", "https://example.com/model")
    [container] = described["InferenceSpecification"]["Containers"]
    assert (container["Framework"], container["NearestModelName"]) == ("SKLEARN", "nearest")
    assert container["ModelInput"] == {"DataInputConfig": '{"input": [1]}'}


def test_an_unversioned_package(session, role, model):
    package = model.register(
        content_types=["application/json"],
        response_types=["application/json"],
        inference_instances=["ml.m5.large"],
        transform_instances=["ml.m5.large"],
        model_package_name="v2-unversioned",
    )
    described = session.sagemaker_client.describe_model_package(ModelPackageName="v2-unversioned")
    assert described["ModelPackageArn"] == package.model_package_arn
    session.wait_for_model_package("v2-unversioned", poll=0)
    ModelPackage(role=role, model_package_arn="v2-unversioned", sagemaker_session=session, name="v2-by-name").create(
        "ml.m5.large"
    )
    found = session.sagemaker_client.describe_model(ModelName="v2-by-name")
    assert found["Containers"] == [{"ModelPackageName": "v2-unversioned"}]


def test_a_package_s_card_is_updated(session, model):
    package = registered(
        model,
        model_package_group_name="v2-card",
        model_card=ModelPackageModelCard(model_card_content={"a": 1}, model_card_status="Draft"),
    )
    package.update_model_card(ModelPackageModelCard(model_card_content={"a": 2}, model_card_status="Draft"))
    assert json.loads(describe(session, package)["ModelCard"]["ModelCardContent"]) == {"a": 2}
    package.update_model_card(ModelPackageModelCard(model_card_content={"a": 2}, model_card_status="Approved"))
    assert describe(session, package)["ModelCard"] == {"ModelCardContent": '{"a": 2}', "ModelCardStatus": "Approved"}
