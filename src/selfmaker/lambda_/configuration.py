"""What a function's configuration may be, and how it is shown."""

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from selfmaker.aws.operation import Call
from selfmaker.errors import Invalid, SelfmakerError
from selfmaker.functions.code import digest
from selfmaker.functions.functions import Functions
from selfmaker.lambda_ import faults
from selfmaker.lambda_.naming import LATEST, function_arn
from selfmaker.runtimes.functions import function_environment
from selfmaker.store.resources import Resource

DEFAULTS: dict[str, Any] = {
    "Description": "",
    "Timeout": 3,
    "MemorySize": 128,
    "PackageType": "Zip",
    "Architectures": ["x86_64"],
    "EphemeralStorage": {"Size": 512},
    "TracingConfig": {"Mode": "PassThrough"},
}
LONGEST_TIMEOUT = 900
_LARGEST_MEMORY = 10_240
_LARGEST_VARIABLES = 4096

_RESERVED = frozenset(
    (
        *("_HANDLER", "_X_AMZN_TRACE_ID", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "AWS_LAMBDA_RUNTIME_API"),
        *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_INITIALIZATION_TYPE"),
        *("AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        *("AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION"),
        *("AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME"),
    )
)
_SHOWN = (
    *("Runtime", "Role", "Handler", "Description", "Timeout", "MemorySize", "DeadLetterConfig", "KMSKeyArn"),
    *("TracingConfig", "PackageType", "Architectures", "EphemeralStorage"),
)


def check(document: Mapping[str, Any]) -> None:
    """Hold what a request sets against Lambda's rules. Raises AwsError."""
    if document.get("Layers"):
        raise faults.invalid("Layers: selfmaker has no layers; put the packages into the function's archive.")
    if document.get("FileSystemConfigs"):
        raise faults.invalid("FileSystemConfigs: there are no file systems to mount here.")
    if document.get("PackageType") == "Image" or document.get("ImageConfig"):
        raise faults.invalid(
            "PackageType Image: selfmaker runs functions from archives; create the function with PackageType Zip."
        )
    if document.get("Timeout", 1) > LONGEST_TIMEOUT:
        raise _too_large("timeout", document["Timeout"], LONGEST_TIMEOUT)
    if document.get("MemorySize", 128) > _LARGEST_MEMORY:
        raise _too_large("memorySize", document["MemorySize"], _LARGEST_MEMORY)
    if "Runtime" in document:
        try:
            function_environment(document["Runtime"])
        except Invalid as error:
            raise faults.invalid(error.message) from None
    _check_variables(document.get("Environment", {}).get("Variables", {}))


def shown(call: Call, function: Resource, version: str = LATEST, qualified: bool = False) -> dict[str, Any]:
    """A FunctionConfiguration. ``qualified``: the ARN names the version."""
    document, state = {**DEFAULTS, **function.document}, function.state
    name = function.name.partition(":")[0]
    result = {
        "FunctionName": name,
        "FunctionArn": function_arn(call, name, version if qualified else ""),
        **{member: document[member] for member in _SHOWN if member in document},
        "CodeSize": state["size"],
        "CodeSha256": digest(state["code"]),
        "Version": version,
        "LastModified": _moment(state["changed"]),
        "RevisionId": state["revision"],
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": log_group(function), **document.get("LoggingConfig", {})},
        **_readiness(call, document["Runtime"]),
    }
    variables = document.get("Environment", {}).get("Variables")
    if variables:
        result["Environment"] = {"Variables": variables}
    vpc = document.get("VpcConfig")
    if vpc:
        result["VpcConfig"] = {"SubnetIds": [], "SecurityGroupIds": [], "VpcId": "", **vpc}
    return result


def log_group(function: Resource) -> str:
    name = function.name.partition(":")[0]
    return str(function.document.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{name}")


def _readiness(call: Call, runtime: str) -> dict[str, Any]:
    """A function is Pending while the environment of its runtime is being built, which happens once for each."""
    build = call.use(Functions).prepare(runtime)
    if not build.done():
        reason = "The function is being created: its environment is built for the first time."
        return {"State": "Pending", "StateReason": reason, "StateReasonCode": "Creating",
                "LastUpdateStatus": "Successful"}  # fmt: skip
    error = build.exception()
    if error is None:
        return {"State": "Active", "LastUpdateStatus": "Successful"}
    reason = error.message if isinstance(error, SelfmakerError) else str(error)
    return {"State": "Failed", "StateReason": reason, "StateReasonCode": "InvalidRuntime",
            "LastUpdateStatus": "Failed"}  # fmt: skip


def _check_variables(variables: Mapping[str, str]) -> None:
    reserved = sorted(_RESERVED & set(variables))
    if reserved:
        raise faults.invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided contains reserved keys that are currently not supported for modification. Reserved keys used in "
            f"this request: {', '.join(reserved)}"
        )
    text = json.dumps(dict(variables), separators=(",", ":"))
    if len(text.encode()) > _LARGEST_VARIABLES:
        raise faults.invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            f"provided exceeded the 4KB limit. String measured: {text[:256]}"
        )
    if any("\0" in value for value in variables.values()):
        raise faults.invalid("Environment: a variable's value cannot hold a NUL character.")


def _too_large(member: str, value: int, most: int) -> Exception:
    return faults.invalid(
        f"Value '{value}' at '{member}' failed to satisfy constraint: Member must have value less than or equal to "
        f"{most}"
    )


def _moment(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, tz=timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}+0000"
