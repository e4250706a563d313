"""The laptop tier at nine sites, from raw cells to verdicts: some scenarios, sites in zones."""

from pathlib import Path

import pytest

from discovery.analysis.completion_plots import completion_figure
from discovery.analysis.summary import summarise
from discovery.claims.judge import judge_folder
from discovery.experiment.load import load_experiment
from discovery.results.tables import read_tables
from discovery.results.tidy import tidy
from tests.raw.cells import make_cell, write_cell

KEYSTONE_2018 = Path(__file__).parents[3] / "experiments" / "keystone-2018"
ZONES = {"name": "zones", "groups": 3, "within_ms": 10.0, "between_ms": 150.0}
*_, NINE, IN_ZONES = load_experiment(KEYSTONE_2018).tiers["laptop"].also


@pytest.fixture(scope="module")
def tidy_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nine")
    assert NINE.sites == IN_ZONES.sites == (9,)
    assert IN_ZONES.one_way_delay_ms[0].model_dump() == ZONES
    cells = [
        make_cell(backend, delay=delay, sites=9, scenarios=NINE.scenarios, times=5)
        for backend in ("mariadb", "galera")
        for delay in (0.0, 50.0, 150.0)
    ]
    cells.append(make_cell("galera", delay=ZONES, sites=9, scenarios=NINE.scenarios, times=5))
    cells += [make_cell("galera", delay=delay, sites=3, times=5) for delay in (0.0, 150.0)]
    tidy([write_cell(folder / "raw", cell) for cell in cells], folder / "tidy")
    return folder / "tidy"


@pytest.fixture(scope="module")
def judged(tidy_folder):
    return {claim.id: claim for claim in judge_folder(KEYSTONE_2018, tidy_folder).claims}


def test_a_cell_in_zones_is_in_the_tables_by_its_name_and_its_mean(tidy_folder):
    cells = read_tables(tidy_folder)["cells"].set_index("cell")
    zones = cells.loc["galera-s9-dzones-light-r1"]
    assert (zones["delay"], zones["one_way_delay_ms"]) == ("zones", 115.0)


def test_claims_on_delay_are_judged_at_nine_sites_and_by_their_own_delays(judged):
    writes = judged["C17"]
    assert writes.at == "at 9 sites"
    levels = [term.levels["one_way_delay_ms"] for term in writes.parts[0].measured]
    assert levels == [0.0, 50.0, 150.0]  # and not 115, where a commit waits for 150 too
    # Three commits of the model, and what they take more under delay.
    assert writes.parts[0].effects[0].effect == pytest.approx(3.1, abs=0.2)


def test_that_zones_change_nothing_for_galera_is_judged_where_it_writes(judged):
    claim = judged["C21"]
    assert claim.verdict == "supported"
    assert claim.at == "on 2 of 6 scenarios"
    assert {part.label for part in claim.parts if not part.left_out} == {
        "create-add-and-list-user-roles",
        "create-user-update-password",
    }
    assert all(part.effects[0].published is not None for part in claim.parts if not part.left_out)


def test_the_number_of_sites_is_judged_over_those_there_are(judged):
    galera = next(part for part in judged["C3"].parts if part.label == "galera")
    assert [effect.label for effect in galera.effects] == ["9 sites / 3 sites"]


def test_what_needs_the_back_end_that_is_missing_is_not_run(judged):
    for claim_id in ("C20", "C23", "C24"):
        assert judged[claim_id].verdict == "not run"
        assert "cockroachdb" in judged[claim_id].why


def test_a_figure_of_nine_sites_has_room_for_zones(tidy_folder):
    tables = read_tables(tidy_folder)
    figure = completion_figure(tables, summarise(tables), sites=9, load="light")
    ticks = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert ticks == ["LAN", "50", "zones", "150"]
