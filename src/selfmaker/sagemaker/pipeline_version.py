"""Versions of pipelines, and the aliases that name some of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from selfmaker.aws import arn as arns
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import Usual, page
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.aws.output import describe
from selfmaker.errors import Invalid, NotFound
from selfmaker.sagemaker.checks import invalid
from selfmaker.sagemaker.pipeline_row import find
from selfmaker.store import executions
from selfmaker.store.executions import ExecutionTable, Version

_MOST_ALIASES = 10


@operation("sagemaker", "ListPipelineVersions")
def list_pipeline_versions(call: Call, request: Request) -> Output:
    row = find(call, request["PipelineName"])
    last = {execution.version: execution.arn for execution in call.use(ExecutionTable).of_pipeline(row.arn)}
    rows = [
        {
            "PipelineArn": row.arn,
            "PipelineVersionId": version.number,
            "CreationTime": version.created,
            "LastExecutionPipelineExecutionArn": last.get(version.number),
            **members_of(version),
        }
        for version in call.use(ExecutionTable).versions(row.arn)
    ]
    usual = Usual(sort="PipelineVersionId")
    listed = page(rows, request, "PipelineVersionSummaries", name="PipelineVersionId", usual=usual)
    return describe("sagemaker", "ListPipelineVersions", listed)


@operation("sagemaker", "UpdatePipelineVersion")
def update_pipeline_version(call: Call, request: Request) -> Output:
    row = find(call, request["PipelineArn"])
    number = request["PipelineVersionId"]
    members = ("PipelineVersionDisplayName", "PipelineVersionDescription")
    changes = {member: request[member] for member in members if member in request}
    aliases = request.get("PipelineVersionAliasOperations", {})
    both = set(aliases.get("Add", [])) & set(aliases.get("Remove", []))
    if both:
        raise invalid(f"PipelineVersionAliasOperations: {sorted(both)} are both to be added and to be removed.")

    def work(connection: Connection) -> None:
        version = next((v for v in executions.versions_of(connection, row.arn) if v.number == number), None)
        if version is None:
            raise NotFound(str(number))
        had = version.document.get("aliases", [])
        if gone := [alias for alias in aliases.get("Remove", []) if alias not in had]:
            raise Invalid(f"PipelineVersionAliasOperations: version {number} has no aliases {gone}.")
        kept = [alias for alias in had if alias not in aliases.get("Remove", [])]
        executions.change_version(
            connection, replace(version, document={**version.document, **changes, "aliases": kept})
        )
        add_aliases(connection, row.arn, number, aliases.get("Add", []))

    try:
        call.use(ExecutionTable).within(work)
    except NotFound:
        raise _no_version(row.name, number) from None
    return {"PipelineArn": row.arn, "PipelineVersionId": number}


def version_of(call: Call, pipeline: str, request: Request) -> Version:
    """The version that a request names by PipelineVersionId or PipelineVersionAlias; the newest if by neither."""
    number, alias = request.get("PipelineVersionId"), request.get("PipelineVersionAlias")
    if number is not None and alias is not None:
        raise invalid("PipelineVersionId and PipelineVersionAlias cannot be given together.")
    known = call.use(ExecutionTable).versions(pipeline)
    name = arns.parse(pipeline).name
    if alias is not None:
        found = next((v for v in known if alias in v.document.get("aliases", [])), None)
        if found is None:
            raise AwsError("ResourceNotFound", f"No version of the pipeline {name} has the alias {alias}.")
        return found
    if number is not None:
        found = next((v for v in known if v.number == number), None)
        if found is None:
            raise _no_version(name, number)
        return found
    if not known:  # deleted this very moment
        raise AwsError("ResourceNotFound", f"Pipeline '{pipeline}' does not exist.")
    return known[-1]


def add_aliases(connection: Connection, pipeline: str, number: int, aliases: Sequence[str]) -> None:
    """Give a version aliases, which another version may have had until now. Raises Invalid for too many, or for one
    of digits only."""
    if not aliases:
        return
    if digits := [alias for alias in aliases if alias.isdecimal()]:
        raise Invalid(f"PipelineVersionAliases: {digits} consist of numbers only.")
    for version in executions.versions_of(connection, pipeline):
        had = version.document.get("aliases", [])
        kept = [alias for alias in had if alias not in aliases]
        if version.number == number:
            kept += dict.fromkeys(aliases)
        if len(kept) > _MOST_ALIASES:
            raise Invalid(f"PipelineVersionAliases: a version can have at most {_MOST_ALIASES} aliases.")
        if kept != had:
            document = {**version.document, "aliases": kept}
            executions.change_version(connection, replace(version, document=document))


def members_of(version: Version) -> dict[str, Any]:
    """What a version's document holds, in AWS's members."""
    return {
        "PipelineVersionDisplayName": version.document.get("PipelineVersionDisplayName"),
        "PipelineVersionDescription": version.document.get("PipelineVersionDescription"),
        "PipelineVersionAliases": version.document.get("aliases") or None,
    }


def _no_version(name: str, number: int) -> AwsError:
    return AwsError("ResourceNotFound", f"The pipeline {name} has no version {number}.")
