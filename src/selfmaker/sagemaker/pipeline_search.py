"""Pipelines, their versions and their executions as Search sees them."""

from typing import Any

from selfmaker.aws.operation import Call
from selfmaker.sagemaker import pipeline, pipeline_execution, pipeline_version
from selfmaker.sagemaker.pipeline_row import KIND
from selfmaker.sagemaker.search_filter import with_tag_paths
from selfmaker.sagemaker.tag import tag_list
from selfmaker.store.executions import ExecutionTable
from selfmaker.store.resources import Resources
from selfmaker.store.tags import Tags
from selfmaker.workflow.expressions import as_text

Documents = list[dict[str, Any]]

_LAST_EXECUTED = ("PipelineExecutionArn", "PipelineExecutionDisplayName", "PipelineExecutionStatus")


def pipelines(call: Call) -> Documents:
    rows = call.use(Resources).list(KIND, call.region)
    tags = call.use(Tags).of_all([row.arn for row in rows])
    return [with_tag_paths({**pipeline.described(row), "Tags": tag_list(tags.get(row.arn, {}))}) for row in rows]


def versions(call: Call) -> Documents:
    table = call.use(ExecutionTable)
    documents = []
    for row in call.use(Resources).list(KIND, call.region):
        last = {execution.version: execution for execution in table.of_pipeline(row.arn)}
        for version in table.versions(row.arn):
            document = {
                "PipelineArn": row.arn,
                "PipelineVersionId": version.number,
                "CreationTime": version.created,
                **pipeline_version.members_of(version),
            }
            if version.number in last:
                run = pipeline_execution.described(last[version.number])
                document |= {f"LastExecuted{member}": run[member] for member in _LAST_EXECUTED}
            documents.append(document)
    return documents


def executions(call: Call) -> Documents:
    documents = []
    for execution in call.use(ExecutionTable).in_region(call.region):
        values = [{"Name": n, "Value": as_text(v)} for n, v in execution.document["parameters"].items()]
        documents.append({**pipeline_execution.described(execution), "PipelineParameters": values})
    return documents
