"""Access keys and their secrets. Secrets are kept as they are: without them no signature can be verified."""

import threading

from sqlalchemy import Column, Connection, Float, String, Table, bindparam, delete, insert, select

from selfmaker import clock, ids
from selfmaker.errors import NotFound
from selfmaker.store.database import Database
from selfmaker.store.prepared import Prepared
from selfmaker.store.schema import metadata

credentials = Table(
    "credentials",
    metadata,
    Column("access_key", String(128), primary_key=True),
    Column("secret", String(128), nullable=False),
    Column("owner", String(512), nullable=False, index=True),
    Column("created", Float, nullable=False),
)

_OWNED = Prepared(
    select(credentials.c.access_key, credentials.c.secret)
    .where(credentials.c.owner == bindparam("of_owner"))
    .order_by(credentials.c.created)
)
_ADD = Prepared(insert(credentials))
_REMOVE = Prepared(delete(credentials).where(credentials.c.access_key == bindparam("which")))
_REVOKE = Prepared(delete(credentials).where(credentials.c.owner == bindparam("of_owner")))


class Credentials:
    """Thread safe. Known secrets are kept in memory; a key deleted by another server is good here until this one
    restarts, so there is one server to a database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._known: dict[str, tuple[str, str]] = {}  # access key -> secret, owner

    def secret(self, access_key: str) -> str | None:
        """The secret of ``access_key``; None when there is no such key."""
        found = self._known.get(access_key)
        if found is not None:
            return found[0]
        query = select(credentials.c.secret, credentials.c.owner).where(credentials.c.access_key == access_key)
        with self._lock:
            row = self._database.read(lambda c: c.execute(query).first())
            if row is None:
                return None
            self._known[access_key] = (row.secret, row.owner)
        return str(row.secret)

    def create(self, owner: str) -> tuple[str, str]:
        """A new (access key, secret) pair for ``owner``, durable on return."""
        access_key, secret = ids.access_key_id(), ids.secret_access_key()
        self.put(access_key, secret, owner)
        return access_key, secret

    def put(self, access_key: str, secret: str, owner: str) -> None:
        """Make ``access_key`` known with ``secret``, whatever was known of it before."""
        row = {"access_key": access_key, "secret": secret, "owner": owner, "created": clock.now()}

        def work(connection: Connection) -> None:
            _REMOVE.run(connection, {"which": access_key})
            _ADD.run(connection, row)

        with self._lock:
            self._database.write(work)
            self._known[access_key] = (secret, owner)

    def owner(self, access_key: str) -> str:
        """Raises NotFound."""
        query = select(credentials.c.owner).where(credentials.c.access_key == access_key)
        found: str | None = self._database.read(lambda c: c.execute(query).scalar())
        if found is None:
            raise NotFound(f"access key {access_key}")
        return found

    def owned(self, owner: str) -> list[tuple[str, str]]:
        """The (access key, secret) pairs of ``owner``, oldest first."""
        rows = self._database.read(lambda c: _OWNED.all(c, {"of_owner": owner}))
        return [(access_key, secret) for access_key, secret in rows]

    def delete(self, access_key: str) -> None:
        """The key is good no more once this returns. A key that doesn't exist is no error."""
        with self._lock:
            self._database.write(lambda c: _REMOVE.run(c, {"which": access_key}))
            self._known.pop(access_key, None)

    def revoke(self, connection: Connection, owner: str) -> None:
        """Within a transaction: the owner's keys are good no more; ``forget`` is to be called once it is committed."""
        _REVOKE.run(connection, {"of_owner": owner})

    def forget(self, owner: str) -> None:
        """The owner's keys were revoked."""
        with self._lock:
            for access_key in [key for key, (_, known) in self._known.items() if known == owner]:
                del self._known[access_key]
