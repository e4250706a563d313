"""Whatever is wrong in an experiment is told in one sentence: file, key, value, what is allowed."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from discovery.cockroach.connect import PATIENCE
from discovery.deploy.backends import BACKENDS
from discovery.errors import ConfigError
from discovery.experiment.base import Line, Milliseconds
from discovery.experiment.delays import ISOLATING_RTT_MS
from discovery.experiment.load import (
    load_cell,
    load_cells,
    load_experiment,
    read_yaml,
    validate,
)
from discovery.experiment.models import Experiment

Place = tuple[str | int, ...]

KEYSTONE_2018 = Path("experiments/keystone-2018")
DOCUMENT = read_yaml(KEYSTONE_2018 / "experiment.yaml")
FILE = Path("some/experiment.yaml")
SMOKE = ("tiers", "smoke")
DELAYS = (*SMOKE, "one_way_delay_ms")
ALSO = (*SMOKE, "also")


def changed(place: Place, value: object) -> dict[str, Any]:
    """The document of keystone-2018 with ``value`` at ``place``."""
    document = copy.deepcopy(DOCUMENT)
    inside = document
    for part in place[:-1]:
        inside = inside[part]
    inside[place[-1]] = value
    return document


def without(place: Place) -> dict[str, Any]:
    document = changed(place, None)
    inside = document
    for part in place[:-1]:
        inside = inside[part]
    del inside[place[-1]]
    return document


def refusal(document: object) -> str:
    with pytest.raises(ConfigError) as caught:
        validate(Experiment, document, FILE)
    return str(caught.value)


def matrix(*rows: list[float | None]) -> dict[str, object]:
    return {"name": "europe", "matrix": [list(row) for row in rows]}


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        (
            (*SMOKE, "backend"),
            "galera",
            "tiers.smoke.backend = 'galera': unknown key, did you mean backends?; allowed: "
            "backends, placement, sites, one_way_delay_ms, load, repetitions, scenarios, times, "
            "concurrency, keystone, varied, also",
        ),
        (
            (*SMOKE, "backends", 1),
            "galara",
            "tiers.smoke.backends[1] = 'galara': unknown back end, did you mean galera?; "
            f"allowed: {', '.join(BACKENDS)}",
        ),
        (
            ("tiers", "laptop", "varied", 0, "variation"),
            "no-chache",
            "tiers.laptop.varied[0].variation = 'no-chache': unknown variation, did you mean "
            "no-cache?; allowed: rally-beside-database, no-sync-wait, no-cache, replay,"
            " no-foreign-key-indexes, no-foreign-key-indexes-replay, same-again",
        ),
        (
            ("tiers", "laptop", "also", 2, "variation"),
            "no-foreign-keys",
            "tiers.laptop.also[2].variation = 'no-foreign-keys': unknown variation, did you mean "
            "no-foreign-key-indexes?; allowed: rally-beside-database, no-sync-wait, no-cache,"
            " replay, no-foreign-key-indexes, no-foreign-key-indexes-replay, same-again",
        ),
        (
            ("tiers", "laptop", "varied", 4, "backends"),
            ["cockroachdb", "mariadb"],
            "tiers.laptop.varied[4].backends[1] = 'mariadb': its foreign keys' indexes are not for"
            " us to leave; allowed: a variation of postgresql, postgresql-serializable,"
            " cockroachdb",
        ),
        (
            ("tiers", "laptop", "also", 3, "concurrency"),
            5,
            "tiers.laptop.also[3] = 'postgresql-serializable-s3-d0-light-replay': has no"
            " counterpart in the tier; allowed: cells that another of its grids has, with the same"
            " scenarios, times and concurrency",
        ),
        (
            ("variations", "no-foreign-key-indexes", "foreign_key_indexes"),
            "off it is",
            "variations.no-foreign-key-indexes.foreign_key_indexes = 'off it is'; allowed: true or"
            " false",
        ),
        (
            ("tiers", "laptop", "varied", 1, "one_way_delay_ms"),
            [75.0],
            "tiers.laptop.varied[1].one_way_delay_ms[0] = 75.0: has no counterpart in the tier; "
            "allowed: 0.0, 50.0",
        ),
        (
            ("variations", "study"),
            {"question": "Is there one?"},
            "variations.study: is what cells without a variation are called; allowed: another name",
        ),
        (
            (*SMOKE, "sites"),
            [*range(3, 100)] * 2,
            "tiers.smoke.sites: has 194 entries; allowed: at most 100",
        ),
        (
            SMOKE,
            {**DOCUMENT["tiers"]["smoke"], "sites": [*range(3, 100)], "repetitions": 100},
            "tiers.smoke: has 87,300 cells, all combinations of its levels and repetitions; "
            "allowed: at most 10,000 cells in a tier",
        ),
        (
            ("tiers", "laptop", "also"),
            [{"sites": [4]}] * 101,
            "tiers.laptop.also: has 101 entries; allowed: at most 100",
        ),
        (
            ("wan", "rate_mbit"),
            1e-300,
            "wan.rate_mbit = 1e-300; allowed: a number ≥ 0.001",
        ),
        (
            ("keystone", "cache"),
            "x" * 10_000,
            f"keystone.cache = '{'x' * 159}… (10,002 characters): unknown; allowed: memcached, "
            "dict or none",
        ),
        (
            ("variations", "no-sync-wait", "wsrep_sync_wait"),
            16,
            "variations.no-sync-wait.wsrep_sync_wait = 16; allowed: a whole number ≤ 15",
        ),
        (
            ("variations", "rally-beside-database", "rally_on"),
            "the-moon",
            "variations.rally-beside-database.rally_on = 'the-moon': unknown; allowed: client-node "
            "or database-node",
        ),
        (
            (*SMOKE, "placement"),
            ["spread"],
            "tiers.smoke.placement = 'spread': no back end of this tier is told where its replicas "
            "are; allowed: anywhere",
        ),
        (
            SMOKE,
            {**DOCUMENT["tiers"]["smoke"], "backends": ["cockroachdb"], "placement": ["one-zone"]},
            "tiers.smoke.placement[0] = 'one-zone': cannot be had: placement one-zone needs 3 "
            "servers in zone-1, and 3 sites have 1 there; allowed: this one on 7 sites or more",
        ),
        (
            SMOKE,
            {**DOCUMENT["tiers"]["smoke"], "backends": ["cockroachdb"], "sites": [2]},
            "tiers.smoke.sites[0] = 2: too few for back end cockroachdb; "
            "allowed: a whole number ≥ 3",
        ),
        (
            ("keystone", "replay"),
            {"tries": 0},
            "keystone.replay.tries = 0; allowed: a whole number ≥ 1",
        ),
        (
            ("keystone", "replay"),
            {"base_ms": 50.0, "cap_ms": 10.0},
            "keystone.replay.cap_ms = 10.0: the longest wait is shorter than the first one "
            "(base_ms = 50); allowed: a number ≥ 50",
        ),
        (
            ("keystone", "replay"),
            "sometimes",
            "keystone.replay = 'sometimes'; allowed: a mapping of keys to values",
        ),
        (
            (*DELAYS, 0),
            -5.0,
            "tiers.smoke.one_way_delay_ms[0] = -5.0; allowed: a number ≥ 0",
        ),
        (
            (*DELAYS, 1),
            "fast",
            "tiers.smoke.one_way_delay_ms[1] = 'fast'; allowed: a number",
        ),
        (
            (*DELAYS, 1),
            "50",
            "tiers.smoke.one_way_delay_ms[1] = '50'; allowed: a number",
        ),
        (
            (*DELAYS, 1),
            float("inf"),
            "tiers.smoke.one_way_delay_ms[1] = inf; allowed: a finite number",
        ),
        (
            (*DELAYS, 1),
            1e6,
            "tiers.smoke.one_way_delay_ms[1] = 1000000.0; allowed: a number ≤ 10000",
        ),
        (
            DELAYS,
            50.0,
            "tiers.smoke.one_way_delay_ms = 50.0; allowed: a list",
        ),
        (
            DELAYS,
            [],
            "tiers.smoke.one_way_delay_ms: is empty; allowed: at least one",
        ),
        (
            (*DELAYS, 1),
            matrix([0, 10], [10, 0]),
            "tiers.smoke.one_way_delay_ms[1].matrix: is 2 x 2, but a cell of this tier has 3 "
            "sites; allowed: 3 rows of 3 delays",
        ),
        (
            (*DELAYS, 1),
            matrix([0, 10, 10], [10, 0], [10, 10, 0]),
            "tiers.smoke.one_way_delay_ms[1].matrix[1]: has 2 delays; "
            "allowed: 3 in every row, one per site",
        ),
        (
            (*DELAYS, 1),
            matrix([0, 10, 10], [10, 5, 10], [10, 10, 0]),
            "tiers.smoke.one_way_delay_ms[1].matrix[1][1] = 5.0: delays a site from itself; "
            "allowed: 0",
        ),
        (
            (*DELAYS, 1),
            matrix([0, 10, 10], [10, 0, -1], [10, 10, 0]),
            "tiers.smoke.one_way_delay_ms[1].matrix[1][2] = -1; allowed: a number ≥ 0",
        ),
        (
            (*DELAYS, 1),
            matrix([0, 10, 10], [10, 0, float("inf")], [10, 10, 0]),
            "tiers.smoke.one_way_delay_ms[1].matrix[1][2] = inf; allowed: a finite number",
        ),
        (
            (*DELAYS, 1),
            matrix([0, 10, None], [10, 0, None], [None, None, 0]),
            "tiers.smoke.one_way_delay_ms[1].matrix[0][2]: is empty; allowed: a number",
        ),
        (
            (*DELAYS, 1),
            matrix([0, 10, 2500], [10, 0, 2500], [500, 500, 0]),
            "tiers.smoke.one_way_delay_ms[1].matrix[2]: isolates site-3 of 3 sites: the shortest "
            "round trip to another one would take 3000 ms; allowed: one of less than 3000 ms",
        ),
        (
            (*DELAYS, 1),
            1500.0,
            "tiers.smoke.one_way_delay_ms[1] = 1500.0: isolates site-1 of 3 sites: the shortest "
            "round trip to another one would take 3000 ms; allowed: one of less than 3000 ms",
        ),
        (
            (*DELAYS, 1),
            {"name": "far", "groups": 2, "within_ms": 1.0, "between_ms": 5000.0},
            "tiers.smoke.one_way_delay_ms[1].between_ms = 5000.0: isolates site-3 of 3 sites: the "
            "shortest round trip to another one would take 10000 ms; allowed: one of less than "
            "3000 ms",
        ),
        (
            (*DELAYS, 1),
            {"name": "Europe 1", "matrix": [[0, 1, 1], [1, 0, 1], [1, 1, 0]]},
            "tiers.smoke.one_way_delay_ms[1].name = 'Europe 1': cannot be part of a file name; "
            "allowed: a-z, 0-9 and single hyphens between",
        ),
        (
            (*DELAYS, 1),
            {**matrix([0, 1, 1], [1, 0, 1], [1, 1, 0]), "name": "50"},
            "tiers.smoke.one_way_delay_ms[1].name = '50': begins like a delay in ms; "
            "allowed: a name that begins with a letter",
        ),
        (
            (*DELAYS, 1),
            {"name": "far", "groups": 2, "within_ms": 10.0},
            "tiers.smoke.one_way_delay_ms[1].between_ms: this key is missing",
        ),
        (
            (*DELAYS, 1),
            {"name": "far", "groups": 4, "within_ms": 10.0, "between_ms": 20.0},
            "tiers.smoke.one_way_delay_ms[1].groups = 4: has 4 groups, but a cell of this tier has "
            "3 sites; allowed: at most 3 groups",
        ),
        (
            (*DELAYS, 1),
            {"name": "far", "groups": 1, "within_ms": 10.0, "between_ms": 20.0},
            "tiers.smoke.one_way_delay_ms[1].groups = 1; allowed: a whole number ≥ 2",
        ),
        (
            (*DELAYS, 1),
            {"name": "far", "groups": 2, "within": 10.0, "between_ms": 20.0},
            "tiers.smoke.one_way_delay_ms[1].within = 10.0: unknown key, did you mean within_ms?; "
            "allowed: name, groups, within_ms, between_ms",
        ),
        (
            (*DELAYS, 1),
            {**matrix([0, 1, 1], [1, 0, 1], [1, 1, 0]), "groups": 3},
            "tiers.smoke.one_way_delay_ms[1].groups = 3: unknown key; allowed: name, matrix",
        ),
        (
            SMOKE,
            {
                **DOCUMENT["tiers"]["smoke"],
                "backends": ["cockroachdb"],
                "placement": ["spread"],
                "sites": [9],
                "one_way_delay_ms": [
                    {"name": "far", "groups": 2, "within_ms": 10.0, "between_ms": 20.0}
                ],
            },
            "tiers.smoke.placement[0] = 'spread': is of 3 zones, and far has 2 groups; "
            "allowed: this one with 3 groups",
        ),
        (
            ALSO,
            [{"sites": [9]}, {"sites": [3, 9], "load": ["high"]}, {"backends": ["galera"]}],
            "tiers.smoke.also[2] = 'galera-s3-d0-light': is in this tier already; "
            "allowed: each cell in one grid of a tier",
        ),
        (
            ALSO,
            [{"sites": [9], "backends": ["galera"]}, {"sites": [9, 5]}],
            "tiers.smoke.also[1] = 'galera-s9-d0-light': is in this tier already; "
            "allowed: each cell in one grid of a tier",
        ),
        (
            ALSO,
            [{"sites": [9], "times": 5}],
            "tiers.smoke.also[0]: with the tier's concurrency 10: more at once than there are "
            "iterations (times = 5); allowed: a whole number ≤ 5",
        ),
        (
            ALSO,
            [{"sites": [2]}],
            "tiers.smoke.also[0].sites[0] = 2: too few for back end rome-cluster; "
            "allowed: a whole number ≥ 3",
        ),
        (
            ALSO,
            [{"sites": [9], "repetitions": 2}],
            "tiers.smoke.also[0].repetitions = 2: unknown key, did you mean variation?; allowed:"
            " backends, placement, sites, one_way_delay_ms, load, scenarios, times, concurrency,"
            " variation",
        ),
        (
            ALSO,
            [{"sites": [9], "load": ["heavy"]}],
            "tiers.smoke.also[0].load[0] = 'heavy': unknown; allowed: light or high",
        ),
        (
            ALSO,
            [{"sites": [9], "placement": ["spread"]}],
            "tiers.smoke.also[0].placement = 'spread': no back end of this tier is told where its "
            "replicas are; allowed: anywhere",
        ),
        (
            ALSO,
            [{"sites": [9], "backends": []}],
            "tiers.smoke.also[0].backends: is empty; allowed: at least one",
        ),
        (
            ALSO,
            [
                {
                    "sites": [sites],
                    "one_way_delay_ms": [
                        {"name": "far", "groups": 3, "within_ms": 1.0, "between_ms": between}
                    ],
                }
                for sites, between in ((6, 20.0), (9, 30.0))
            ],
            "tiers.smoke.also[1].one_way_delay_ms[0] = 'far': is another delay elsewhere in this "
            "tier; allowed: another name",
        ),
        (
            SMOKE,
            {
                **DOCUMENT["tiers"]["smoke"],
                "one_way_delay_ms": [matrix([0, 1, 1], [1, 0, 1], [1, 1, 0])],
                "also": [{"sites": [9]}],
            },
            "tiers.smoke.also[0]: the tier's delay europe is 3 x 3, but a cell of this tier has 9 "
            "sites; allowed: 9 rows of 9 delays",
        ),
        (
            (*SMOKE, "keystone"),
            {"processes": 0},
            "tiers.smoke.keystone.processes = 0; allowed: a whole number ≥ 1",
        ),
        (
            (*SMOKE, "keystone"),
            {"threads": 2},
            "tiers.smoke.keystone.threads = 2: unknown key; allowed: processes",
        ),
        (
            DELAYS,
            [50.0, 50],
            "tiers.smoke.one_way_delay_ms[1] = '50': is there twice; allowed: each level once",
        ),
        (
            (*SMOKE, "backends"),
            ["galera", "mariadb", "galera"],
            "tiers.smoke.backends[2] = 'galera': is there twice; allowed: each level once",
        ),
        (
            (*SMOKE, "load", 0),
            "hihg",
            "tiers.smoke.load[0] = 'hihg': unknown, did you mean high?; allowed: light or high",
        ),
        (
            (*SMOKE, "sites", 0),
            1,
            "tiers.smoke.sites[0] = 1; allowed: a whole number ≥ 2",
        ),
        (
            (*SMOKE, "times"),
            True,
            "tiers.smoke.times = True; allowed: a whole number",
        ),
        (
            (*SMOKE, "concurrency"),
            11,
            "tiers.smoke.concurrency = 11: more at once than there are iterations (times = 10); "
            "allowed: a whole number ≤ 10",
        ),
        (
            ("tiers", "smok"),
            {},
            "tiers.smok: unknown key, did you mean smoke?; allowed: smoke, laptop, full or scale",
        ),
        (("tiers",), {}, "tiers: is empty; allowed: at least one"),
        (("tiers",), ["smoke"], "tiers: is a list; allowed: a mapping of keys to values"),
        (("title",), None, "title: is empty; allowed: text"),
        (
            ("keystone", "cache"),
            "redis",
            "keystone.cache = 'redis': unknown; allowed: memcached, dict or none",
        ),
        (
            ("wan", "loss_percent"),
            100.0,
            "wan.loss_percent = 100.0; allowed: a number < 100",
        ),
        (("keystone", 7), 7, "keystone: the key 7 is not text; allowed: names of keys"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(
    place: Place, value: object, sentence: str
) -> None:
    assert refusal(changed(place, value)) == f"{FILE}: {sentence}"


def test_two_sites_may_be_far_apart_if_none_is_isolated() -> None:
    far = matrix([0, 9_000, 1_499], [9_000, 0, 1_499], [1_500, 1_500, 0])
    assert validate(Experiment, changed((*DELAYS, 1), far), FILE).tiers["smoke"]


def test_a_site_counts_as_isolated_when_connections_are_given_up() -> None:
    """As our URLs have libpq give up; Galera's own time-out is the same, and not ours."""
    assert float(PATIENCE["connect_timeout"]) * 1e3 == ISOLATING_RTT_MS


