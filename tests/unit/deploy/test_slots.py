"""Which node of a Redis Cluster has which slots."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.deploy.slots import SLOTS, share, slot_of


def slots(ranges: str) -> list[int]:
    found: list[int] = []
    for part in ranges.split():
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def test_a_slot_is_the_one_that_redis_says():
    # CLUSTER KEYSLOT of Redis 7.0.15
    assert {name: slot_of(name) for name in ("keystone", "nova_api", "123456789")} == {
        "keystone": 1144,
        "nova_api": 10738,
        "123456789": 12739,
    }


@settings(max_examples=30)
@given(
    st.integers(3, 45), st.lists(st.text("abc_", min_size=1, max_size=8), max_size=5, unique=True)
)
def test_every_slot_has_one_node_and_the_databases_slots_the_first(size, databases):
    nodes = [f"site-{number}" for number in range(1, size + 1)]
    shared = share(nodes, databases)
    assert list(shared) == nodes
    assert sorted(slot for ranges in shared.values() for slot in slots(ranges)) == [*range(SLOTS)]
    assert {slot_of(database) for database in databases} <= set(slots(shared["site-1"]))
    numbers = [len(slots(ranges)) for ranges in shared.values()]
    assert max(numbers) - min(numbers) <= 2 * len(databases) + 1
