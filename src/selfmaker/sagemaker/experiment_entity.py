"""What experiments, trials and trial components have in common: rows by a name of which the case doesn't matter.

AWS's reference: names are unique in an account and region and not case-sensitive. So a row's name, like its ARN, is
in lower case, and the document keeps the name as it was given.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection

from selfmaker import clock
from selfmaker.aws.arn import sagemaker_arn
from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Request
from selfmaker.errors import NotFound
from selfmaker.sagemaker.checks import invalid
from selfmaker.sagemaker.tag import tag_mapping
from selfmaker.store import resources, tags
from selfmaker.store.database import Database
from selfmaker.store.resources import Resource, Resources

T = TypeVar("T")


@dataclass(frozen=True)
class Noun:
    """``kind`` is that of the rows and begins the members' names, ``path`` is the ARN's, ``words`` are for people."""

    kind: str
    path: str
    words: str

    @property
    def name(self) -> str:
        """The member that has the name."""
        return f"{self.kind}Name"

    @property
    def arn(self) -> str:
        """The member that has the ARN."""
        return f"{self.kind}Arn"


EXPERIMENT = Noun("Experiment", "experiment", "Experiment")
TRIAL = Noun("Trial", "experiment-trial", "Trial")
COMPONENT = Noun("TrialComponent", "experiment-trial-component", "Trial component")


def within(call: Call, work: Callable[[Connection], T]) -> T:
    """Run ``work`` in a transaction that writes: what it checks still holds when it has written."""
    return call.use(Database).write(work)


def add(connection: Connection, call: Call, noun: Noun, request: Request, **state: Any) -> Resource:
    """A new row with its tags. Raises ValidationException for a taken name."""
    given = request[noun.name]
    if exists(connection, call, noun, given):
        raise invalid(
            f"{noun.words} names must be unique within an AWS account and region. "
            f"{noun.words} with name ({given}) already exists."
        )
    now, tag_values = clock.now(), tag_mapping(request.get("Tags", []))
    row = Resource(
        kind=noun.kind,
        region=call.region,
        name=given.lower(),
        arn=sagemaker_arn(call, noun.path, given.lower()),
        status="Created",
        created=now,
        modified=now,
        document={k: v for k, v in request.items() if k != "Tags"},
        state=state,
    )
    resources.create(connection, row)
    tags.add(connection, row.arn, tag_values)
    return row


def exists(connection: Connection, call: Call, noun: Noun, name: str) -> bool:
    return resources.exists(connection, noun.kind, call.region, name.lower())


def find(call: Call, noun: Noun, name: str) -> Resource:
    """The row, or AWS's error."""
    return call.use(Database).read(lambda c: get(c, call, noun, name))


def get(connection: Connection, call: Call, noun: Noun, name: str) -> Resource:
    """As ``find``, within a transaction."""
    try:
        return resources.get(connection, noun.kind, call.region, name.lower())
    except NotFound:
        raise AwsError("ResourceNotFound", f"{noun.words} '{name}' does not exist.") from None


def change(connection: Connection, row: Resource, **members: Any) -> Resource:
    """Replace members of the row's document; None takes one away."""
    return resources.modify(connection, row.kind, row.region, row.name, resources.Change(document=members))


def change_state(connection: Connection, row: Resource, **members: Any) -> Resource:
    """As ``change``, of what is kept beside the request."""
    return resources.modify(connection, row.kind, row.region, row.name, resources.Change(state=members))


def remove(connection: Connection, row: Resource) -> None:
    """The row and its tags."""
    resources.remove(connection, row.kind, row.region, row.name)
    tags.forget(connection, row.arn)


def rows(call: Call, noun: Noun) -> list[Resource]:
    """All of the region, oldest first."""
    return call.use(Resources).list(noun.kind, call.region)


def described(row: Resource, noun: Noun) -> dict[str, Any]:
    """The members that Describe, List and Search have of every noun."""
    return {
        "DisplayName": row.document[noun.name],
        **row.document,
        noun.arn: row.arn,
        "CreationTime": row.created,
        "LastModifiedTime": row.modified,
    }