def test_an_isolated_site_in_a_file_is_one_sentence_that_names_it(tmp_path: Path) -> None:
    document = changed((*DELAYS, 1), "HERE")
    text = yaml.safe_dump(document, sort_keys=False).replace(
        "HERE", "{name: lost, matrix: [[0, 10, .inf], [10, 0, .inf], [.inf, .inf, 0]]}"
    )
    folder = write(tmp_path / "keystone-2018", text)
    with pytest.raises(ConfigError) as caught:
        load_experiment(folder)
    assert str(caught.value) == (
        f"{folder}/experiment.yaml: tiers.smoke.one_way_delay_ms[1].matrix[0][2] = inf; "
        "allowed: a finite number"
    )


def test_a_misspelt_scenario_is_answered_with_the_one_that_was_meant() -> None:
    said = refusal(changed((*SMOKE, "scenarios", 0), "autenticate-user-and-validate-token"))
    assert said.startswith(
        f"{FILE}: tiers.smoke.scenarios[0] = 'autenticate-user-and-validate-token': unknown "
        "scenario, did you mean authenticate-user-and-validate-token?; allowed: "
    )
    assert said.endswith("create-and-list-users")


def test_a_missing_key_is_named() -> None:
    said = refusal(without(("keystone", "cache")))
    assert said == f"{FILE}: keystone.cache: this key is missing"


