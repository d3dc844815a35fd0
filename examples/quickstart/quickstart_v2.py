"""Train, deploy and predict with the SageMaker Python SDK v2. The same on AWS and on selfmaker."""

import os
import tempfile
from pathlib import Path

import sagemaker
from dataset import LABEL, write_channels
from sagemaker.sklearn import SKLearn

HERE = Path(__file__).resolve().parent

print(">>> upload the data")
session = sagemaker.Session()
role = os.environ.get("SAGEMAKER_ROLE") or sagemaker.get_execution_role(session)
with tempfile.TemporaryDirectory() as folder:
    held_out = write_channels(Path(folder))
    data = session.upload_data(folder, key_prefix="quickstart-v2/data")
print(f"uploaded to {data}")

print(">>> train")
estimator = SKLearn(
    entry_point="train.py",
    source_dir=str(HERE / "source"),
    framework_version="1.4-2",
    role=role,
    instance_type="ml.m5.large",
    base_job_name="quickstart-v2",
    hyperparameters={"n-estimators": 100, "max-depth": 8},
    metric_definitions=[{"Name": "validation:accuracy", "Regex": "validation accuracy: (.*?);"}],
    sagemaker_session=session,
)
estimator.fit({"train": f"{data}/train", "validation": f"{data}/validation"})
print(f"model artifacts: {estimator.model_data}")

print(">>> deploy")
predictor = estimator.deploy(initial_instance_count=1, instance_type="ml.m5.large")
print(f"\nendpoint: {predictor.endpoint_name}")

print(">>> predict")
try:
    predictions = predictor.predict(held_out.drop(columns=LABEL).to_numpy())
    accuracy = (predictions == held_out[LABEL].to_numpy()).mean()
    print(f"accuracy on {len(held_out)} held-out rows: {accuracy:.4f}")
finally:
    print(">>> delete the endpoint and the model")
    predictor.delete_model()
    predictor.delete_endpoint()
