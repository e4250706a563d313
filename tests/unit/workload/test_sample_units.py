"""Which unit a process belongs to, in whichever way systemd keeps its processes."""

import pytest

from discovery.workload.on_node import sample

V2 = "0::/system.slice/discovery-nova-api.service\n"
V2_INSIDE = "0::/machine.slice/x/payload/system.slice/discovery-nova-api.service/worker\n"
HYBRID = (
    "12:memory:/nodes/site-1\n3:cpu,cpuacct:/nodes/site-1\n"
    "1:name=systemd:/payload/system.slice/discovery-nova-api.service\n0::/\n"
)


@pytest.mark.parametrize("cgroups", [V2, V2_INSIDE, HYBRID])
def test_a_unit_of_ours_is_found(cgroups):
    assert sample.unit_in(cgroups) == "discovery-nova-api"


@pytest.mark.parametrize(
    "cgroups",
    ["", "0::/\n", "0::/system.slice/ssh.service\n", "0::/discovery-lease/init.scope\n",
     "0::/system.slice/not-discovery-x.service\n"],
)  # fmt: skip
def test_others_are_none(cgroups):
    assert sample.unit_in(cgroups) is None


def test_units_are_parts_of_the_whole(monkeypatch):
    names = iter(["discovery-a", None] * 10_000)
    monkeypatch.setattr(sample, "unit_in", lambda cgroups: next(names))
    whole, units = sample.processes()
    assert set(units) == {"discovery-a"}
    assert 0 < units["discovery-a"].memory_bytes < whole.memory_bytes
    assert 0 < units["discovery-a"].cpu_s < whole.cpu_s
