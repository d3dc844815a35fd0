"""``selfmaker executions``"""

import click

from selfmaker import clock
from selfmaker.cli import runs
from selfmaker.cli.calls import Caller
from selfmaker.cli.options import expect_server, home_option, json_option, region_of, region_option
from selfmaker.cli.output import age, duration, moments, print_json, print_table


@click.command(name="executions")
@click.argument("name")
@click.option("--limit", "-n", type=click.IntRange(1), default=20, show_default=True, help="How many at most.")
@home_option
@region_option
@json_option
def command(name: str, limit: int, home: str | None, region: str | None, as_json: bool) -> None:
    """List the executions of the pipeline NAME, newest first, with why one failed."""
    running = expect_server(home)
    caller = Caller(running.connection, region_of(running, region))
    rows = [_row(caller, found) for found in runs.executions(caller, name, limit)]
    if as_json:
        print_json(moments(rows, "started", "ended"))
        return
    if not rows:
        click.echo("no executions")
        return
    lines = [
        (
            row["id"],
            row["status"],
            f"{age(row['started'])} ago",
            duration((row["ended"] or clock.now()) - row["started"]),
            ", ".join(row["failed_steps"]) or row["reason"] or "",
        )
        for row in rows
    ]
    print_table(("EXECUTION", "STATUS", "STARTED", "TOOK", "FAILED"), lines)


def _row(caller: Caller, found: runs.Row) -> runs.Row:
    run = runs.look(caller, found["PipelineExecutionArn"])
    return {
        "id": run.arn.rpartition("/")[2],
        "arn": run.arn,
        "status": run.status,
        "started": found["StartTime"],
        "ended": run.described["LastModifiedTime"] if run.ended else None,
        "reason": run.described.get("FailureReason"),
        "failed_steps": [name for name, step in run.steps.items() if step["StepStatus"] == "Failed"],
    }
