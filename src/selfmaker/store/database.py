"""One SQL database for all metadata: SQLite in WAL mode by default.

There is one writer at a time. A write that finds nobody writing is done on the caller's thread; the others are handed
to a thread that commits whatever is waiting in one transaction. So alone a write waits for nobody, not even for another
thread to wake, and under load many share one fsync. Reads run on the caller's thread.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

T = TypeVar("T")
Work = Callable[[Connection], T]

_BATCH = 128
_IDLE = 16
_WRITES = "selfmaker-writes"


class Database:
    """Thread safe. ``close`` it for a good end; a kill loses nothing that was acknowledged."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        with self.engine.connect():
            pass  # a new file's journal is changed to WAL while nobody else uses it: that would be refused
        self._queue: queue.SimpleQueue[tuple[Work[Any], Future[Any]] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_loop, name="selfmaker-writer", daemon=True)
        self._turn = threading.Lock()  # to write
        self._connection = self.engine.connect()
        self._connection.info[_WRITES] = True
        self._idle: list[Connection] = []  # of readers: the pool's own giving and taking costs more than a read
        self._closed = False
        self._writer.start()

    def read(self, work: Work[T]) -> T:
        """Run ``work`` in a read transaction. It keeps no result open, and sees every write acknowledged until now."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self.engine.connect()
        try:
            value = work(connection)
            connection.rollback()
            connection.connection.rollback()  # what a Prepared began
        except BaseException:
            connection.close()
            raise
        if len(self._idle) < _IDLE and not self._closed:
            self._idle.append(connection)
        else:
            connection.close()
        return value

    def write(self, work: Work[T]) -> T:
        """Run ``work``, here or on another thread; returns (or raises what it raised) once its effects are on disk.

        ``work`` is atomic: when it raises, none of its effects remain and other writes are not disturbed. It must
        not call ``write`` itself, and must be quick: everybody waits for it.
        """
        if self._queue.empty() and self._turn.acquire(blocking=False):
            try:
                self._check_open()
                with self._connection.begin():
                    return work(self._connection)
            finally:
                self._turn.release()
        self._check_open()
        future: Future[T] = Future()
        self._queue.put((work, future))
        return future.result()

    def close(self) -> None:
        """Finish the writes in hand and let go of the files. Idempotent."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            self._writer.join()
            with self._turn:
                self._connection.close()
            while self._idle:
                self._idle.pop().close()
            self.engine.dispose()

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the database is closed")

    def _write_loop(self) -> None:
        while True:
            batch = [self._queue.get()]
            with self._turn:
                while len(batch) < _BATCH and batch[-1] is not None:
                    try:
                        batch.append(self._queue.get_nowait())
                    except queue.Empty:
                        break
                items = [item for item in batch if item is not None]
                if items:
                    self._commit(self._connection, items)
            if batch[-1] is None:
                return

    def _commit(self, connection: Connection, items: list[tuple[Work[Any], Future[Any]]]) -> None:
        if len(items) == 1:
            _commit_one(connection, *items[0])
            return
        done: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            with connection.begin():
                for work, future in items:
                    try:
                        with _savepoint(connection):
                            done.append((future, work(connection), None))
                    except Exception as error:  # noqa: BLE001 - carried to the caller, whose work it was
                        done.append((future, None, error))
        except Exception as error:  # noqa: BLE001 - the commit itself failed: nobody's write was kept
            for _, future in items:
                future.set_exception(error)
            return
        for future, value, problem in done:
            if problem is None:
                future.set_result(value)
            else:
                future.set_exception(problem)


def _commit_one(connection: Connection, work: Work[Any], future: Future[Any]) -> None:
    try:
        with connection.begin():
            value = work(connection)
    except Exception as error:  # noqa: BLE001 - carried to the caller, whose work it was
        future.set_exception(error)
    else:
        future.set_result(value)


@contextmanager
def _savepoint(connection: Connection) -> Iterator[None]:
    """As ``connection.begin_nested()``, at a twentieth of its cost: that is most of what a small write costs."""
    cursor = connection.connection.cursor()
    cursor.execute("SAVEPOINT work")
    try:
        yield
    except BaseException:
        cursor.execute("ROLLBACK TO SAVEPOINT work")
        raise
    finally:
        cursor.execute("RELEASE SAVEPOINT work")
        cursor.close()


def _engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_size=16, max_overflow=32)
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=32,
        max_overflow=64,
        connect_args={"check_same_thread": False, "timeout": 60},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's documented way to have SAVEPOINT work with sqlite3
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # Only the writer holds SQLite's write lock, from the first statement, so that it can never fail half-way.
        driver: Any = connection.connection.driver_connection  # at a fifth of exec_driver_sql's cost
        driver.execute("BEGIN IMMEDIATE" if _WRITES in connection.info else "BEGIN").close()

    return engine
