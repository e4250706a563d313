"""Experiments on Nova: their cells, and what is wrong with one told in one sentence."""

import copy
from pathlib import Path

import pytest

from discovery.errors import ConfigError
from discovery.experiment.load import load_cells, load_experiment, read_yaml, validate
from discovery.experiment.nova import NovaExperiment
from discovery.experiment.nova_cells import NovaCell, unfold_nova
from discovery.experiment.studies import factors

NOVA_2017 = Path("experiments/nova-2017")
SERVICES = ["keystone", "glance", "neutron", "placement", "nova_api", "nova_cell0", "nova_cell1"]
GRID = {
    "variants": ["vanilla", "redis-nova", "mine"],
    "sites": [3],
    "one_way_delay_ms": [0.0, 10.0],
    "zones": ["flat", "per-site"],
    "servers": [10],
    "fake_nodes": [6],
    "workers": [1],
    "repetitions": 2,
}
EXPERIMENT = {
    "id": "try",
    "title": "t",
    "service": "nova",
    "keystone": {"cache": "memcached", "bcrypt_rounds": 4, "processes": 1, "threads": 1},
    "variants": {"mine": {"title": "Galera", "stores": {"galera": SERVICES}}},
    "tiers": {"smoke": {"wide": GRID}},
}


def changed(place, value):
    document = copy.deepcopy(EXPERIMENT)
    inside = document
    for part in place[:-1]:
        inside = inside[part]
    inside[place[-1]] = value
    return document


def refusal(document):
    with pytest.raises(ConfigError) as caught:
        validate(NovaExperiment, document, Path("experiment.yaml"))
    said = str(caught.value)
    assert "\n" not in said
    return said


def test_cells_are_all_combinations_with_whole_repetitions_first():
    experiment = validate(NovaExperiment, EXPERIMENT, Path("experiment.yaml"))
    cells = unfold_nova(experiment, "smoke")
    assert len(cells) == 2 * 2 * 3 * 2
    assert [cell.repetition for cell in cells] == [1] * 12 + [2] * 12
    assert [cell.id for cell in cells[:4]] == [
        "vanilla-s3-d0-burst10-f6-w1-r1",
        "redis-nova-s3-d0-burst10-f6-w1-r1",
        "mine-s3-d0-burst10-f6-w1-r1",
        "vanilla-s3-d0-zoned-burst10-f6-w1-r1",
    ]
    assert len({cell.id for cell in cells}) == len(cells)


def test_a_cell_knows_all_that_decides_how_it_is_run():
    experiment = validate(NovaExperiment, EXPERIMENT, Path("experiment.yaml"))
    cells = {cell.id: cell for cell in unfold_nova(experiment, "smoke")}
    cell = cells["redis-nova-s3-d10-zoned-burst10-f6-w1-r2"]
    assert cell.backend == "rome-cluster"
    assert set(cell.backends) == set(SERVICES)
    assert cell.backends["neutron"] == "mariadb"
    assert cell.delays == ((0, 10, 10), (10, 0, 10), (10, 10, 0))
    assert cells["mine-s3-d0-burst10-f6-w1-r1"].backend == "galera"
    assert NovaCell.model_validate_json(cell.model_dump_json()) == cell
    assert factors(cell)["variant"] == "redis-nova"
    assert factors(cell)["zones"] == "per-site"


