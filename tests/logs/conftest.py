"""Log operations called as the edge calls them."""

import pytest

from selfmaker.aws.operation import Call
from selfmaker.services import Services
from selfmaker.store.database import Database
from selfmaker.store.log_streams import LogStreams
from selfmaker.store.schema import metadata
from selfmaker.store.tags import Tags


@pytest.fixture
def call(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/test.sqlite3")
    metadata.create_all(database.engine)
    services = Services(database, LogStreams(database, tmp_path / "logs"), Tags(database))
    yield Call("logs", "", "eu-west-1", "123456789012", "AKIA", "id", "http://127.0.0.1:1", {}, services)
    database.close()
