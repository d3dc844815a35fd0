"""``selfmaker``: the commands, each in a file of its own that is read only when it is asked for."""

import importlib
import os
import sys
from typing import NoReturn

import click

from selfmaker import __version__
from selfmaker.errors import SelfmakerError

COMMANDS = {
    "up": "Start the server.",
    "down": "Stop the server.",
    "status": "Show the server, if it runs.",
    "run": "Run a command whose AWS clients talk to selfmaker.",
    "env": "Print the variables that make this shell's AWS clients talk to selfmaker.",
    "jobs": "List the jobs, newest first.",
    "logs": "Print the log of a job or an endpoint.",
    "stop": "Stop a job.",
    "interrupt": "Interrupt a spot training job, which then starts again from its checkpoints.",
    "endpoints": "List the endpoints.",
    "approve": "Approve or reject a version of a model package group.",
    "images": "List the images of your own; add and remove them.",
    "pipelines": "List the pipelines.",
    "executions": "List the executions of a pipeline.",
    "watch": "Follow an execution of a pipeline, step by step.",
    "graph": "Draw a pipeline as an SVG.",
    "operations": "List the AWS operations that are answered.",
    "doctor": "Show what this machine can do, and what would mend what it can't.",
}


class _Commands(click.Group):
    """A group that imports ``selfmaker.cli.<name>`` for ``name`` and nothing else."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"selfmaker.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="selfmaker", message="%(prog)s %(version)s")
@click.pass_context
def selfmaker(ctx: click.Context) -> None:
    """SageMaker on machines you own: unmodified boto3 and sagemaker code, no AWS account, no Docker."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main() -> NoReturn:
    """Run the command line. Whatever goes wrong is one line on stderr that names a remedy, never a traceback."""
    debug = os.environ.get("SELFMAKER_DEBUG", "") not in ("", "0")
    try:
        code = selfmaker.main(prog_name="selfmaker", standalone_mode=False)
    except click.UsageError as error:
        name = error.ctx.command_path if error.ctx else "selfmaker"
        code = _complain(f"{error.format_message().rstrip('.')}; see `{name} --help`", 2)
    except click.ClickException as error:
        code = _complain(error.format_message(), 1)
    except (click.Abort, KeyboardInterrupt):
        code = 130
    except SelfmakerError as error:
        code = _complain(error.message, 1)
        if debug:
            raise
    except BrokenPipeError:  # the reader of our output has gone (`selfmaker logs NAME | head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    except Exception as error:  # the outermost place: nobody is left to handle it
        code = _complain(f"{type(error).__name__}: {error}; SELFMAKER_DEBUG=1 shows where, please report it", 1)
        if debug:
            raise
    sys.exit(code if isinstance(code, int) else 0)


def _complain(message: str, code: int) -> int:
    print("selfmaker:", " ".join(message.split()), file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