@pytest.mark.parametrize(
    ("place", "value", "key", "words", "allowed"),
    [
        (
            ("tiers", "smoke", "wide", "variants", 1),
            "redis",
            "variants[1]",
            "unknown",
            "redis-nova",
        ),
        (("tiers", "smoke", "wide", "sites"), [2], "variants[1]", "3 sites or more", "3 sites"),
        (("tiers", "smoke", "wide", "servers"), [0], "servers[0]", "", "a whole number ≥ 1"),
        (("tiers", "smoke", "wide", "zones"), ["site"], "zones[0]", "unknown", "flat or per-site"),
        (
            ("tiers", "smoke", "wide", "fake_nodes"),
            [0],
            "fake_nodes[0]",
            "leaves every zone without hosts",
            "a whole number ≥ 1",
        ),
        (("tiers", "smoke", "wide", "workers"), [1, 1], "workers[1]", "twice", "each level once"),
        (
            ("tiers", "smoke", "again"),
            {**GRID, "variants": ["vanilla"], "repetitions": 1},
            "tiers.smoke.again",
            "has a cell that wide has already: 3, 0.0, flat, burst, 10, none, 6, 1, vanilla",
            "each cell in one grid of a tier",
        ),
        (("tiers", "smoke"), {}, "tiers.smoke", "is empty", "at least one"),
        (
            ("variants", "mine", "stores", "galera"),
            [*SERVICES, "keystone"],
            "variants.mine.stores.galera",
            "keystone",
            "each service once",
        ),
        (
            ("variants", "mine", "stores", "galera"),
            SERVICES[:-1],
            "variants.mine.stores.nova_cell1",
            "nova_cell1 is on no back end",
            "mariadb",
        ),
        (
            ("variants", "mine", "stores"),
            {"galera": SERVICES[:2] + SERVICES[3:], "postgresql": ["neutron"]},
            "variants.mine.stores.postgresql",
            "neutron does not run on postgresql",
            "mariadb",
        ),
        (
            ("variants", "mine", "stores"),
            {"mongodb": SERVICES},
            "variants.mine.stores.mongodb",
            "unknown back end",
            "mariadb",
        ),
        (("variants", "mine", "replicas"), 1, "variants.mine.replicas", "no Redis Cluster", "0"),
        (
            ("variants", "mine", "like"),
            "vanilla",
            "variants.mine",
            "both like and stores",
            "either",
        ),
        (
            ("variants", "mine"),
            {"title": "t", "like": "vanila"},
            "variants.mine.like",
            "did you mean vanilla?",
            "vanilla-galera",
        ),
        (
            ("tiers", "smoke", "wide", "fault"),
            ["none", "kill-redis-master"],
            "tiers.smoke.wide.fault",
            "no replica stands in for",
            "redis-nova-replicas",
        ),
        (
            ("tiers", "smoke", "wide"),
            {
                **GRID,
                "variants": ["redis-nova-replicas"],
                "workload": ["burst", "rally"],
                "fault": ["kill-redis-master"],
            },
            "tiers.smoke.wide.fault",
            "while a burst boots servers",
            "the workload burst alone",
        ),
        (("fake_nodes",), 6, "fake_nodes", "unknown key", "tiers"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(place, value, key, words, allowed):
    said = refusal(changed(place, value))
    assert said.startswith(f"experiment.yaml: {key}" if "." in key else "experiment.yaml: ")
    assert key in said.partition("; allowed: ")[0]
    assert words in said
    assert allowed in said.partition("; allowed: ")[2]


@pytest.mark.parametrize(
    ("change", "words"),
    [({}, "is between sites"), ({"one_way_delay_ms": [0.0]}, "tells sites apart")],
)
def test_one_site_has_neither_delay_nor_zones(change, words):
    grid = {**GRID, "variants": ["vanilla"], "sites": [1], **change}
    assert words in refusal(changed(("tiers", "smoke", "wide"), grid))


def test_a_service_that_is_nobodys_is_refused(tmp_path):
    (tmp_path / "experiment.yaml").write_text("id: x\nservice: swift\n")
    with pytest.raises(ConfigError, match=r"service = 'swift': unknown service; .*keystone, nova"):
        load_experiment(tmp_path)


def test_the_study_has_its_factors_and_the_smallest_tier_is_small():
    smoke = load_cells(NOVA_2017, "smoke")
    assert len({cell.variant for cell in smoke}) == 2
    assert {(cell.sites, cell.servers) for cell in smoke} == {(2, 10)}
    full = load_cells(NOVA_2017, "full")
    burst = [cell for cell in full if cell.workload == "burst"]
    assert {cell.servers for cell in burst} == {500}
    assert {cell.sites for cell in burst} == {1, 2, 4, 6, 8}
    # The study's delays, read as one way and as round trips.
    assert {cell.one_way_delay_ms for cell in burst} == {0.0, 5.0, 10.0, 25.0, 50.0}
    laptop = load_cells(NOVA_2017, "laptop")
    assert {cell.servers for cell in laptop if cell.workload == "burst"} == {60, 100}
    assert {cell.zones for cell in laptop} == {"flat", "per-site"}


def test_the_null_hypothesis_is_the_same_deployment_under_two_names():
    experiment = load_experiment(NOVA_2017)
    assert isinstance(experiment, NovaExperiment)
    same, again = experiment.variant("vanilla"), experiment.variant("vanilla-again")
    assert (same.backends, same.replicas) == (again.backends, again.replicas)
    assert (
        read_yaml(NOVA_2017 / "experiment.yaml")["variants"]["vanilla-again"]["like"] == "vanilla"
    )


def test_more_cells_than_can_be_run_are_refused_before_they_are_made():
    many = [*range(1, 101)]
    grid = {**GRID, "servers": many, "fake_nodes": many, "workers": [1], "repetitions": 100}
    said = refusal(changed(("tiers", "smoke"), {"one": grid}))
    assert "tiers.smoke: has 12,000,000 cells" in said
    assert "allowed: at most 10,000 cells in a tier" in said
