"""Leased keys: each number once, blocks that grow where they run out."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from discovery.rome.ids import BLOCK, LARGEST_BLOCK, Ids


class Counter:
    """What Redis does."""

    def __init__(self):
        self.last = 0

    def lease(self, ids, table, *, urgent):
        count = ids.block(table, urgent=urgent)
        ids.add(table, self.last + 1, count)
        self.last += count
        return count


def test_none_is_held_at_first():
    ids = Ids()
    assert ids.empty("t")
    assert ids.take("t") is None
    assert ids.low("t")


def test_numbers_go_up_and_tables_do_not_mix():
    ids, counter = Ids(), Counter()
    counter.lease(ids, "t", urgent=True)
    ids.add("u", 1000, 2)
    taken = [ids.take("t") for _ in range(3)]
    assert taken == [1, 2, 3]
    assert [ids.take("u"), ids.take("u"), ids.take("u")] == [1000, 1001, None]


def test_blocks_grow_where_they_run_out():
    ids, counter = Ids(), Counter()
    sizes = [counter.lease(ids, "t", urgent=True) for _ in range(8)]
    assert sizes[0] == BLOCK
    assert all(later == min(2 * size, LARGEST_BLOCK) for size, later in pairwise(sizes))
    assert sizes[-1] == LARGEST_BLOCK
    assert Ids().block("t") == BLOCK


def test_a_commit_brings_more_before_they_run_out():
    ids, counter = Ids(), Counter()
    asked = 0
    for _ in range(1000):
        if ids.empty("t"):
            asked += 1
            counter.lease(ids, "t", urgent=True)
        ids.take("t")
        if ids.low("t"):
            counter.lease(ids, "t", urgent=False)
    assert asked == 1


def test_dropped():
    ids = Ids()
    ids.add("t", 1, 5)
    ids.clear()
    assert ids.take("t") is None
    ids.add("t", 10, 5)
    ids.new_process()
    assert ids.take("t") is None


def test_threads_never_share_a_number():
    ids = Ids()
    ids.add("t", 1, 20_000)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: [ids.take("t") for _ in range(2500)], range(8)))
    assert sorted(number for part in taken for number in part) == list(range(1, 20_001))
