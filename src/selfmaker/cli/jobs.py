"""``selfmaker jobs``"""

import click

from selfmaker import clock
from selfmaker.cli import inventory
from selfmaker.cli.calls import Caller
from selfmaker.cli.options import expect_server, home_option, json_option, region_of, region_option
from selfmaker.cli.output import age, duration, moments, print_json, print_table


@click.command(name="jobs")
@click.option("--limit", "-n", type=click.IntRange(1), default=50, show_default=True, help="How many at most.")
@click.option("--status", metavar="NAME", help="Only those with that status, InProgress or Failed say.")
@home_option
@region_option
@json_option
def command(limit: int, status: str | None, home: str | None, region: str | None, as_json: bool) -> None:
    """List the jobs, newest first."""
    running = expect_server(home)
    rows = inventory.jobs(Caller(running.connection, region_of(running, region)), limit, status)
    if as_json:
        print_json(moments(rows, "created", "ended"))
        return
    if not rows:
        click.echo("no jobs")
        return
    print_table(("NAME", "KIND", "STATUS", "STARTED", "TOOK"), [_line(row) for row in rows])


def _line(row: inventory.Row) -> tuple[str, ...]:
    status, detail = row["status"], row["detail"]
    return (
        row["name"],
        row["kind"],
        f"{status} ({detail})" if detail not in (None, status) else status,
        f"{age(row['created'])} ago",
        duration((row["ended"] or clock.now()) - row["created"]),
    )
