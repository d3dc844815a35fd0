"""The function that deploys what was approved: called with each "SageMaker Model Package State Change" event.

An event may come more than once, and late: what is there already is left as it is, and an older version does not take
the place of a newer one that is approved.
"""

import os
import time

import boto3
from botocore.exceptions import ClientError

ENDPOINT = os.environ.get("ENDPOINT_NAME", "customer-churn")
INSTANCE_TYPE = os.environ.get("INSTANCE_TYPE", "ml.m5.large")
PATIENCE = 40  # seconds: less than the function's timeout
ROLE = os.environ.get("EXECUTION_ROLE_ARN", "")


def handler(event, context):
    detail = event["detail"]
    if detail.get("ModelApprovalStatus") != "Approved":
        return {"deployed": None}
    client = boto3.client("sagemaker")
    newest = client.list_model_packages(
        ModelPackageGroupName=detail["ModelPackageGroupName"],
        ModelApprovalStatus="Approved",
        SortBy="CreationTime",
        SortOrder="Descending",
        MaxResults=1,
    )["ModelPackageSummaryList"]
    if not newest:  # its approval was taken back meanwhile
        return {"deployed": None}
    return {"deployed": deploy(client, newest[0])}


def deploy(client, package):
    """Have the endpoint serve that version; returns the configuration's name."""
    name = f"{ENDPOINT}-{package['ModelPackageVersion']}-{int(package['CreationTime'].timestamp())}"
    container = {"ModelPackageName": package["ModelPackageArn"]}
    unless_there(client.create_model, ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InstanceType": INSTANCE_TYPE,
        "InitialInstanceCount": 1,
    }
    unless_there(client.create_endpoint_config, EndpointConfigName=name, ProductionVariants=[variant])
    described = settled(client)
    if described is None:
        unless_there(client.create_endpoint, EndpointName=ENDPOINT, EndpointConfigName=name)
    elif described["EndpointConfigName"] != name:
        client.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName=name)  # if it still changes: tried again later
    return name


def settled(client):
    """The endpoint once it is not changing, or as it is when the patience ends; None where there is none."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            described = client.describe_endpoint(EndpointName=ENDPOINT)
        except ClientError as error:
            if "could not find" not in str(error).lower():
                raise
            return None
        if described["EndpointStatus"] in ("InService", "Failed") or time.monotonic() > deadline:
            return described
        time.sleep(0.5)


def unless_there(create, **request):
    try:
        create(**request)
    except ClientError as error:
        if "already exist" not in str(error).lower():
            raise
