"""What is wrong in ``claims.yaml`` is told in one sentence: file, key, value, allowed values."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from discovery.claims.judge import judge_folder
from discovery.claims.load import load_claims
from discovery.claims.placements import study_numbers
from discovery.claims.published import published_part, read_published
from discovery.claims.verdicts import read_verdicts, write_verdicts
from discovery.claims.wording import stated
from discovery.errors import ClaimError, ConfigError, ResultError
from discovery.results.tidy import tidy
from tests.raw.cells import write_study

KEYSTONE_2018 = Path(__file__).parents[3] / "experiments" / "keystone-2018"


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(KEYSTONE_2018, tmp_path / "keystone-2018")
    return tmp_path / "keystone-2018"


def change(folder, edit):
    path = folder / "claims.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    edit(document)
    path.write_text(yaml.safe_dump(document), encoding="utf-8")


def relation(document, claim_id):
    return next(claim for claim in document["claims"] if claim["id"] == claim_id)["relation"]


@pytest.mark.parametrize(
    ("claim_id", "edit", "key", "value", "allowed"),
    [
        ("C1", {"table": "iteration"}, "C1.relation.table", "iteration", "iterations"),
        ("C2", {"column": "duration"}, "C2.relation.column", "duration", "duration_s"),
        ("C2", {"column": "scenario"}, "C2.relation.column", "scenario", "duration_s"),
        ("C5", {"where": {"site": 45}}, "C5.relation.where", "site", "sites"),
        ("C5", {"where": {"sites": 46}}, "C5.relation.where.sites", 46, "45"),
        (
            "C1",
            {"terms": [{"backend": "mariadb"}, {"backend": "galeria"}]},
            "C1.relation.terms.1.backend",
            "galeria",
            "galera",
        ),
        (
            "C3",
            {"each": {"backend": ["mariadb", "mongodb"]}},
            "C3.relation.each.backend",
            "mongodb",
            "mariadb",
        ),
        (
            "C6",
            {"numerator": {"one_way_delay_ms": 60.0}},
            "C6.relation.numerator.one_way_delay_ms",
            60.0,
            "50",
        ),
        ("C1", {"kind": "ordre"}, "C1.relation.kind", "ordre", "order"),
        ("C1", {"kind": {"of": "x"}}, "C1.relation.kind", {"of": "x"}, "order"),
        ("C1", {"kind": ["order"]}, "C1.relation.kind", ["order"], "order"),
        ("C3", {"factor": "backends"}, "C3.relation.factor", "backends", "sites"),
        ("C5", {"lo": 0.9}, "C5.relation.lo", 0.9, "low"),
        ("C11", {"prefer": {"sites": [9, 4]}}, "C11.relation.prefer.sites", 4, "45"),
        ("C11", {"prefer": {"site": [9, 3]}}, "C11.relation.prefer", "site", "sites"),
        ("C11", {"prefer": {"sites": [9, 9]}}, "C11.relation.prefer.sites[1]", 9, "once"),
        ("C11", {"prefer": {"sites": [9]}}, "C11.relation.prefer.sites", None, "at least 2"),
        (
            "C11",
            {"prefer": {"load": ["light", "high"]}},
            "C11.relation.prefer.load",
            None,
            "one of",
        ),
    ],
)
def test_a_name_that_does_not_exist_is_told(folder, claim_id, edit, key, value, allowed):
    change(folder, lambda document: relation(document, claim_id).update(edit))
    with pytest.raises(ClaimError) as caught:
        load_claims(folder)
    error = caught.value
    assert error.file == folder / "claims.yaml"
    assert (error.key, error.value) == (key, value)
    assert allowed in error.allowed
    assert "\n" not in str(error)


def test_bounds_in_the_wrong_order_are_told(folder):
    change(folder, lambda document: relation(document, "C2").update(low=2.0))
    with pytest.raises(ClaimError, match=r"low 2 is not below high 1\.1"):
        load_claims(folder)


def test_a_relation_without_bounds_is_told(folder):
    change(folder, lambda document: relation(document, "C5").pop("low"))
    with pytest.raises(ClaimError, match="low, high or both"):
        load_claims(folder)


def test_a_claim_needs_a_relation_or_a_reason(folder):
    change(folder, lambda document: document["claims"][0].update(not_run="no time"))
    with pytest.raises(ClaimError, match="claim C1 has both"):
        load_claims(folder)


def test_an_id_stands_once(folder):
    change(folder, lambda document: document["claims"][1].update(id="C1"))
    with pytest.raises(ClaimError, match="claim C1 is there twice"):
        load_claims(folder)


def test_claims_of_another_experiment_are_refused(folder):
    change(folder, lambda document: document.update(experiment="nova-2017"))
    with pytest.raises(ClaimError, match="another experiment"):
        load_claims(folder)


@pytest.mark.parametrize("text", ["[1, 2", "just words", ""])
def test_what_is_not_a_claims_file_is_told(folder, text):
    (folder / "claims.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"claims\.yaml"):
        load_claims(folder)


def test_a_published_table_without_a_column_is_told(folder):
    path = folder / "published" / "completion-time.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("total_s", "total"), encoding="utf-8")
    with pytest.raises(ConfigError, match="total_s"):
        read_published(folder)


def test_the_published_table_is_the_studys():
    table = read_published(KEYSTONE_2018)
    assert len(table) == 210
    assert set(table["backend"]) == {"mariadb", "galera", "cockroachdb"}
    levels = ["scenario", "backend", "sites", "one_way_delay_ms", "load"]
    assert not table.duplicated(levels).any()
    assert (table["total_s"].isna() == (table["bound"] == "none")).all()


def test_the_studys_bars_on_zones_are_rows_like_the_others():
    table = study_numbers(KEYSTONE_2018)
    levels = ["scenario", "backend", "variation", "sites", "delay", "load"]
    assert not table.duplicated(levels).any()
    zones = table[table["delay"] == "zones"]
    assert len(table) == 210 + len(zones)
    assert zones.groupby("backend").size().to_dict() == {
        "cockroachdb": 7 * 3,  # a placement each
        "galera": 7,  # three runs of one set-up
        "mariadb": 7,  # no bar
    }
    roles = zones[zones["scenario"] == "create-add-and-list-user-roles"].set_index("backend")
    assert roles.loc["galera", "total_s"] == pytest.approx((3.00 + 2.78 + 2.85) / 3)
    assert roles.loc["galera", "provenance"] == "inferred"
    assert roles.loc["galera", "variation"] == "study"
    placed = roles.loc["cockroachdb"].set_index("variation")["total_s"]
    assert placed.to_dict() == {
        "follow-the-workload": 1.48,
        "two-of-three": 0.196,
        "one-zone": 0.141,
    }
    assert zones.loc[zones["backend"] == "mariadb", "total_s"].isna().all()


def test_a_placement_that_the_study_did_not_have_is_told(folder):
    path = folder / "published" / "zones.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("Z1-Z1-Z3", "Z3-Z3-Z3"), "utf-8")
    with pytest.raises(ConfigError, match=r"zones\.csv: line \d+, zones = 'Z3-Z3-Z3'; allowed"):
        study_numbers(folder)


def test_the_claims_on_zones_have_the_studys_effects():
    claims = {claim.id: claim for claim in load_claims(KEYSTONE_2018).claims}
    table = study_numbers(KEYSTONE_2018)

    def published(claim_id, **levels):
        claim = claims[claim_id]
        where = {**claim.relation.where, **levels}
        relation = claim.relation.model_copy(update={"where": where})
        return list(published_part(table, claim, relation)[1].values())

    roles = {"scenario": "create-add-and-list-user-roles"}
    assert published("C20", variation="one-zone", **roles) == [pytest.approx(0.141 / 0.152)]
    assert published("C21", **roles) == [pytest.approx((3.00 + 2.78 + 2.85) / 3 / 3.20)]
    assert published("C23", variation="two-of-three", **roles) == [
        pytest.approx(0.196 / ((3.00 + 2.78 + 2.85) / 3))
    ]
    assert published("C24") == [pytest.approx(0.125 / 0.141)]
    # A bar of a pixel or less is never computed with.
    assert published("C20", variation="one-zone", scenario="create-user-update-password") == [None]


def test_the_studys_effects_are_known_by_what_they_are_of():
    claim = next(one for one in load_claims(KEYSTONE_2018).claims if one.id == "C3")
    where = {**claim.relation.where, "backend": "mariadb"}
    relation = claim.relation.model_copy(update={"where": where})
    _, effects = published_part(study_numbers(KEYSTONE_2018), claim, relation)
    assert list(effects) == ["9 sites / 3 sites", "45 sites / 3 sites"]


@pytest.fixture(scope="module")
def tidy_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    scenarios = ["authenticate-user-and-validate-token", "create-user-update-password"]
    raw = write_study(
        folder / "raw", scenarios=scenarios, loads=["light"], delays=(0.0, 25.0), tier="smoke"
    )
    tidy(raw, folder / "tidy")
    return folder / "tidy"


def test_every_claim_of_the_study_gets_a_verdict(tidy_folder, tmp_path):
    verdicts = judge_folder(KEYSTONE_2018, tidy_folder)
    claims = load_claims(KEYSTONE_2018).claims
    assert [each.id for each in verdicts.claims] == [claim.id for claim in claims]
    by_id = {each.id: each for each in verdicts.claims}
    assert verdicts.tier == "smoke"
    assert by_id["C19"].verdict == "not run"
    assert "cockroachdb" in by_id["C19"].why
    assert by_id["C5"].why == (
        "tier smoke has no cell with 45 sites, high load (tier full would do)"
    )
    # The generator puts a remote MariaDB's queries across the WAN one by one, and Galera's commits.
    assert by_id["C11"].verdict == "contradicted"
    assert by_id["C16"].verdict == "supported"
    assert by_id["C15"].parts[0].effects[0].effect == pytest.approx(11, rel=0.1)
    # The study's own bars for MariaDB are flat, for Galera's writes about 16 round trips steep.
    assert by_id["C11"].parts[0].effects[0].published == pytest.approx(0.78, abs=0.01)
    assert by_id["C18"].parts[0].effects[0].published == pytest.approx(15.6, abs=0.1)

    path = tmp_path / "claims.json"
    write_verdicts(verdicts, path)
    assert read_verdicts(path) == verdicts
    assert [file.name for file in tmp_path.iterdir()] == ["claims.json"]


@pytest.mark.parametrize(
    ("old", "new"), [('"schema_version": 1', '"schema_version": 2'), ("}\n", "\n"), ("{", "")]
)
def test_verdicts_that_cannot_be_trusted_are_refused(tidy_folder, tmp_path, old, new):
    path = tmp_path / "claims.json"
    write_verdicts(judge_folder(KEYSTONE_2018, tidy_folder), path)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(new.join(text.rsplit(old, 1)) if old == "}\n" else text.replace(old, new, 1))
    with pytest.raises(ResultError, match=r"claims\.json"):
        read_verdicts(path)


def test_verdicts_that_were_not_reached_are_told(tmp_path):
    with pytest.raises(ResultError, match="discovery claims"):
        read_verdicts(tmp_path / "claims.json")


def test_the_readme_lists_every_claim():
    readme = (KEYSTONE_2018 / "README.md").read_text(encoding="utf-8")
    listed = [line for line in readme.splitlines() if re.match(r"\| [A-Z]\d+ \|", line)]
    claims = load_claims(KEYSTONE_2018).claims
    expected = [
        f"| {claim.id} | {claim.title} | {claim.source} | "
        f"{stated(claim.relation) if claim.relation else f'not run: {claim.not_run}'} |"
        for claim in claims
    ]
    assert listed == expected


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        " javascript:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "file:///etc/passwd",
        "//example.org/x",
        "https:",
        "http://",
        "https://example.org/\nx",
        "",
    ],
)
def test_a_study_is_at_an_address_of_the_web(folder, url):
    change(folder, lambda document: document["study"].update(url=url))
    with pytest.raises(ClaimError) as caught:
        load_claims(folder)
    said = str(caught.value)
    assert said.startswith(f"{folder / 'claims.yaml'}: study.url = {url!r}")
    assert "allowed: http://… or https://…" in said
    assert len(said.splitlines()) == 1
