"""Access keys and their secrets."""

import pytest

from selfmaker.errors import NotFound
from selfmaker.store.credentials import Credentials
from selfmaker.store.database import Database


def test_created_keys_are_known_here_and_after_a_restart(database: Database) -> None:
    credentials = Credentials(database)
    access_key, secret = credentials.create("root")
    assert credentials.secret(access_key) == secret
    assert Credentials(database).secret(access_key) == secret
    assert credentials.owner(access_key) == "root"
    assert credentials.create("root")[0] != access_key


def test_unknown_keys(database: Database) -> None:
    credentials = Credentials(database)
    assert credentials.secret("AKIA") is None
    with pytest.raises(NotFound):
        credentials.owner("AKIA")


def test_a_deleted_key_is_good_no_more(database: Database) -> None:
    credentials = Credentials(database)
    access_key, _ = credentials.create("job/x")
    credentials.delete(access_key)
    credentials.delete(access_key)
    assert credentials.secret(access_key) is None
    assert Credentials(database).secret(access_key) is None


def test_the_keys_of_one_owner_are_revoked_together(database: Database) -> None:
    credentials = Credentials(database)
    mine = [credentials.create("job/x")[0] for _ in range(2)]
    other, secret = credentials.create("job/y")
    database.write(lambda connection: credentials.revoke(connection, "job/x"))
    credentials.forget("job/x")
    for server in (credentials, Credentials(database)):
        assert [server.secret(key) for key in mine] == [None, None]
        assert server.secret(other) == secret


def test_put_replaces_and_owned_lists(database: Database) -> None:
    credentials = Credentials(database)
    credentials.put("AKIA1", "one", "a")
    credentials.put("AKIA1", "two", "a")
    credentials.put("AKIA2", "three", "b")
    assert credentials.secret("AKIA1") == "two"
    assert credentials.owned("a") == [("AKIA1", "two")]
    assert credentials.owned("c") == []
