"""``selfmaker watch``"""

import sys
import time
from typing import Any

import click

from selfmaker import clock
from selfmaker.cli import runs
from selfmaker.cli.calls import Caller, CallError
from selfmaker.cli.options import expect_server, home_option, json_option, region_of, region_option
from selfmaker.cli.output import duration
from selfmaker.cli.runs import Run
from selfmaker.workflow.definition import Definition, Step

PAUSE = 0.25
_GROUPS = {
    "TrainingJob": "/aws/sagemaker/TrainingJobs",
    "ProcessingJob": "/aws/sagemaker/ProcessingJobs",
    "TransformJob": "/aws/sagemaker/TransformJobs",
}
_MARKS = {
    "Succeeded": ("✔", "green"),
    "CompletedWithFailures": ("✘", "yellow"),
    "Failed": ("✘", "red"),
    "Stopped": ("■", "yellow"),
    "Stopping": ("■", "yellow"),
    "Executing": ("▶", "cyan"),
    "Starting": ("▷", "cyan"),
}
_NOT_STARTED = ("·", "dim")


@click.command(name="watch")
@click.argument("execution")
@home_option
@region_option
@json_option
def command(execution: str, home: str | None, region: str | None, as_json: bool) -> None:
    """Follow EXECUTION (its ARN, its id, or a pipeline's name: the newest) until it ends.

    In a terminal: a tree of its steps that is kept up to date. Elsewhere: a line for each change. --json: one object,
    at the end. The exit code is 0 only if the execution succeeded.
    """
    running = expect_server(home)
    caller = Caller(running.connection, region_of(running, region))
    arn = runs.find_execution(caller, execution)
    definition = runs.definition_of(caller, arn)
    if as_json:
        run = _to_the_end(caller, arn)
        click.echo(runs.as_json(run))
    elif sys.stdout.isatty():
        run = _tree(caller, definition, arn)
    else:
        run = _lines(caller, arn)
    if run.status != "Succeeded":
        sys.exit(1)


def _to_the_end(caller: Caller, arn: str) -> Run:
    while not (run := runs.look(caller, arn)).ended:
        time.sleep(PAUSE)
    return run


def _lines(caller: Caller, arn: str) -> Run:
    told: dict[str, str] = {}
    while True:
        run = runs.look(caller, arn)
        for name, step in run.steps.items():
            line = _line(step)
            if told.get(name) != line:
                told[name] = line
                click.echo(line)
        if run.ended:
            reason = run.described.get("FailureReason")
            click.echo(f"{run.status}{f': {reason}' if reason else ''}")
            return run
        time.sleep(PAUSE)


def _line(step: runs.Row) -> str:
    ended, reason = step.get("EndTime"), " ".join(step.get("FailureReason", "").split())
    took = f" after {duration(ended - step['StartTime'])}" if ended else ""
    source = " (cached)" if step.get("CacheHitResult") else ""
    return f"{step['StepName']}: {step['StepStatus']}{source}{took}{f': {reason}' if reason else ''}"


def _tree(caller: Caller, definition: Definition, arn: str) -> Run:
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(highlight=False), auto_refresh=False) as live:
        while True:
            run = runs.look(caller, arn)
            live.update(drawn(definition, run, lambda step: _last_log_line(caller, step)), refresh=True)
            if run.ended:
                return run
            time.sleep(PAUSE)


def drawn(definition: Definition, run: Run, last_line: Any) -> Any:
    """The tree, ``last_line(step)`` giving the last log line of a step that runs."""
    from rich.text import Text
    from rich.tree import Tree

    head = Text(run.arn.partition(":pipeline/")[2].replace("/execution/", " · "), "bold")
    head.append(f"  {run.status}", _MARKS.get(run.status, _NOT_STARTED)[1])
    if run.described.get("FailureReason"):
        head.append(f"  {run.described['FailureReason']}", "red")
    root = Tree(head)
    branches: dict[tuple[str, bool], Any] = {}
    nodes: dict[str, Any] = {}
    for step in definition.steps:
        parent = root
        if step.parent is not None:
            key = (step.parent, step.branch)
            if key not in branches:
                branches[key] = nodes[step.parent].add(Text("if" if step.branch else "else", "dim"))
            parent = branches[key]
        nodes[step.name] = parent.add(_node(step, run.steps.get(step.name), last_line))
    return root


def _node(step: Step, state: runs.Row | None, last_line: Any) -> Any:
    from rich.text import Text

    status = state["StepStatus"] if state is not None else ""
    mark, colour = _MARKS.get(status, _NOT_STARTED)
    text = Text(f"{mark} ", colour)
    text.append(step.name, colour if state is None else "default")
    text.append(f"  {step.type}", "dim")
    if state is None:
        return text
    text.append(f"  {status}", colour)
    text.append(f"  {duration((state.get('EndTime') or clock.now()) - state['StartTime'])}", "dim")
    if state.get("CacheHitResult"):
        text.append("  cached", "magenta")
    if state.get("AttemptCount", 1) > 1:
        text.append(f"  attempt {state['AttemptCount']}", "yellow")
    outcome = (state.get("Metadata") or {}).get("Condition", {}).get("Outcome")
    if outcome:
        text.append(f"  {outcome}", "bold")
    if state.get("FailureReason"):
        text.append("\n  " + " ".join(state["FailureReason"].split()), "red")
    elif status == "Executing" and (line := last_line(state)):
        text.append("\n  " + line, "dim")
    return text


def _last_log_line(caller: Caller, state: runs.Row) -> str:
    """The last line that the step's job has logged; "" for none."""
    for member, group in _GROUPS.items():
        arn = (state.get("Metadata") or {}).get(member, {}).get("Arn")
        if arn is None:
            continue
        prefix = arn.rpartition("/")[2] + "/"
        try:
            found = caller.call("logs", "DescribeLogStreams", logGroupName=group, logStreamNamePrefix=prefix)
            for stream in found["logStreams"][:1]:
                name = stream["logStreamName"]
                page = caller.call("logs", "GetLogEvents", logGroupName=group, logStreamName=name, limit=1)
                return str(page["events"][-1]["message"]) if page["events"] else ""
        except CallError as error:
            if error.code != "ResourceNotFoundException":
                raise
    return ""
