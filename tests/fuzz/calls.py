"""Operations called as the edge calls them, on a database of their own. Found through sys.path by those who need it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call
from selfmaker.iam.role import ensure_default_role
from selfmaker.services import Services
from selfmaker.store.credentials import Credentials
from selfmaker.store.database import Database
from selfmaker.store.log_streams import LogStreams
from selfmaker.store.metrics import Metrics
from selfmaker.store.resources import Resources
from selfmaker.store.schema import metadata
from selfmaker.store.tags import Tags

ACCOUNT = "123456789012"


def calls(folder: Path, service: str) -> Iterator[Call]:
    """A call to ``service`` from eu-west-1 with all that the neighbours' operations use; ends the database after."""
    database = Database(f"sqlite:///{folder}/test.sqlite3")
    metadata.create_all(database.engine)
    parts = (Resources(database), Tags(database), Credentials(database), Metrics(database))
    services = Services(database, LogStreams(database, folder / "logs"), *parts)
    ensure_default_role(services.use(Resources), ACCOUNT)
    yield Call(service, "", "eu-west-1", ACCOUNT, "AKIATEST", "id", "http://127.0.0.1:4600", {}, services)
    database.close()


def error(function, call, request) -> tuple[str, str]:
    """The code and message with which an operation fails."""
    with pytest.raises(AwsError) as caught:
        function(call, request)
    return caught.value.code, caught.value.message
