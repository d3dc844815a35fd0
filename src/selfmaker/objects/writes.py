"""Writing to the database, in the store's words."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from selfmaker.errors import Unavailable
from selfmaker.objects.files import Files
from selfmaker.store.database import Database

T = TypeVar("T")


def freed(database: Database, files: Files, work: Callable[[Connection], list[str]]) -> int:
    """Do ``work``, which gives the files that no row refers to any more, and remove those; how many they are. Works
    on a full disk."""
    try:
        names = written(database, work)
    except Unavailable:
        files.make_room()
        names = written(database, work)
        files.bury(names)
        files.keep_room()
    else:
        files.bury(names)
    return len(names)


def written(database: Database, work: Callable[[Connection], T]) -> T:
    """As ``Database.write``; raises Unavailable, with nothing written, when the database's disk is full."""
    try:
        return database.write(work)
    except OperationalError as error:
        if "disk is full" in str(error.orig) or "No space left" in str(error.orig):
            raise Unavailable("the disk that holds the database is full: free some space and try again") from error
        raise
