"""Unfolding an experiment into cells, and their delays."""

import math

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from discovery.deploy.backends import BACKENDS
from discovery.deploy.cockroach import zones
from discovery.experiment.cells import Cell, parts, unfold
from discovery.experiment.delays import DelayGroups, DelayMatrix
from discovery.experiment.models import (
    DatabaseSettings,
    Experiment,
    KeystoneSettings,
    Variation,
    WanSettings,
)
from discovery.experiment.tiers import TierSettings, VariedCells
from discovery.workload.scenarios import SCENARIOS


def placed(settings: TierSettings) -> list[tuple[str, str | None]]:
    """Only CockroachDB has a cell for each placement."""
    return [
        (backend, placement)
        for backend in settings.backends
        for placement in (settings.placement if backend == "cockroachdb" else (None,))
    ]


def levels(of: st.SearchStrategy[object]) -> st.SearchStrategy[list[object]]:
    return st.lists(of, min_size=1, max_size=3, unique=True)


# How fast examples are made and judged is the machine's affair.
unhurried = settings(suppress_health_check=[HealthCheck.too_slow])
DELAYS = st.integers(0, 400).map(lambda quarter: quarter / 4)


@st.composite
def experiments(draw: st.DrawFn) -> Experiment:
    backends = draw(levels(st.sampled_from(list(BACKENDS))))
    placements = {"placement": draw(levels(st.sampled_from(list(zones.PLACEMENTS))))}
    settings = TierSettings.model_validate(
        {
            "backends": backends,
            **(placements if "cockroachdb" in backends else {}),
            "sites": draw(levels(st.integers(7, 45))),
            "one_way_delay_ms": draw(levels(DELAYS)),
            "load": draw(levels(st.sampled_from(["light", "high"]))),
            "repetitions": draw(st.integers(1, 4)),
            "scenarios": draw(levels(st.sampled_from(list(SCENARIOS)))),
            "times": 10,
            "concurrency": 5,
        }
    )
    return Experiment(
        id="some",
        title="Some",
        service="keystone",
        keystone=KeystoneSettings(cache="dict", bcrypt_rounds=4, processes=1, threads=10),
        wan=WanSettings(jitter_ms=draw(DELAYS)),
        warm_up_iterations=3,
        tiers={"smoke": settings},
    )


@given(experiments())
@unhurried
def test_every_combination_is_one_cell_with_an_id_of_its_own(experiment: Experiment) -> None:
    settings = experiment.tiers["smoke"]
    cells = unfold(experiment, "smoke")
    expected = settings.repetitions * math.prod(
        len(factor)
        for factor in (placed(settings), settings.sites, settings.one_way_delay_ms, settings.load)
    )
    assert len(cells) == expected
    assert len({cell.id for cell in cells}) == expected


@given(experiments())
@unhurried
def test_whole_repetitions_come_first_and_back_ends_take_turns(experiment: Experiment) -> None:
    cells = unfold(experiment, "smoke")
    assert [cell.repetition for cell in cells] == sorted(cell.repetition for cell in cells)
    backends = placed(experiment.tiers["smoke"])
    assert [(cell.backend, cell.placement) for cell in cells] == backends * (
        len(cells) // len(backends)
    )


@given(experiments())
@unhurried
def test_a_cell_survives_its_own_json(experiment: Experiment) -> None:
    for cell in unfold(experiment, "smoke"):
        assert Cell.model_validate_json(cell.model_dump_json()) == cell


VARIATIONS = {
    "no-cache": Variation(question="What does the cache save?", cache="none"),
    "no-wait": Variation(question="What does waiting cost?", wsrep_sync_wait=0),
    "beside": Variation(question="What is seen from there?", rally_on="database-node"),
    "replayed": Variation.model_validate({"question": "What does it cost?", "replay": True}),
    "no-indexes": Variation(question="What do they do?", foreign_key_indexes=False),
    "again": Variation(question="How far apart are equal cells?"),
}


