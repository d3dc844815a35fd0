"""What people say of single features: a description, and parameters of their own."""

from typing import Any

from selfmaker import clock
from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.aws.output import describe
from selfmaker.sagemaker import feature_group
from selfmaker.sagemaker.checks import invalid
from selfmaker.store.resources import Change, Resource, Resources

_MOST = 25


@operation("sagemaker", "UpdateFeatureMetadata")
def update_feature_metadata(call: Call, request: Request) -> Output:
    row = feature_group.find(call, request["FeatureGroupName"])
    name = _defined(row, request["FeatureName"])
    call.use(Resources).revise(feature_group.KIND, call.region, row.name, lambda now: _told(now, name, request))
    return None


def _told(row: Resource, name: str, request: Request) -> Change:
    """What the group's row is to have then. Raises ValidationException."""
    told = dict(row.state.get("features", {}).get(name, {}))
    if "Description" in request:
        told["Description"] = request["Description"]
    parameters = {item["Key"]: item.get("Value", "") for item in told.get("Parameters", [])}
    parameters |= {item["Key"]: item.get("Value", "") for item in request.get("ParameterAdditions", [])}
    for key in request.get("ParameterRemovals", []):
        parameters.pop(key, None)
    if len(parameters) > _MOST:
        raise invalid(f"ParameterAdditions: a feature can have no more than {_MOST} parameters.")
    told["Parameters"] = [{"Key": key, "Value": value} for key, value in parameters.items()]
    told["LastModifiedTime"] = clock.now()
    return Change(state={"features": {**row.state.get("features", {}), name: told}})


@operation("sagemaker", "DescribeFeatureMetadata")
def describe_feature_metadata(call: Call, request: Request) -> Output:
    row = feature_group.find(call, request["FeatureGroupName"])
    return describe("sagemaker", "DescribeFeatureMetadata", described(row, _defined(row, request["FeatureName"])))


def described(row: Resource, name: str) -> dict[str, Any]:
    """In the members of DescribeFeatureMetadata, and of Search's FeatureMetadata."""
    definition = next(d for d in row.document["FeatureDefinitions"] if d["FeatureName"] == name)
    return {
        "FeatureGroupArn": row.arn,
        "FeatureGroupName": row.name,
        "FeatureName": name,
        "FeatureType": definition["FeatureType"],
        "CreationTime": row.created,
        "LastModifiedTime": row.created,
        "Parameters": [],
        **row.state.get("features", {}).get(name, {}),
    }


def found(row: Resource, name: str) -> dict[str, Any]:
    """As Search looks for it: ``Parameters.<key>`` is a path, and ``AllParameters`` holds all keys and values."""
    document = described(row, name)
    told = {parameter["Key"]: parameter.get("Value", "") for parameter in document["Parameters"]}
    paths = {f"Parameters.{key}": value for key, value in told.items()}
    return {**document, **paths, "AllParameters": [*told, *told.values()]}


def _defined(row: Resource, name: str) -> str:
    if not any(definition["FeatureName"] == name for definition in row.document["FeatureDefinitions"]):
        message = f"Resource Not Found: the feature group {row.name} has no feature with FeatureName {name}"
        raise AwsError("ResourceNotFound", message)
    return name
