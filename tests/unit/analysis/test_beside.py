"""The study's bars and ours in one table, and as one figure: nothing computed that was not read."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from discovery.analysis import style
from discovery.analysis.beside import (
    COLUMNS,
    FIGURES,
    HERE,
    PUBLISHED,
    RALLY_BESIDE,
    ZONES,
    Published,
    beside,
    with_rally_beside,
    zones_beside,
)
from discovery.analysis.beside_plots import beside_figure, zones_figure
from discovery.claims.published import read_published, read_zones

STUDY = Path(__file__).parents[3] / "experiments" / "keystone-2018"
AUTHENTICATE = "authenticate-user-and-validate-token"
LIGHT = Published(23, "light", sites=9)


@pytest.fixture(scope="module")
def published():
    return read_published(STUDY)


def group(
    backend="mariadb", *, sites=3, delay=0.0, load="light", mean=1.0, n=5, failures=0, **more
):
    """A row of a summary, of what :func:`beside` reads alone."""
    known = failures < n
    return {
        "sites": sites,
        "load": load,
        "scenario": AUTHENTICATE,
        "backend": backend,
        "one_way_delay_ms": delay,
        "delay": f"{delay:g}",
        "n": n,
        "failures": failures,
        "failure_share": failures / n if n else np.nan,
        "mean_s": mean if known else np.nan,
        "mean_s_low": mean - 0.1 if known else np.nan,
        "mean_s_high": mean + 0.1 if known else np.nan,
        **more,
    }


def of(rows, **levels):
    for column, level in levels.items():
        rows = rows[rows[column] == level]
    return rows


def texts(figure):
    found = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    return [text.get_text() for text in found if text.get_text().strip()]


def test_a_published_bar_keeps_its_reading_error_and_its_failures(published):
    rows = beside(pd.DataFrame([group()]), published, LIGHT)
    assert list(rows.columns) == COLUMNS
    bar = of(rows, scenario=AUTHENTICATE, backend="galera", origin=PUBLISHED, level=150.0).iloc[0]
    assert (bar["value_s"], bar["low_s"], bar["high_s"]) == pytest.approx((0.396, 0.371, 0.421))
    assert (bar["sites"], bar["bound"], bar["failure_share"]) == (9, "exact", 0.0)


def test_the_lan_of_the_figures_on_delay_is_that_of_nine_instances(published):
    rows = beside(pd.DataFrame([group()]), published, LIGHT)
    bar = of(rows, scenario=AUTHENTICATE, backend="mariadb", origin=PUBLISHED, level=0.0)
    assert list(bar["value_s"]) == [0.134]


@pytest.mark.parametrize("figure", FIGURES)
def test_every_published_bar_of_a_figure_is_there_once(published, figure):
    rows = of(beside(pd.DataFrame([group()]), published, figure), origin=PUBLISHED)
    assert len(rows) == 7 * 3 * 3
    assert not rows.duplicated(["scenario", "backend", "level"]).any()
    assert (rows["value_s"].isna() == (rows["bound"] == "none")).all()


def test_ours_are_of_the_number_of_sites_next_to_the_studys(published):
    delays = (0.0, 50.0)
    small = [group(delay=delay, sites=3) for delay in delays]
    nine = [group("galera", delay=delay, sites=9) for delay in delays]
    large = [group("galera", delay=delay, sites=45) for delay in delays]
    ours = of(beside(pd.DataFrame([*small, *nine, *large]), published, LIGHT), origin=HERE)
    assert dict(zip(ours["backend"], ours["sites"], strict=True)) == {"mariadb": 3, "galera": 9}
    # One that was run on the LAN alone would leave nothing to compare.
    ours = of(beside(pd.DataFrame([*small, group(sites=9)]), published, LIGHT), origin=HERE)
    assert set(ours["sites"]) == {3}


def test_a_matrix_of_delays_is_no_level_of_the_studys(published):
    zoned = {**group(delay=50.0), "delay": "three-zones"}
    rows = beside(pd.DataFrame([group(), zoned]), published, LIGHT)
    assert list(of(rows, origin=HERE)["level"]) == [0.0]


def test_what_failed_has_no_value_and_is_counted(published):
    lost = pd.DataFrame([group(), group("galera", failures=5), group("postgresql", n=0)])
    ours = of(beside(lost, published, LIGHT), origin=HERE).set_index("backend")
    assert ours.loc["galera", ["bound", "n", "failures"]].tolist() == ["none", 5, 5]
    assert ours.loc["postgresql", "bound"] == "none"
    assert ours["value_s"].notna().tolist() == [True, False, False]


def test_the_figure_says_what_is_no_value(published):
    rows = beside(
        pd.DataFrame([group(load="high"), group("galera", load="high", failures=5)]),
        published,
        Published(21, "high"),
    )
    figure = beside_figure(rows, Published(21, "high"))
    words = texts(figure)
    assert words.count("no bar ✗100 %") == 3  # Galera with 45 instances
    assert words.count("all 5 failed") == 1
    assert "✗55 %" in words
    assert {"9\nnot run here", "45\nnot run here"} <= set(words)
    assert "3\nnot run here" not in words
    assert any(word == "CockroachDB (2018 only)" for word in words)


def test_a_bar_of_a_pixel_has_no_bar(published):
    whole = of(
        beside(pd.DataFrame([group()]), published, LIGHT), scenario="create-user-update-password"
    )
    panel = beside_figure(whole, LIGHT).axes[0]
    at_most = of(whole, bound="at most")
    assert len(at_most) == 2
    heights = [patch.get_y() + patch.get_height() for patch in panel.patches]
    assert not set(np.round(heights, 3)) & set(np.round(at_most["value_s"], 3))
    marked = [line.get_xydata()[0][1] for line in panel.lines if line.get_marker() == "v"]
    assert len(marked) == 2
    assert max(marked) < at_most["value_s"].min()  # they point down from it


def test_it_says_at_how_many_sites_ours_are(published):
    delays = (0.0, 50.0)
    same = [group(name, delay=at) for name in ("mariadb", "galera") for at in delays]
    words = texts(beside_figure(beside(pd.DataFrame(same), published, LIGHT), LIGHT))
    assert words.count("here: 3 sites") == 1
    assert words.count("not run here") == 6  # the other scenarios
    mixed = [*same, *(group("galera", sites=9, delay=at) for at in delays)]
    words = texts(beside_figure(beside(pd.DataFrame(mixed), published, LIGHT), LIGHT))
    assert "here: 3 sites (MariaDB)\n9 sites (Galera)" in words


def test_any_hole_in_our_data_leaves_a_figure(gappy, published):
    tables, _ = gappy
    summary = with_rally_beside(tables)
    for figure in (FIGURES[0], FIGURES[3]):
        drawn = beside_figure(beside(summary, published, figure), figure)
        with style.figure_style():
            drawn.draw_without_rendering()


def test_rally_beside_the_database_is_a_bar_of_its_own(study, published):
    cells = study["cells"]
    moved = cells["cell"] == "mariadb-s3-d50-light-r1"
    varied = {
        name: table.assign(
            variation=table["variation"].where(table["cell"] != "mariadb-s3-d50-light-r1", "moved")
        )
        for name, table in study.items()
    }
    varied["cells"] = varied["cells"].assign(
        rally_on=cells["rally_on"].where(~moved, "database-node")
    )
    rows = beside(with_rally_beside(varied), published, LIGHT)
    mine = of(rows, origin=RALLY_BESIDE)
    assert set(mine["backend"]) == {"mariadb"}
    assert set(mine["level"]) == {50.0}
    assert of(rows, origin=HERE, backend="mariadb", level=50.0).empty
    assert "here, Rally on its node" in texts(beside_figure(rows, LIGHT))


def test_placements_are_the_studys_alone_where_no_cell_has_zones(study):
    rows = zones_beside(study, read_zones(STUDY))
    assert set(rows["origin"]) == {PUBLISHED}
    assert len(rows) == 7 * 3 * 3
    words = texts(zones_figure(rows))
    assert words.count("not run here") == 7
    assert words.count("no bar ✗100 %") == 7 * 3


def test_zoned_cells_stand_beside_the_placement_that_is_theirs(study):
    names = {"mariadb": "study", "galera": "study", "postgresql": "one-zone"}
    light = study["cells"]["load"] == "light"
    chosen = set(study["cells"].loc[light & (study["cells"]["delay"] == "50"), "cell"])
    zoned = {
        name: table[table["cell"].isin(chosen)].assign(
            delay="zones", variation=lambda rows: rows["backend"].map(names)
        )
        for name, table in study.items()
    }
    rows = zones_beside(zoned, read_zones(STUDY))
    ours = of(rows, origin=HERE)
    levels = dict(zip(ours["backend"], ours["level"], strict=False))
    assert levels == {"mariadb": "no placement", "galera": "no placement", "postgresql": ZONES[2]}
    medians = zoned["iterations"].groupby("backend")["duration_s"].median()
    assert (ours.groupby("backend")["value_s"].max() < medians * 2).all()
    assert "no placement" in texts(zones_figure(rows))