@pytest.mark.parametrize("text", ["", "  ", "a\nb", "a\tb", "\u202ea", "\u2028", 1_001 * "x"])
def test_a_title_is_a_line_that_can_be_read(text: str) -> None:
    with pytest.raises(ValidationError, match=r"in a line|that act, and do not show"):
        TypeAdapter(Line).validate_python(text)


def test_a_delay_is_one_that_can_be_had() -> None:
    with pytest.raises(ValidationError, match="is too short to be had"):
        TypeAdapter(Milliseconds).validate_python(1e-10)
    assert [TypeAdapter(Milliseconds).validate_python(each) for each in (0.0, 0.001)] == [0, 0.001]


@pytest.mark.parametrize("document", [None, [], "text", 3])
def test_a_file_that_is_no_mapping_is_refused(document: object) -> None:
    assert refusal(document) == f"{FILE}: is not a mapping of keys to values"


def mappings(value: object, place: Place = ()) -> Iterator[Place]:
    """Where the document has a mapping."""
    if isinstance(value, dict):
        yield place
        for key, inside in value.items():
            yield from mappings(inside, (*place, key))


WITH_MATRIX = changed((*DELAYS, 1), matrix([0, 10, 10], [10, 0, 10], [10, 10, 0]))
FURTHER = ("tiers", "laptop", "also", -1)
GROUPS = (*FURTHER, "one_way_delay_ms", 0)
# But for the one whose keys are names of the user's own.
MAPPINGS = [
    *(place for place in mappings(WITH_MATRIX) if place != ("variations",)),
    (*DELAYS, 1),
    FURTHER,
    GROUPS,
]


