"""``selfmaker graph``"""

import sys
from pathlib import Path

import click

from selfmaker.cli import runs
from selfmaker.cli.calls import Caller, CallError
from selfmaker.cli.drawing import svg
from selfmaker.cli.options import expect_server, home_option, region_of, region_option
from selfmaker.errors import Invalid, NotFound
from selfmaker.workflow.definition import parse

_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".pdf", ".dot")


@click.command(name="graph")
@click.argument("name")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="The file; else to stdout.")
@home_option
@region_option
def command(name: str, output: Path | None, home: str | None, region: str | None) -> None:
    """Draw the steps of the pipeline NAME as an SVG, coloured by what became of them in its last execution."""
    if output is not None and output.suffix.lower() in _PICTURES:
        raise click.BadParameter(f"{output} would be an SVG all the same; call it {output.with_suffix('.svg')}")
    running = expect_server(home)
    caller = Caller(running.connection, region_of(running, region))
    try:
        described = caller.call("sagemaker", "DescribePipeline", PipelineName=name)
    except CallError as error:
        if error.code in ("ResourceNotFound", "ValidationException"):
            raise NotFound(f"no pipeline is called {name}; `selfmaker pipelines` lists them") from None
        raise
    newest = runs.executions(caller, name, 1)
    run = runs.look(caller, newest[0]["PipelineExecutionArn"]) if newest else None
    picture = svg(described["PipelineName"], parse(described["PipelineDefinition"]), run)
    if output is None:
        sys.stdout.write(picture)
    else:
        try:
            output.write_text(picture, encoding="utf-8")
        except OSError as error:
            raise Invalid(f"cannot write {output}: {error.strerror}") from None
        click.echo(f"wrote {output}")
