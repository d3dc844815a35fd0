"""``selfmaker pipelines``"""

import click

from selfmaker.cli import runs
from selfmaker.cli.calls import Caller
from selfmaker.cli.options import expect_server, home_option, json_option, region_of, region_option
from selfmaker.cli.output import age, moments, print_json, print_table


@click.command(name="pipelines")
@home_option
@region_option
@json_option
def command(home: str | None, region: str | None, as_json: bool) -> None:
    """List the pipelines, newest first, each with its last execution."""
    running = expect_server(home)
    caller = Caller(running.connection, region_of(running, region))
    rows = [_row(caller, found) for found in runs.pipelines(caller)]
    if as_json:
        print_json(moments(rows, "created", "modified", "last_run"))
        return
    if not rows:
        click.echo("no pipelines")
        return
    lines = [
        (
            row["name"],
            row["last_status"] or "never run",
            f"{age(row['last_run'])} ago" if row["last_run"] else "",
            f"{age(row['modified'])} ago",
            row["description"] or "",
        )
        for row in rows
    ]
    print_table(("NAME", "LAST EXECUTION", "RUN", "CHANGED", "DESCRIPTION"), lines)


def _row(caller: Caller, found: runs.Row) -> runs.Row:
    newest = runs.executions(caller, found["PipelineName"], 1)
    return {
        "name": found["PipelineName"],
        "arn": found["PipelineArn"],
        "description": found.get("PipelineDescription"),
        "created": found["CreationTime"],
        "modified": found["LastModifiedTime"],
        "last_run": found.get("LastExecutionTime"),
        "last_status": newest[0]["PipelineExecutionStatus"] if newest else None,
    }
