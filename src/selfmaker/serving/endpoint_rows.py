"""The rows of endpoints: who may change them when, and who waits for it.

What is asked for is a claim: it is written only where the endpoint's status allows it, whatever others ask for in the
same moment.
"""

import threading
from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from selfmaker import clock
from selfmaker.errors import Conflict
from selfmaker.serving.deployment import with_changes
from selfmaker.serving.endpoint_status import DELETING, IN_SERVICE, OUT_OF_SERVICE, SETTLED, UPDATING
from selfmaker.serving.router import Key
from selfmaker.serving.spec import DeploymentSpec, ServerlessSpec
from selfmaker.store import resources, tags
from selfmaker.store.resources import Change, Document, Resource, Resources


class EndpointRows:
    """Those of one ``kind``. Thread safe; everything blocks."""

    def __init__(self, table: Resources, kind: str) -> None:
        self._resources = table
        self._kind = kind
        self._changed = threading.Condition()
        self._closed = False

    def create(self, resource: Resource, tag_values: Mapping[str, str]) -> None:
        """Raises AlreadyExists."""
        self._resources.create(resource, also=lambda c: tags.add(c, resource.arn, tag_values))

    def get(self, region: str, name: str) -> Resource:
        """Raises NotFound."""
        return self._resources.get(self._kind, region, name)

    def all(self, region: str | None = None) -> list[Resource]:
        """Of a region or of all of them, the oldest first."""
        return self._resources.list(self._kind, region)

    def write(self, key: Key, change: Change) -> Resource:
        """Raises NotFound."""
        row = self._resources.update(self._kind, key[0], key[1], change)
        self._announce()
        return row

    def delete(self, key: Key) -> None:
        """Raises NotFound."""
        arn = self.get(*key).arn
        self._resources.delete(self._kind, *key, also=lambda c: tags.forget(c, arn))
        self._announce()

    # -- claims: each raises NotFound, and Conflict where the endpoint's status does not allow it

    def claim_update(self, key: Key, spec: DeploymentSpec, state: Document) -> Resource:
        """To put ``spec`` in service; ``state`` is merged into the row."""
        change = Change(UPDATING, {**state, "pending": spec.to_json()})
        return self._claim(key, (IN_SERVICE, OUT_OF_SERVICE), lambda row: change)

    def claim_adjustment(
        self,
        key: Key,
        weights: Mapping[str, float],
        instances: Mapping[str, int],
        serverless: Mapping[str, ServerlessSpec] | None,
    ) -> Resource:
        """To change weights, instance counts and serverless configurations of what is in service."""

        def change(row: Resource) -> Change:
            before = row.state["serving"]
            spec = with_changes(DeploymentSpec.from_json(before), weights, instances, serverless)
            return Change(UPDATING, {"serving": spec.to_json(), "before": before})

        return self._claim(key, (IN_SERVICE,), change)

    def claim_deletion(self, key: Key) -> Resource:
        """To take it down."""
        return self._claim(key, SETTLED, lambda row: Change(DELETING))

    def _claim(self, key: Key, allowed: tuple[str, ...], change_of: Callable[[Resource], Change]) -> Resource:
        """The row as it became, by what ``change_of`` makes of the row as it is in that moment."""
        claimed: list[Resource] = []

        def work(connection: Connection) -> None:
            row = resources.get(connection, self._kind, *key)
            if row.status not in allowed:
                raise Conflict(f"endpoint {row.name} is in status {row.status}")
            claimed.append(resources.modify(connection, self._kind, *key, change_of(row)))

        self._resources.within(work)
        self._announce()
        return claimed[-1]

    # -- waiting

    def wait_for_change(self, resource: Resource, timeout: float) -> Resource:
        """The endpoint once its status is another, or as it is after ``timeout`` seconds. Raises NotFound."""
        end = clock.now() + timeout
        current = self.get(resource.region, resource.name)
        with self._changed:
            while current.status == resource.status and (left := end - clock.now()) > 0 and not self._closed:
                self._changed.wait(left)
                current = self.get(resource.region, resource.name)
        return current

    def close(self) -> None:
        """Nobody need wait any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _announce(self) -> None:
        with self._changed:
            self._changed.notify_all()
