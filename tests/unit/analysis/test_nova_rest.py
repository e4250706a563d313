"""REST requests by variant, and what of them failed."""

import math

import pytest

from discovery.analysis.nova_rest import (
    rest_figure,
    rest_numbers,
    rest_table,
    rest_times,
)
from discovery.results.tables import read_tables, study_only
from tests.unit.claims.nova_tables import cell, tables, write


@pytest.fixture
def measured(tmp_path):
    return read_tables(
        write(
            tables(
                [
                    (cell("vanilla", servers=20), {"rest": [0.2, 0.4, math.nan]}),
                    (cell("redis-nova", servers=20), {"rest": [0.1, 0.2]}),
                    (cell("vanilla"), {"calls": [0.1], "failed": 2}),
                ]
            ),
            tmp_path,
        )
    )


def test_the_mean_is_of_what_succeeded_and_failures_are_told(measured):
    found = rest_times(measured).set_index("variant")
    assert found.loc["vanilla", "value"] == pytest.approx(0.3)
    assert tuple(found.loc["vanilla", ["n", "failures"]]) == (3, 1)
    assert tuple(found.loc["redis-nova", ["n", "failures"]]) == (2, 0)
    shown, _ = rest_table(rest_times(measured))
    assert shown["vanilla (ms)"].tolist() == ["300.00 [200.00, 400.00] (1 of 3 failed)"]
    assert shown["scenario"].tolist() == ["list-servers"]


def test_a_scenarios_number_is_called_after_its_levels(measured):
    numbers = rest_numbers(rest_times(measured))
    assert numbers["nova-rest-redis-nova-s3-d10-list-servers"]["value"] == pytest.approx(0.15)


def test_the_figure_has_a_panel_per_size_and_is_there_without_any(measured):
    assert len(rest_figure(rest_times(measured)).axes) == 1
    none = rest_times({**measured, "iterations": measured["iterations"].iloc[:0]})
    assert len(rest_figure(none).axes) == 1


def test_what_rally_loaded_is_none_of_the_studys(measured):
    assert set(study_only(measured)["cells"]["cell"]) == {cell("vanilla")["cell"]}
