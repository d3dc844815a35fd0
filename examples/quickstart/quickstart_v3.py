"""Train, deploy and predict with the SageMaker Python SDK v3. The same on AWS and on selfmaker."""

import io
import logging
import os
import tempfile
from pathlib import Path

import pandas as pd
from dataset import LABEL, write_channels
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import EndpointConfig
from sagemaker.serve import ModelBuilder
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, SourceCode

HERE = Path(__file__).resolve().parent
# SDK v3 shows a job's log through this logger.
logging.basicConfig(level=logging.ERROR, format="%(message)s", force=True)
logging.getLogger("sagemaker.core.resources").setLevel(logging.INFO)

print(">>> upload the data")
session = Session()
role = os.environ.get("SAGEMAKER_ROLE") or get_execution_role(session)
image = image_uris.retrieve("sklearn", session.boto_region_name, version="1.4-2", instance_type="ml.m5.large")
with tempfile.TemporaryDirectory() as folder:
    held_out = write_channels(Path(folder))
    data = session.upload_data(folder, key_prefix="quickstart-v3/data")
print(f"uploaded to {data}")

print(">>> train")
source = SourceCode(source_dir=str(HERE / "source"), entry_script="train.py")
trainer = ModelTrainer(
    training_image=image,
    source_code=source,
    compute=Compute(instance_type="ml.m5.large", instance_count=1),
    role=role,
    base_job_name="quickstart-v3",
    hyperparameters={"n-estimators": 100, "max-depth": 8},
    sagemaker_session=session,
)
trainer.train(
    input_data_config=[
        InputData(channel_name="train", data_source=f"{data}/train"),
        InputData(channel_name="validation", data_source=f"{data}/validation"),
    ]
)
artifacts = trainer._latest_training_job.model_artifacts.s3_model_artifacts
print(f"model artifacts: {artifacts}")

print(">>> deploy")
builder = ModelBuilder(
    model_path=tempfile.mkdtemp(prefix="quickstart-v3-"),  # the SDK's own default is one folder for all users
    image_uri=image,
    s3_model_data_url=artifacts,
    source_code=source,
    role_arn=role,
    instance_type="ml.m5.large",
    sagemaker_session=session,
    log_level=logging.WARNING,
)
model = builder.build()
endpoint = builder.deploy(initial_instance_count=1)
print(f"endpoint: {endpoint.endpoint_name}")

print(">>> predict")
try:
    rows = held_out.drop(columns=LABEL).to_csv(index=False, header=False)
    answer = endpoint.invoke(body=rows, content_type="text/csv", accept="text/csv")
    predictions = pd.read_csv(io.BytesIO(answer.body.read()), header=None)[0].to_numpy()
    accuracy = (predictions == held_out[LABEL].to_numpy()).mean()
    print(f"accuracy on {len(held_out)} held-out rows: {accuracy:.4f}")
finally:
    print(">>> delete the endpoint and the model")
    endpoint.delete()
    EndpointConfig.get(endpoint.endpoint_name).delete()
    model.delete()