@given(experiments(), st.data())
@unhurried
def test_a_varied_cell_differs_from_its_counterpart_in_one_thing(
    plain: Experiment, data: st.DataObject
) -> None:
    settings = plain.tiers["smoke"]
    varied = tuple(
        VariedCells(
            variation=name,
            backends=tuple(
                data.draw(st.lists(st.sampled_from(settings.backends), min_size=1, unique=True))
            ),
            load=data.draw(st.none() | st.just(settings.load[:1])),
        )
        for name in VARIATIONS
    )
    tier = TierSettings.model_validate({**settings.model_dump(), "varied": varied})
    experiment = plain.model_copy(update={"variations": VARIATIONS, "tiers": {"smoke": tier}})
    cells = unfold(experiment, "smoke")
    assert len({cell.id for cell in cells}) == len(cells)
    study = {cell.id: cell for cell in cells if cell.variation == "study"}
    assert list(study.values()) == unfold(plain, "smoke")
    for cell in cells:
        if cell.variation == "study":
            continue
        counterpart = study[cell.id.replace(f"-{cell.variation}", "")]
        has = {
            "no-cache": cell.keystone.cache == "none",
            "no-wait": cell.database.wsrep_sync_wait == 0,
            "replayed": cell.keystone.replay is not None,
            "no-indexes": not cell.database.foreign_key_indexes,
            "beside": cell.rally_on == "database-node",
            "again": True,
        }
        assert has[cell.variation]
        restored = cell.model_copy(
            update={
                "variation": "study",
                **{
                    name: getattr(counterpart, name)
                    for name in ("keystone", "database", "rally_on")
                },
            }
        )
        assert restored == counterpart
        assert sum(
            getattr(cell, name) != getattr(counterpart, name)
            for name in ("keystone", "database", "rally_on")
        ) == (cell.variation != "again")


def cell(delay: float | DelayMatrix, sites: int) -> Cell:
    return Cell(
        experiment="some",
        tier="smoke",
        backend="galera",
        sites=sites,
        one_way_delay_ms=delay,
        load="high",
        repetition=2,
        scenarios=("get-entities",),
        times=10,
        concurrency=5,
        warm_up_iterations=0,
        keystone=KeystoneSettings(cache="dict", bcrypt_rounds=4, processes=1, threads=1),
        wan=WanSettings(),
    )


def test_a_number_delays_every_pair_but_no_site_from_itself() -> None:
    one = cell(12.5, sites=3)
    assert one.id == "galera-s3-d12.5-high-r2"
    assert one.delays == ((0, 12.5, 12.5), (12.5, 0, 12.5), (12.5, 12.5, 0))
    assert one.mean_one_way_delay_ms == 12.5


def test_a_placement_stands_in_the_id_unless_it_is_the_ordinary_one() -> None:
    one = cell(0.0, sites=9)
    assert "placement" not in one.model_dump()
    placed = one.model_copy(update={"backend": "cockroachdb", "placement": "two-of-three"})
    assert placed.id == "cockroachdb-two-of-three-s9-d0-high-r2"
    assert placed.model_dump()["placement"] == "two-of-three"
    ordinary = placed.model_copy(update={"placement": "anywhere"})
    assert ordinary.id == "cockroachdb-s9-d0-high-r2"


def test_replay_is_off_and_then_not_written() -> None:
    settings = {"cache": "dict", "bcrypt_rounds": 4, "processes": 1, "threads": 1}
    for off in ({}, {"replay": False}, {"replay": None}):
        assert KeystoneSettings.model_validate(settings | off).model_dump() == settings
    on = KeystoneSettings.model_validate(settings | {"replay": True})
    assert on.model_dump()["replay"] == {"tries": 20, "base_ms": 20.0, "cap_ms": 1000.0}
    assert KeystoneSettings.model_validate_json(on.model_dump_json()) == on


def test_only_that_indexes_are_left_is_written() -> None:
    assert DatabaseSettings().model_dump() == {"wsrep_sync_wait": 15}
    left = DatabaseSettings(foreign_key_indexes=False)
    assert left.model_dump() == {"wsrep_sync_wait": 15, "foreign_key_indexes": False}
    assert DatabaseSettings.model_validate_json(left.model_dump_json()) == left


def test_sites_in_groups_are_near_within_and_far_between() -> None:
    level = DelayGroups(name="zones", groups=3, within_ms=10.0, between_ms=150.0)
    one = cell(level, sites=9)
    assert one.id == "galera-s9-dzones-high-r2"
    assert Cell.model_validate_json(one.model_dump_json()) == one
    assert one.delays[1] == (10, 0, 10, 150, 150, 150, 150, 150, 150)
    assert one.delays[8] == (150, 150, 150, 150, 150, 150, 10, 10, 0)
    assert one.mean_one_way_delay_ms == (2 * 10 + 6 * 150) / 8
    assert cell(level, sites=4).delays == (
        (0, 10, 150, 150),
        (10, 0, 150, 150),
        (150, 150, 0, 150),
        (150, 150, 150, 0),
    )


@given(st.integers(3, 45), DELAYS, DELAYS)
def test_the_groups_of_a_delay_are_the_zones_of_the_replicas(
    sites: int, near: float, far: float
) -> None:
    level = DelayGroups(name="zones", groups=zones.ZONES, within_ms=near, between_ms=far)
    matrix = cell(level, sites=sites).delays
    for source, row in enumerate(matrix, 1):
        for destination, delay in enumerate(row, 1):
            together = zones.zone_of(source, sites) == zones.zone_of(destination, sites)
            assert delay == (0 if source == destination else near if together else far)
    names = {zones.zone_of(site, sites) for site in range(1, sites + 1)}
    assert len(names) == zones.ZONES


