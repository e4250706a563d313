"""YAML is read as people mean it, or refused with the line and what to write instead."""

from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from discovery.document import DEEPEST, LARGEST, parse
from discovery.errors import ConfigError, sentence

FILE = Path("some.yaml")


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, FILE)
    said = str(caught.value)
    assert said.startswith("some.yaml: ")
    assert sentence(caught.value) == said
    return said


@pytest.mark.parametrize(
    ("written", "meaning"),
    [
        ("2:00", "a number in base 60"),
        ("-1:30", "a number in base 60"),
        ("1:30.5", "a number in base 60"),
        ("190:20:30", "a number in base 60"),
        ("0755", "an octal number"),
        ("0o17", "an octal number"),
        ("0x1F", "a hexadecimal number"),
        ("0b11", "a binary number"),
        ("1_000", "a number with underscores"),
        ("1_0.5", "a number with underscores"),
        ("1e3", "a number"),
        ("1.5e3", "a number"),
        ("2026-12-01", "a date"),
        ("y", "true or false"),
        ("=", "a default value"),
    ],
)
def test_what_yaml_reads_as_something_else_has_to_be_quoted(written: str, meaning: str) -> None:
    said = refusal(f"first: 1\nhere:\n  - {written}\n")
    assert f"here[0]: {written} at line 3 is {meaning} to YAML" in said
    assert f'write it in quotes: "{written}"' in said
    assert parse(f'here: "{written}"', FILE).value == {"here": written}


@pytest.mark.parametrize("written", ["10:00:00", "2026-12-01 19:00:00", "2026-12-01T19:00:00Z"])
def test_times_stay_the_text_that_they_are(written: str) -> None:
    assert parse(f"here: {written}", FILE).value == {"here": written}


@pytest.mark.parametrize("written", ["~", "", "null", "Null"])
def test_a_key_without_a_value_is_refused(written: str) -> None:
    assert refusal(f"a: 1\nhere: {written}\n") == (
        "some.yaml: here: has no value at line 2; allowed: a value, or no such key"
    )


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (".inf", "inf"),
        ("-.INF", "-inf"),
        (".nan", "nan"),
        ("1.0e+400", "inf"),
        ("-9.9e+999", "-inf"),
    ],
)
def test_no_number_is_infinite(written: str, found: str) -> None:
    assert refusal(f"here: {written}") == f"some.yaml: here = {found}; allowed: a finite number"


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("1", 'the key 1 is not text; write it in quotes: "1"'),
        ("null", "the key null is not text"),
        ("true", "the key true is not text"),
        ("2:00", "the key 2:00 is not text"),
        ("? [a, b]\n", "a key is a list, and not text"),
        ("? {a: b}\n", "a key is a mapping, and not text"),
    ],
)
def test_a_key_is_text(written: str, told: str) -> None:
    assert told in refusal(f"{written}: x")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x: " + "[" * 5000, f"more than {DEEPEST} mappings and lists within each other"),
        ("- " * 5000 + "x", f"more than {DEEPEST} mappings and lists within each other"),
        ("? " * 5000 + "x", f"more than {DEEPEST} mappings and lists within each other"),
        ("x: &x [*x]", "the alias x stands inside of what it names"),
        ("x: &x {y: {z: *x}}", "the alias x stands inside of what it names"),
        ("x: *y", "found undefined alias"),
        ("x: !!python/object/apply:os.getpid []", "the tag tag:yaml.org,2002:python/object"),
        ("x: !!binary aGk=", "the tag tag:yaml.org,2002:binary is not read"),
        ("x: !!set {y}", "the tag tag:yaml.org,2002:set is not read"),
        ("x: !mine 1", "the tag !mine is not read"),
        ("x: ! 1", "the tag ! is not read"),
        ("x: 1\n---\nx: 2\n", "but found another document"),
        ("x: 1\n\ty: 2\n", "not valid YAML at line 2"),
        ("x: 1\nx: 2\n", "at line 2: the key x stands twice"),
        ("x: {<<: {a: 1}, <<: {b: 1}}", "the key << stands twice"),
        ("x: {<<: [{a: 1}, {a: 2}]}", "<< merges the key a twice"),
        ("x: {<<: 1}", "what << merges is not a mapping"),
        ("%YAML 2.0\n--- \nx: 1", "incompatible YAML document"),
        ('x: "\\ud800"', "x: holds the character U+D800 at line 1"),
        ('x: "\\0"', "x: holds the character U+0000 at line 1"),
        ('x: "\\x1b[31m"', "x: holds the character U+001B at line 1"),
        ('"\\e": 1', "holds the character U+001B at line 1"),
        ('x: "\\Uffffffff"', "at line 1: an escape stands for no character"),
        ("x: \x07", "it holds the character U+0007"),
        ("x: " + "9" * 5000, "x: is a number of 5,000 characters at line 1"),
        ("x: -0.0", "-0.0 at line 1 is a zero with a sign"),
        ("x: [" + "1," * LARGEST + "]", "more than 50,000 values"),
    ],
)
def test_what_is_no_clear_document_is_one_sentence(text: str, told: str) -> None:
    assert told in refusal(text)


def test_aliases_are_counted_for_what_they_bring() -> None:
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
    )
    assert "more than 50,000 values, those of its aliases counted" in refusal(laughs)
    deep = "a0: &a0 [[[[[x]]]]]\n" + "".join(
        f"a{n}: &a{n} [[[[[*a{n - 1}]]]]]\n" for n in range(1, 9)
    )
    assert f"more than {DEEPEST} mappings and lists" in refusal(deep)


def test_anchors_and_merge_keys_are_read() -> None:
    text = "a: &a {p: 1, q: 2}\nb: {<<: *a, q: 3}\nc: [*a, {<<: [*a, {r: 4}]}]\n"
    assert parse(text, FILE).value == yaml.safe_load(text)


def test_what_is_not_text_is_known_by_how_it_is_written() -> None:
    plain = parse("a:\n- on\n- 10.50\n- text\n", FILE).plain
    assert {place: (each.text, each.line) for place, each in plain.items()} == {
        ("a", 0): ("on", 2),
        ("a", 1): ("10.50", 3),
    }


@given(st.text("0123456789_.:-+eExXoObBaAnN tTzZ~=yY", min_size=1, max_size=12))
def test_nothing_is_read_otherwise_than_by_yaml_but_times(scalar: str) -> None:
    text = f"here: {scalar}\n"
    try:
        ours = parse(text, FILE).value
    except ConfigError:
        return
    theirs = yaml.safe_load(text)
    if ours != theirs:  # a time that stays text
        assert ours == {"here": scalar.strip()}
        assert isinstance(theirs["here"], int | date)
        assert ":" in scalar
    else:
        assert type(ours["here"]) is type(theirs["here"])
