"""``selfmaker logs``"""

import heapq
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import click

from selfmaker import clock
from selfmaker.cli import inventory
from selfmaker.cli.calls import Caller, CallError
from selfmaker.cli.options import expect_server, home_option, json_option, region_of, region_option
from selfmaker.errors import NotFound

_PAUSE = 0.2
ENDPOINTS = "/aws/sagemaker/Endpoints/"


class Event(NamedTuple):
    """One line. ``timestamp``: milliseconds since the epoch."""

    timestamp: int
    stream: str
    message: str


@dataclass
class Log:
    """Where a job's or an endpoint's log is, and how far each of its streams has been read."""

    caller: Caller
    group: str
    prefix: str
    tokens: dict[str, str | None] = field(default_factory=dict)

    def new_events(self) -> Iterator[Event]:
        """What has come since the last time, over all hosts, in the order of time."""
        streams = self._streams()
        for stream in streams:
            self.tokens.setdefault(stream, None)
        return heapq.merge(*map(self._new_events_of, streams), key=lambda event: event.timestamp)

    def _streams(self) -> list[str]:
        request = {"logGroupName": self.group, **({"logStreamNamePrefix": self.prefix} if self.prefix else {})}
        try:
            found = list(self.caller.pages("logs", "DescribeLogStreams", "logStreams", **request))
        except CallError as error:
            if error.code == "ResourceNotFoundException":
                return []
            raise
        return [stream["logStreamName"] for stream in found]

    def _new_events_of(self, stream: str) -> Iterator[Event]:
        while True:
            before = self.tokens[stream]
            request = {"nextToken": before} if before else {"startFromHead": True}
            page = self.caller.call("logs", "GetLogEvents", logGroupName=self.group, logStreamName=stream, **request)
            self.tokens[stream] = page["nextForwardToken"]
            for event in page["events"]:
                yield Event(event["timestamp"], stream, event["message"])
            if page["nextForwardToken"] == before or not page["events"]:
                return


@click.command(name="logs")
@click.argument("name")
@click.option("--follow", "-f", is_flag=True, help="Go on until the job ends; with an endpoint, until Ctrl-C.")
@home_option
@region_option
@json_option
def command(name: str, follow: bool, home: str | None, region: str | None, as_json: bool) -> None:
    """Print the log of the job or endpoint NAME, of all its hosts. --json: one object a line."""
    running = expect_server(home)
    caller = Caller(running.connection, region_of(running, region))
    noun, log = _find(caller, name)
    while True:
        ended = not follow or _has_ended(caller, noun, name)
        events = log.new_events()
        several = len(log.tokens) > 1
        for event in events:
            click.echo(_json_line(event) if as_json else _line(event, several))
        if ended:
            return
        time.sleep(_PAUSE)


def _find(caller: Caller, name: str) -> tuple[str, Log]:
    if inventory.describe(caller, "Endpoint", name) is not None:
        return "Endpoint", Log(caller, ENDPOINTS + name, "")
    try:
        kind, _ = inventory.find_job(caller, name)
    except NotFound:
        raise NotFound(
            f"no job or endpoint is called {name}; `selfmaker jobs` and `selfmaker endpoints` list them"
        ) from None
    if kind.log_group is None:
        raise NotFound(f"a {kind.noun} has no log of its own; see those of its jobs, which `selfmaker jobs` lists")
    return kind.noun, Log(caller, kind.log_group, name + "/")


def _has_ended(caller: Caller, noun: str, name: str) -> bool:
    description = inventory.describe(caller, noun, name)
    if description is None:
        return True
    if noun == "Endpoint":
        return bool(description["EndpointStatus"] == "Failed")
    return description[f"{noun}Status"] not in inventory.UNFINISHED


def _line(event: Event, several: bool) -> str:
    if not several:
        return event.message
    host = event.stream.rpartition("/")[2]
    return f"{host.rpartition('-')[0] or host}: {event.message}"


def _json_line(event: Event) -> str:
    moment = clock.iso8601(event.timestamp / 1000)
    return json.dumps({"timestamp": moment, "stream": event.stream, "message": event.message})
