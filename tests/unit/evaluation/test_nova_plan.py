"""What a tier on Nova takes, and what of it cannot be had here."""

from pathlib import Path

import pytest

from discovery.errors import ConfigError
from discovery.evaluation import plan as planning
from discovery.evaluation.needs import memory_mb, most_fake_nodes, nodes
from discovery.evaluation.plan import check_memory, plan
from discovery.evaluation.times import Estimate, estimate, measured_times
from discovery.experiment.load import load_cells
from discovery.experiment.run import Run
from discovery.testbed.load import load_testbed
from tests.raw.nova_cells import write_nova_cell

NOVA_2017 = Path("experiments/nova-2017")
LOCAL = Path("experiments/testbeds/local.yaml")
RUN = Run(experiment="nova-2017", tier="laptop", source="measure", testbed=LOCAL)


def test_the_most_fake_nodes_that_fit_do_fit():
    cell = load_cells(NOVA_2017, "smoke")[0]
    there = 6000
    most = most_fake_nodes(cell, there)
    fits, too_many = (cell.model_copy(update={"fake_nodes": most + more}) for more in (0, 1))
    assert memory_mb(fits) <= there < memory_mb(too_many)


def test_what_a_cell_says_is_what_is_deployed():
    cells = {cell.id: cell for cell in load_cells(NOVA_2017, "laptop")}
    zoned = cells["redis-nova-s3-d10-zoned-burst60-f6-w1-r1"]
    assert zoned.settings.zones
    assert zoned.settings.fake_nodes == 6
    assert zoned.deployed.stores["mariadb"] == ("keystone", "glance", "neutron")
    four = cells["redis-nova-4-replicas-s1-d0-burst100-f6-w1-r1"]
    # Master, controller, compute and client; four Redis masters and a replica of each.
    assert nodes(four) == 4 + 8


@pytest.fixture
def memory(monkeypatch):
    monkeypatch.setattr(planning, "memory_there_mb", lambda: 20_000)


@pytest.mark.usefixtures("memory")
def test_the_plan_says_what_cells_need(tmp_path):
    planned = plan(NOVA_2017, "smoke", LOCAL, tmp_path)
    assert [one.nodes for one in planned.cells] == [8, 8]
    assert all(3000 < one.memory_mb < 6000 for one in planned.cells)
    assert planned.to_run == list(planned.cells)


def test_the_plan_says_that_the_memory_is_not_there(tmp_path, monkeypatch):
    needed = [memory_mb(cell) for cell in load_cells(NOVA_2017, "smoke")]
    assert needed[0] < needed[1]  # ROME has replicas
    monkeypatch.setattr(planning, "memory_there_mb", lambda: needed[0])
    one, other = plan(NOVA_2017, "smoke", LOCAL, tmp_path).cells
    assert one.why_not is None
    assert other.why_not.startswith(f"needs {needed[1] / 1000:.1f} GB of memory and ")


@pytest.mark.usefixtures("memory")
def test_more_fake_nodes_than_memory_are_refused_with_how_many_fit():
    cells = load_cells(NOVA_2017, "laptop")
    check_memory(cells, load_testbed(LOCAL), RUN)
    many = [cell.model_copy(update={"fake_nodes": 30_000}) for cell in cells if cell.sites == 3]
    with pytest.raises(ConfigError) as caught:
        check_memory(many, load_testbed(LOCAL), RUN)
    assert caught.value.key == "tiers.laptop.fake_nodes"
    fits = int(str(caught.value).rpartition("at most ")[2].split()[0])
    assert 1_000 < fits < 20_000


@pytest.mark.usefixtures("memory")
def test_more_sites_than_memory_are_refused_with_how_many_fit():
    cell = {one.id: one for one in load_cells(NOVA_2017, "scale")}[
        "vanilla-s8-d10-burst60-f6-w1-r1"
    ]
    many = cell.model_copy(update={"sites": 40})
    with pytest.raises(ConfigError, match=r"at most 1[0-9] sites here") as caught:
        check_memory([many], load_testbed(LOCAL), RUN)
    assert caught.value.value == 40


@pytest.mark.usefixtures("memory")
def test_a_bursts_time_is_known_from_one_like_it_and_grows_with_its_servers(tmp_path):
    cell = load_cells(NOVA_2017, "smoke")[0]
    raw = tmp_path / "nova-2017" / "smoke" / "raw"
    folder = write_nova_cell(raw, cell)  # 87 s, 30 of them loaded
    assert plan(NOVA_2017, "smoke", LOCAL, tmp_path).cells[0].done
    (known,) = measured_times([folder / "cell.json"])
    assert (known.backend, known.load, known.seconds) == (cell.variant, "burst", 87.0)
    twice = cell.model_copy(update={"servers": 2 * cell.servers})
    foreseen = estimate(twice, [known], "here")
    assert foreseen == Estimate(117.0, "here, scaled from 2 sites at 10 ms", exact=False)
    assert estimate(cell, [known], "here") == Estimate(87.0, "here", exact=True)
    other = cell.model_copy(update={"variant": "redis-nova"})
    assert estimate(other, [known], "here") is None
