"""CPU and memory of Nova's services, of the burst alone and for each server."""

import pytest

from discovery.analysis.nova_services import (
    service_figure,
    service_numbers,
    service_table,
    service_use,
)
from discovery.results.tables import read_tables
from tests.unit.claims.nova_tables import cell, tables, write


@pytest.fixture
def use(tmp_path):
    cells = [
        (cell("vanilla", repetition=1), {"completion_s": 10.0}),
        (cell("vanilla", repetition=2), {"completion_s": 20.0}),
        (cell("redis-nova"), {"completion_s": 10.0}),
    ]
    return service_use(read_tables(write(tables(cells), tmp_path)))


def test_only_the_burst_counts_and_repetitions_are_averaged(use):
    api = use[use["unit"] == "nova-api"].set_index("variant")
    # 11 and 21 whole seconds of half a processor, for 10 servers each.
    assert api.loc["redis-nova", "cpu_s"] == pytest.approx(0.55)
    assert api.loc["vanilla", "cpu_s"] == pytest.approx((0.55 + 1.05) / 2)
    assert api.loc["vanilla", "memory_mb"] == pytest.approx(115.0)
    assert api.loc["vanilla", "n"] == 2


def test_the_most_expensive_service_stands_first(use):
    shown, computed = service_table(use)
    assert shown["unit"].tolist() == ["nova-api", "rabbitmq"] * 2
    assert shown["CPU s per server"].tolist() == ["0.550", "0.000", "0.800", "0.000"]
    assert len(computed) == 4


def test_the_figure_has_a_line_per_unit_and_is_there_without_any(use):
    first, _ = service_figure(use, sites=3, delay=10.0).axes
    assert [label.get_text() for label in first.get_yticklabels()] == ["nova-api", "rabbitmq"]
    assert len(service_figure(use, sites=8, delay=10.0).axes) == 2


def test_the_number_of_a_variant_is_the_sum_of_its_services(use):
    assert service_numbers(use)["nova-cpu-vanilla-s3-d10"]["value"] == pytest.approx(0.8)
