"""``selfmaker endpoints``"""

import click

from selfmaker.cli import inventory
from selfmaker.cli.calls import Caller
from selfmaker.cli.options import expect_server, home_option, json_option, region_of, region_option
from selfmaker.cli.output import age, moments, print_json, print_table


@click.command(name="endpoints")
@home_option
@region_option
@json_option
def command(home: str | None, region: str | None, as_json: bool) -> None:
    """List the endpoints, newest first, with what each serves and why it failed if it did."""
    running = expect_server(home)
    caller = Caller(running.connection, region_of(running, region))
    rows = [{**row, **_details(caller, row["name"])} for row in inventory.endpoints(caller)]
    if as_json:
        print_json(moments(rows, "created", "modified"))
        return
    if not rows:
        click.echo("no endpoints")
        return
    lines = [
        (row["name"], row["status"], ", ".join(row["variants"]), f"{age(row['created'])} ago", row["reason"] or "")
        for row in rows
    ]
    print_table(("NAME", "STATUS", "VARIANTS", "CREATED", "REASON"), lines)


def _details(caller: Caller, name: str) -> inventory.Row:
    description = inventory.describe(caller, "Endpoint", name) or {}
    variants = description.get("ProductionVariants") or []
    return {"variants": [variant["VariantName"] for variant in variants], "reason": description.get("FailureReason")}
