"""``run-pipeline``: create or update a pipeline and start it, as a CI job does on each push."""

import contextlib
import json
import sys

from pipelines.commands import parser, pipeline


def main(arguments=None):
    options_parser = parser(__doc__)
    options_parser.add_argument("-role-arn", "--role-arn", help="the role of the pipeline and its steps")
    options_parser.add_argument("-tags", "--tags", type=json.loads, default=None, help='[{"Key": ..., "Value": ...}]')
    options_parser.add_argument("--description", default=None, help="what the pipeline is for")
    options_parser.add_argument("--parameters", type=json.loads, default={}, help="the execution's, as a JSON object")
    options_parser.add_argument("--no-wait", action="store_true", help="start it and leave")
    options = options_parser.parse_args(arguments)
    import sagemaker  # takes seconds, which help and wrong arguments need not

    role = options.role_arn or sagemaker.get_execution_role()
    made = pipeline(options, role=role)
    upserted = made.upsert(role_arn=role, description=options.description, tags=options.tags)
    print(f"pipeline {upserted['PipelineArn']}")
    execution = made.start(parameters=options.parameters)
    print(f"execution {execution.arn}")
    return 0 if options.no_wait else follow(execution)


def follow(execution):
    """Wait for the end and say how each step ended; 0 when all is well."""
    from botocore.exceptions import WaiterError

    with contextlib.suppress(WaiterError):  # what it is that failed follows
        execution.wait(delay=5, max_attempts=1440)
    for step in reversed(execution.list_steps()):
        cached = " (from the cache)" if "CacheHitResult" in step else ""
        print(f"{step['StepStatus']:10} {step['StepName']}{cached} {step.get('FailureReason', '')}".rstrip())
    described = execution.describe()
    print(f"{described['PipelineExecutionStatus']} {described.get('FailureReason', '')}".rstrip())
    return 0 if described["PipelineExecutionStatus"] == "Succeeded" else 1


if __name__ == "__main__":
    sys.exit(main())