@given(place=st.sampled_from(MAPPINGS), key=st.text(min_size=1), value=st.integers() | st.text())
def test_any_unknown_key_anywhere_is_refused_and_named(
    place: Place, key: str, value: object
) -> None:
    document = copy.deepcopy(WITH_MATRIX)
    inside: Any = document
    for part in place:
        inside = inside[part]
    assume(key not in inside and key != "rate_mbit")
    inside[key] = value
    said = refusal(document)
    assert key in said
    assert "unknown key" in said
    assert "; allowed: " in said


@given(
    value=st.none() | st.booleans() | st.text() | st.lists(st.integers()) | st.floats(max_value=-1)
)
def test_no_delay_but_a_number_from_zero_up_is_taken(value: object) -> None:
    assert "tiers.smoke.one_way_delay_ms[0]" in refusal(changed((*DELAYS, 0), value))


def write(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "experiment.yaml").write_text(text, encoding="utf-8")
    return folder


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "twice", "id: twice\ntitle: one\nid: other\n")
    with pytest.raises(ConfigError, match=r"not valid YAML at line 3: the key id stands twice"):
        load_experiment(folder)


def test_a_merge_key_may_overrule_what_it_merges(tmp_path: Path) -> None:
    path = tmp_path / "merge.yaml"
    path.write_text("base: &base {a: 1, b: 2}\nhere: {<<: *base, b: 3}\n", encoding="utf-8")
    assert read_yaml(path)["here"] == {"a": 1, "b": 3}


