"""A variation against the study: ratios of means, with nothing dropped."""

import pandas as pd
import pytest

from discovery.analysis.variation_plots import variation_figure
from discovery.analysis.variations import compare
from discovery.results.tables import read_tables, study_only
from discovery.results.tidy import tidy
from tests.raw.cells import make_cell, write_cell

SCENARIO = "authenticate-user-and-validate-token"


@pytest.fixture
def tables(tmp_path):
    cells = [
        make_cell("mariadb", scenarios=[SCENARIO]),
        make_cell("mariadb", scenarios=[SCENARIO], variation="no-cache"),
        make_cell("galera", scenarios=[SCENARIO], variation="no-cache"),
    ]
    folders = [write_cell(tmp_path / "raw", cell) for cell in cells]
    tidy(folders, tmp_path / "tidy")
    return read_tables(tmp_path / "tidy")


def stretched(tables, factor):
    """The same, where every action of the varied MariaDB cell took ``factor`` times as long."""
    actions = tables["actions"].copy()
    varied = (actions["variation"] == "no-cache") & (actions["backend"] == "mariadb")
    study = actions[(actions["variation"] == "study") & (actions["backend"] == "mariadb")]
    actions.loc[varied, "duration_s"] = (factor * study["duration_s"]).to_numpy()
    return {**tables, "actions": actions}


def test_the_ratio_is_that_of_the_means_and_its_interval_holds_it(tables):
    compared = compare(stretched(tables, 3.0)).set_index("backend")
    row = compared.loc["mariadb"]
    assert row["ratio"] == pytest.approx(3.0)
    assert row["ratio_low"] <= 3.0 <= row["ratio_high"]
    assert row["varied_s"] == pytest.approx(3 * row["study_s"])
    assert (row["n"], row["study_n"], row["failures"]) == (10, 10, 0)


def test_a_cell_without_counterpart_has_no_ratio(tables):
    row = compare(tables).set_index("backend").loc["galera"]
    assert pd.isna(row["ratio"])
    assert (row["n"], row["study_n"]) == (10, 0)


def test_failures_are_counted_and_kept_out_of_the_means(tables):
    iterations = tables["iterations"].copy()
    first = iterations.index[
        (iterations["variation"] == "no-cache") & (iterations["backend"] == "mariadb")
    ][0]
    iterations.loc[first, "error"] = "ServiceUnavailable"
    row = compare({**tables, "iterations": iterations}).set_index("backend").loc["mariadb"]
    assert (row["n"], row["failures"]) == (10, 1)


def test_all_other_analysis_is_of_the_study_alone(tables):
    study = study_only(tables)
    assert set(study["cells"]["cell"]) == {"mariadb-s3-d50-light-r1"}
    assert all(set(table["variation"]) <= {"study"} for table in study.values())


def test_the_figure_says_what_has_failed_and_what_has_no_counterpart(tables):
    iterations = tables["iterations"].copy()
    mine = (iterations["variation"] == "no-cache") & (iterations["backend"] == "mariadb")
    iterations.loc[iterations.index[mine][0], "error"] = "ServiceUnavailable"
    figure = variation_figure(compare({**tables, "iterations": iterations}), "no-cache")
    words = {text.get_text() for panel in figure.axes for text in panel.texts}
    assert words == {"✗1/10", "no counterpart"}
