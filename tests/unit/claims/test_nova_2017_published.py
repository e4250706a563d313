"""The numbers of the IC2E 2017 study, as they stand in the experiment's folder."""

from pathlib import Path

import pandas as pd
import pytest

PUBLISHED = Path(__file__).parents[3] / "experiments" / "nova-2017" / "published"
FILES = ("mono-site", "response-time", "network-volume", "multi-site", "zones")
LEVELS = ["figure", "column", "statistic", "variant", "sites", "delay_ms", "zones"]


def read(name):
    return pd.read_csv(PUBLISHED / f"{name}.csv")


@pytest.mark.parametrize("name", FILES)
def test_every_value_has_its_provenance_and_a_digitised_one_its_error(name):
    table = read(name)
    assert set(table["provenance"]) <= {"verbatim", "digitised", "inferred"}
    assert (table["reading_error"].notna() == (table["provenance"] == "digitised")).all()
    assert (table["value"].isna() == (table["bound"] == "none")).all()
    assert not table.duplicated([*LEVELS, "source", "destination"]).any()


def test_all_files_have_the_same_columns():
    assert {path.stem for path in PUBLISHED.glob("*.csv")} == {*FILES, "sentences"}
    assert len({tuple(read(name).columns) for name in FILES}) == 1


def test_the_parts_of_a_bar_are_the_bar():
    volume = read("network-volume")
    key = ["variant", "destination"]
    parts = volume[volume["source"].notna()].groupby(key)["value"].sum()
    whole = volume[volume["source"].isna()].set_index(key).loc[parts.index]
    assert len(parts) == 6
    assert ((parts - whole["value"]).abs() <= whole["reading_error"]).all()


def test_what_the_text_says_is_computed_again_from_the_tables():
    said = read("sentences").set_index("quantity")["recomputed"]
    mono = read("mono-site").set_index(["figure", "variant"])["value"]
    sites = read("multi-site").set_index(["variant", "delay_ms", "sites"])["value"]
    bars = read("network-volume")
    sums = bars[bars["source"].isna()].groupby("variant")["value"].sum()

    def above(value, base):
        return pytest.approx(100 * (value / base - 1), abs=0.06)

    calls, volume = mono["Table I"], mono["Table III"]
    assert said["mean response time of ROME over one Redis above MySQL"] == above(
        calls["redis-nova-one"], calls["vanilla"]
    )
    assert said["network volume with replication above that without"] == above(
        volume["redis-nova-4-replicas"], volume["redis-nova-4"]
    )
    assert said["Galera slower than ROME at 8 sites and 10 ms"] == above(
        sites["vanilla-galera", 10, 8], sites["redis-nova", 10, 8]
    )
    assert said["sum of the bars of MySQL above Table III"] == above(
        sums["vanilla"], volume["vanilla"]
    )