def test_what_is_not_yaml_is_refused_with_its_line(tmp_path: Path) -> None:
    folder = write(tmp_path / "broken", "id: broken\ntiers: {smoke: [\n")
    with pytest.raises(ConfigError, match=r"broken/experiment\.yaml: not valid YAML at line 3"):
        load_experiment(folder)


def test_what_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "experiment.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not valid YAML: not text"):
        load_experiment(tmp_path)


def test_a_folder_without_an_experiment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"experiment\.yaml: no such file"):
        load_experiment(tmp_path)


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "experiment.yaml").mkdir()
    with pytest.raises(ConfigError, match=r"experiment\.yaml: cannot be read: Is a directory"):
        load_experiment(tmp_path)


def test_an_experiment_is_called_like_its_folder(tmp_path: Path) -> None:
    folder = write(tmp_path / "other", (KEYSTONE_2018 / "experiment.yaml").read_text("utf-8"))
    with pytest.raises(ConfigError, match=r"id = 'keystone-2018': differs .*; allowed: other"):
        load_experiment(folder)


def test_a_tier_that_does_not_exist_is_refused_with_those_that_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_cells(KEYSTONE_2018, "tiny")
    assert str(caught.value) == (
        f"{KEYSTONE_2018}/experiment.yaml: tiers = 'tiny': no such tier; "
        "allowed: one of full, laptop, scale, smoke"
    )
    folder = write(tmp_path / "keystone-2018", yaml.safe_dump(without(("tiers", "full"))))
    with pytest.raises(ConfigError, match=r"tiers = 'full': .*one of laptop, scale, smoke"):
        load_cells(folder, "full")


def test_a_cell_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ConfigError, match=r"tiers\.smoke = 'nope': no such cell; .*galera-s3-d25"):
        load_cell(KEYSTONE_2018, "smoke", "nope")
