"""Pipelines: definitions by name, each in all its versions."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from selfmaker import clock
from selfmaker.aws.arn import sagemaker_arn
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import page
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.aws.output import describe
from selfmaker.errors import AlreadyExists, Conflict, Invalid, NotFound
from selfmaker.objects.store import ObjectStore
from selfmaker.sagemaker.checks import invalid
from selfmaker.sagemaker.pipeline_definition import check_definition
from selfmaker.sagemaker.pipeline_row import KIND, find, not_found
from selfmaker.sagemaker.pipeline_version import add_aliases, members_of, version_of
from selfmaker.sagemaker.tag import tag_mapping
from selfmaker.sagemaker.user_context import makers, user_context
from selfmaker.store import executions, resources, tags
from selfmaker.store.executions import ExecutionTable
from selfmaker.store.resources import Change, Resource, Resources

_OF_VERSION = ("PipelineDefinition", "PipelineDefinitionS3Location", "PipelineVersionAliases")
_NOT_KEPT = (*_OF_VERSION, "ClientRequestToken", "Tags", "PipelineName")


@operation("sagemaker", "CreatePipeline")
def create_pipeline(call: Call, request: Request) -> Output:
    name = request["PipelineName"]
    arn = sagemaker_arn(call, "pipeline", name)
    if (before := _made_with(call, name, request["ClientRequestToken"])) is not None:
        return {"PipelineArn": before.arn}
    text = definition_text(call, request)
    if text is None:
        raise invalid("Either PipelineDefinition or PipelineDefinitionS3Location is required.")
    check_definition(text)
    document = {k: v for k, v in request.items() if k not in _NOT_KEPT}
    now, values = clock.now(), tag_mapping(request.get("Tags", []))
    state = {"token": request["ClientRequestToken"], "user": user_context(call)}
    row = Resource(KIND, call.region, name, arn, "Active", now, now, document, state)

    def also(connection: Connection) -> None:
        number = executions.add_version(connection, arn, text, {})
        add_aliases(connection, arn, number, request.get("PipelineVersionAliases", []))
        tags.add(connection, arn, values)

    try:
        call.use(Resources).create(row, also)
    except AlreadyExists:
        if (before := _made_with(call, name, request["ClientRequestToken"])) is not None:
            return {"PipelineArn": before.arn}
        raise invalid(
            "Pipeline names must be unique within an AWS account and region. Pipeline with name "
            f"({name}) already exists."
        ) from None
    return {"PipelineArn": arn}


@operation("sagemaker", "UpdatePipeline")
def update_pipeline(call: Call, request: Request) -> Output:
    """A new version is made where the definition is another than the newest version's."""
    row = find(call, request["PipelineName"])
    text = definition_text(call, request)
    if text is not None:
        check_definition(text)
    document = {k: v for k, v in request.items() if k not in _NOT_KEPT}
    aliases = request.get("PipelineVersionAliases", [])
    number = 0

    def work(connection: Connection) -> None:
        nonlocal number
        known = executions.versions_of(connection, row.arn)
        if not known:  # deleted this very moment
            raise NotFound(row.name)
        newest = known[-1]
        number = newest.number
        if text is not None and text != newest.definition:
            number = executions.add_version(connection, row.arn, text, {})
        add_aliases(connection, row.arn, number, aliases)
        state = {"modified_by": user_context(call)}
        resources.modify(connection, KIND, call.region, row.name, Change(document=document, state=state))

    try:
        call.use(ExecutionTable).within(work)
    except NotFound:
        raise not_found(call, row.name) from None
    return {"PipelineArn": row.arn, "PipelineVersionId": number}


@operation("sagemaker", "DescribePipeline")
def describe_pipeline(call: Call, request: Request) -> Output:
    row = find(call, request["PipelineName"])
    version = version_of(call, row.arn, request)
    state = {"PipelineDefinition": version.definition, **members_of(version)}
    return describe("sagemaker", "DescribePipeline", described(row), state)


@operation("sagemaker", "ListPipelines")
def list_pipelines(call: Call, request: Request) -> Output:
    prefix = request.get("PipelineNamePrefix", "")
    rows = [
        {
            "PipelineArn": row.arn,
            "PipelineName": row.name,
            "PipelineDisplayName": row.document.get("PipelineDisplayName", row.name),
            "PipelineDescription": row.document.get("PipelineDescription"),
            "RoleArn": row.document["RoleArn"],
            "CreationTime": row.created,
            "LastModifiedTime": row.modified,
            "LastExecutionTime": row.state.get("last_run"),
        }
        for row in call.use(Resources).list(KIND, call.region)
        if row.name.startswith(prefix) and request.get("ManagedBy") != "AWS"
    ]
    listed = page(rows, request, "PipelineSummaries", name="PipelineName")
    return describe("sagemaker", "ListPipelines", listed)


@operation("sagemaker", "DeletePipeline")
def delete_pipeline(call: Call, request: Request) -> Output:
    """Its executions go with it; jobs, models and whatever else they made stay."""
    row = find(call, request["PipelineName"])

    def also(connection: Connection) -> None:
        if executions.count_under_way(connection, row.arn):
            raise Conflict(row.name)
        executions.forget(connection, row.arn)
        tags.forget(connection, row.arn)

    try:
        call.use(Resources).delete(KIND, call.region, row.name, also)
    except NotFound:
        raise not_found(call, row.name) from None
    except Conflict:
        raise AwsError(
            "ConflictException",
            f"The pipeline {row.name} has executions that have not ended. Stop them before you delete it.",
        ) from None
    return {"PipelineArn": row.arn}


def described(row: Resource) -> dict[str, Any]:
    """All that is known of a pipeline apart from its versions, in the members of DescribePipeline."""
    return {
        "PipelineDisplayName": row.name,
        **row.document,
        "PipelineArn": row.arn,
        "PipelineName": row.name,
        "PipelineStatus": row.status,
        "CreationTime": row.created,
        "LastModifiedTime": row.modified,
        "LastRunTime": row.state.get("last_run"),
        **makers(row.state),
    }


def definition_text(call: Call, request: Request) -> str | None:
    """The definition that a request gives, in itself or at a place in S3; None for none."""
    location: Mapping[str, str] | None = request.get("PipelineDefinitionS3Location")
    text: str | None = request.get("PipelineDefinition")
    if location is None:
        return text
    if text is not None:
        raise invalid("The request has both PipelineDefinition and PipelineDefinitionS3Location: give one of them.")
    bucket, key = location["Bucket"], location["ObjectKey"]
    if location.get("VersionId") not in (None, "null"):
        raise invalid(f"PipelineDefinitionS3Location: s3://{bucket}/{key} has no version {location['VersionId']}.")
    try:
        return call.use(ObjectStore).file(bucket, key).read_bytes().decode()
    except NotFound:
        raise invalid(f"PipelineDefinitionS3Location: there is no object s3://{bucket}/{key}.") from None
    except UnicodeDecodeError:
        raise Invalid(f"PipelineDefinitionS3Location: s3://{bucket}/{key} is not UTF-8 text.") from None


def _made_with(call: Call, name: str, token: str) -> Resource | None:
    """The pipeline, if the same request has made it before."""
    try:
        row = call.use(Resources).get(KIND, call.region, name)
    except NotFound:
        return None
    return row if row.state.get("token") == token else None
