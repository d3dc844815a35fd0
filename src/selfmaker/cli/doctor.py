"""``selfmaker doctor``"""

from dataclasses import asdict

import click

from selfmaker.cli.machine import examine
from selfmaker.cli.options import home_option, json_option, load
from selfmaker.cli.output import print_json

_MARKS = {"ok": ("ok", "green"), "lacking": ("--", "yellow"), "broken": ("!!", "red")}


@click.command(name="doctor")
@home_option
@json_option
@click.pass_context
def command(ctx: click.Context, home: str | None, as_json: bool) -> None:
    """Show what this machine can do, and what would mend what it can't. Exit code 1 when no job can run."""
    findings = []
    for finding in examine(load(home)):
        findings.append(finding)
        if not as_json:
            mark, colour = _MARKS[finding.state]
            click.echo(f"{click.style(mark, fg=colour)}  {finding.check:16}  {finding.found}")
            if finding.remedy:
                click.echo(f"{'':20}  -> {finding.remedy}")
    broken = [finding.check for finding in findings if finding.state == "broken"]
    if as_json:
        print_json({"jobs_can_run": not broken, "checks": [asdict(finding) for finding in findings]})
    else:
        click.echo(f"\nno job can run until this is mended: {', '.join(broken)}" if broken else "\njobs can run")
    ctx.exit(1 if broken else 0)
