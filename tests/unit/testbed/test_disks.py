from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.errors import MachineError
from discovery.testbed.local.limits import FILES_SHARE, LEAST_MB, RUN_MB, disks

ROLES = st.lists(
    st.sampled_from(["control", "client", "master", "compute", "database"]), min_size=1, max_size=99
)


@given(ROLES, st.integers(0, 10**6))
def test_all_files_together_stay_below_the_memory(roles, free_mb):
    names = {f"node-{number}": role for number, role in enumerate(roles)}
    try:
        made = disks(names, free_mb)
    except MachineError:
        return
    assert made.keys() == names.keys()
    whole = sum(disk.rest_mb + disk.run_mb for disk in made.values())
    assert whole <= free_mb * FILES_SHARE
    assert whole > free_mb * FILES_SHARE - len(roles)
    for disk in made.values():
        assert 0 < disk.run_mb <= RUN_MB
        assert disk.rest_mb + disk.run_mb >= LEAST_MB


def test_a_laptop_holds_nine_sites_with_databases():
    roles = {f"{role}-{site}": role for site in range(9) for role in ("control", "client")}
    made = disks(roles, 5400)
    assert made["control-0"].rest_mb == 238
    assert made["client-0"].rest_mb == 68
    assert made["client-0"].inodes == 68 * 128


def test_too_little_for_all_is_told():
    with pytest.raises(MachineError, match=r"files of 30 nodes may take 600 of the 1000 MB"):
        disks({str(number): "control" for number in range(30)}, 1000)
