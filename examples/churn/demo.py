"""From raw customers to an endpoint that answers, with the person who approves played by this script.

    selfmaker run -- python examples/churn/demo.py [--data customers.csv | --rows 5000]

It does what a user does by hand: uploads the raw data, installs the deployment, runs the pipeline, approves the version
by ``selfmaker approve``, waits for the endpoint that the approval brings up, and asks it. Prints its steps as ``>>>``.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import boto3
import pandas as pd
import sagemaker

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from dataset import generate  # noqa: E402 - beside this script
from deployment.install import install  # noqa: E402
from pipelines import run_pipeline  # noqa: E402
from pipelines.customer_churn.preprocess import Transformation, labels, read_raw  # noqa: E402

GROUP, ENDPOINT, MODULE = "CustomerChurnPackageGroup", "customer-churn", "pipelines.customer_churn.pipeline"
PREFIX = "CustomerChurn"


def step(text):
    print(f">>> {text}", flush=True)


def raw_data(options, folder):
    """The file that was given, else one that is generated."""
    if options.data is not None:
        return options.data
    path = Path(folder) / "customers.csv"
    generate(options.rows).to_csv(path, index=False)
    return path


def upload(session, path):
    """Where the raw data is then. Other data is elsewhere: a step's cache goes by the place, not by what is there."""
    key = f"{PREFIX}/data/{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}/RawData.csv"
    session.boto_session.client("s3").upload_file(str(path), session.default_bucket(), key)
    return f"s3://{session.default_bucket()}/{key}"


def newest(client):
    request = {"SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": 1}
    return client.list_model_packages(ModelPackageGroupName=GROUP, **request)["ModelPackageSummaryList"][0]


def approve(command, package):
    version = f"{GROUP}/{package['ModelPackageVersion']}"
    subprocess.run([command, "approve", version, "--description", "approved by the demo"], check=True)


def evaluation(client, s3, package):
    """The metrics that the version was registered with."""
    described = client.describe_model_package(ModelPackageName=package["ModelPackageArn"])
    return read_json(s3, described["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"])


def in_service(client, package, seconds=600):
    """Wait until the endpoint serves that version."""
    wanted = f"{ENDPOINT}-{package['ModelPackageVersion']}-{int(package['CreationTime'].timestamp())}"
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            described = client.describe_endpoint(EndpointName=ENDPOINT)
        except client.exceptions.ClientError:
            described = {"EndpointStatus": "not there yet", "EndpointConfigName": ""}
        if described["EndpointStatus"] == "InService" and described["EndpointConfigName"] == wanted:
            return
        if described["EndpointStatus"] == "Failed":
            raise SystemExit(f"the endpoint failed: {described['FailureReason']}")
        time.sleep(0.2)
    raise SystemExit(f"the endpoint is {described['EndpointStatus']}, serving {described['EndpointConfigName']}")


def transformation(client, s3):
    """What the newest execution's processing step has fitted."""
    executions = client.list_pipeline_executions(PipelineName="CustomerChurn", SortOrder="Descending")
    arn = executions["PipelineExecutionSummaries"][0]["PipelineExecutionArn"]
    steps = client.list_pipeline_execution_steps(PipelineExecutionArn=arn)["PipelineExecutionSteps"]
    job = next(item["Metadata"]["ProcessingJob"]["Arn"] for item in steps if item["StepName"] == "CustomerChurnProcess")
    described = client.describe_processing_job(ProcessingJobName=job.rpartition("/")[2])
    outputs = {o["OutputName"]: o["S3Output"]["S3Uri"] for o in described["ProcessingOutputConfig"]["Outputs"]}
    return Transformation(**read_json(s3, f"{outputs['transformation']}/transformation.json"))


def read_json(s3, uri):
    bucket, key = uri.removeprefix("s3://").split("/", 1)
    return json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def ask(table, features):
    """The endpoint's probability for each raw customer."""
    body = pd.DataFrame(features.transform(table)).to_csv(index=False, header=False)
    runtime = boto3.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName=ENDPOINT, Body=body, ContentType="text/csv", Accept="text/csv")
    return [float(line) for line in answer["Body"].read().decode().split()]


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a CSV with the columns of the churn data set; else generated")
    parser.add_argument("--rows", type=int, default=5000, help="how many customers are generated")
    parser.add_argument("--selfmaker", default="selfmaker", help="the selfmaker command")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        show(raw_data(options, folder), options.selfmaker)


def show(raw, selfmaker):
    """All of it, one step after the other."""
    session = sagemaker.Session()
    client, s3 = session.sagemaker_client, session.boto_session.client("s3")

    step("upload the raw data")
    parameters = {"InputDataUrl": upload(session, raw)}
    step("install the deployment of approved models")
    install(GROUP, ENDPOINT)
    step("run the pipeline")
    if run_pipeline.main(["-n", MODULE, "--parameters", json.dumps(parameters)]):
        raise SystemExit("the pipeline failed")
    package = newest(client)
    metrics = evaluation(client, s3, package)["binary_classification_metrics"]
    print(f"version {package['ModelPackageVersion']} is {package['ModelApprovalStatus']}")
    step("approve it")
    approve(selfmaker, package)
    step("wait for the endpoint")
    in_service(client, package)
    step("ask the endpoint")
    table = read_raw(raw).head(1000)
    probabilities = ask(table, transformation(client, s3))
    right = sum((p >= 0.5) == bool(left) for p, left in zip(probabilities, labels(table), strict=True)) / len(table)
    print(f"accuracy on held-out customers: {metrics['accuracy']['value']:.3f}")
    print(f"accuracy on {len(table)} raw customers asked at the endpoint: {right:.3f}")
    step("done")


if __name__ == "__main__":
    main()