def test_a_further_grid_takes_from_the_tier_what_it_does_not_name() -> None:
    document = {
        "backends": ["mariadb", "galera"],
        "sites": [3],
        "one_way_delay_ms": [0.0, 50.0],
        "load": ["light"],
        "repetitions": 2,
        "scenarios": ["get-entities", "create-and-list-users"],
        "times": 10,
        "concurrency": 5,
        "keystone": {"processes": 2},
        "varied": [{"variation": "no-cache", "backends": ["galera"]}],
        "also": [
            {"sites": [9], "scenarios": ["get-entities"], "times": 5},
            {"backends": ["cockroachdb"], "placement": ["one-zone"], "sites": [9]},
            {
                "backends": ["cockroachdb"],
                "placement": ["one-zone"],
                "sites": [9],
                "one_way_delay_ms": [50.0],
                "variation": "no-indexes",
            },
        ],
    }
    experiment = Experiment(
        id="some",
        title="Some",
        service="keystone",
        keystone=KeystoneSettings(cache="dict", bcrypt_rounds=4, processes=10, threads=1),
        warm_up_iterations=3,
        variations=VARIATIONS,
        tiers={"smoke": TierSettings.model_validate(document)},
    )
    cells = unfold(experiment, "smoke")
    first = [cell.id for cell in cells if cell.repetition == 1]
    assert first == [
        "mariadb-s3-d0-light-r1",
        "galera-s3-d0-light-r1",
        "mariadb-s3-d50-light-r1",
        "galera-s3-d50-light-r1",
        "galera-s3-d0-light-no-cache-r1",
        "galera-s3-d50-light-no-cache-r1",
        "mariadb-s9-d0-light-r1",
        "galera-s9-d0-light-r1",
        "mariadb-s9-d50-light-r1",
        "galera-s9-d50-light-r1",
        "cockroachdb-one-zone-s9-d0-light-r1",
        "cockroachdb-one-zone-s9-d50-light-r1",
        "cockroachdb-one-zone-s9-d50-light-no-indexes-r1",
    ]
    assert [cell.id for cell in cells] == first + [one.replace("-r1", "-r2") for one in first]
    assert {(cell.times, cell.scenarios) for cell in cells if cell.sites == 9} == {
        (5, ("get-entities",)),
        (10, ("get-entities", "create-and-list-users")),
    }
    # All of a tier's Keystones are alike, and what they have is in every cell.
    assert {cell.keystone.processes for cell in cells} == {2}
    assert {cell.keystone.threads for cell in cells} == {1}
    assert {name: len(part) for name, part in parts(experiment, "smoke").items()} == {
        "grid": 8,
        "varied": 4,
        "also[0]": 8,
        "also[1]": 4,
        "also[2]": 2,
    }
    assert [cell.variation for cell in cells].count("no-indexes") == 2
    for cell in cells:
        assert cell.database.foreign_key_indexes == (cell.variation != "no-indexes")


def test_a_matrix_is_taken_as_it_is_and_counts_with_its_mean() -> None:
    matrix = DelayMatrix(name="europe", matrix=((0, 10, 40), (20, 0, 5), (40, 5, 0)))
    one = cell(matrix, sites=3)
    assert one.id == "galera-s3-deurope-high-r2"
    assert one.delays == matrix.matrix
    assert one.mean_one_way_delay_ms == 20


@given(st.integers(2, 9), st.data())
@unhurried
def test_a_square_matrix_of_any_size_unfolds(size: int, data: st.DataObject) -> None:
    rows = [
        [0.0 if row == column else data.draw(DELAYS) for column in range(size)]
        for row in range(size)
    ]
    matrix = DelayMatrix.model_validate({"name": "some", "matrix": rows})
    one = cell(matrix, sites=size)
    assert [list(row) for row in one.delays] == rows
    pairs = [rows[a][b] for a in range(size) for b in range(size) if a != b]
    assert math.isclose(one.mean_one_way_delay_ms, sum(pairs) / len(pairs))


def test_a_placement_that_is_not_ordinary_is_compared_as_a_variation() -> None:
    placed = {
        placement: cell(0, sites=9).model_copy(update={"placement": placement}).differs_in
        for placement in (None, *zones.PLACEMENTS)
    }
    ordinary = {placed.pop(None), placed.pop(zones.DEFAULT)}
    assert ordinary == {"study"}
    assert placed == {placement: placement for placement in placed}
    varied = cell(0, sites=9).model_copy(update={"placement": "one-zone", "variation": "no-cache"})
    assert varied.differs_in == "no-cache"
