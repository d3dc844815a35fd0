"""The queues of asynchronous endpoints."""

import pytest

from selfmaker.store.async_invocations import AsyncInvocations


@pytest.fixture
def table(database):
    return AsyncInvocations(database)


def test_they_come_in_their_order_and_each_endpoint_has_its_own(table):
    for number in range(5):
        table.add("r", "e", float(number), {"n": number})
    table.add("r", "other", 9.0, {"n": 9})
    first = table.waiting("r", "e", 0, 3)
    assert [found.document["n"] for found in first] == [0, 1, 2]
    assert [found.document["n"] for found in table.waiting("r", "e", first[-1].sequence, 3)] == [3, 4]
    table.remove(first[0].sequence)
    table.remove(first[0].sequence)
    assert table.count("r", "e") == 4
    assert [found.created for found in table.waiting("r", "e", 0, 9)] == [1.0, 2.0, 3.0, 4.0]
    table.forget("r", "e")
    assert table.count("r", "e") == 0
    assert table.count("r", "other") == 1
