"""Packers that are kept: what one has packed, or failed to, changes nothing that comes after."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.rome.packing import LARGEST_KEPT, for_redis, values_packed

values = st.lists(
    st.one_of(
        st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(), st.binary(max_size=300)
    ),
    max_size=5,
)


@given(values)
def test_a_kept_packer_packs_as_a_new_one(row):
    assert values_packed(row) == values_packed(tuple(row)) == msgpack.packb(row, use_bin_type=True)
    assert for_redis([row]) == msgpack.packb([row], use_bin_type=False)


def test_after_one_that_cannot_be_packed_and_a_large_one():
    with pytest.raises(OverflowError):
        values_packed(["begun", 2**64])
    assert len(values_packed([b"x" * LARGEST_KEPT])) > LARGEST_KEPT
    assert values_packed([1]) == b"\x91\x01"
