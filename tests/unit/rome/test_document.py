"""docs/rome.md says what the code says: options, error sentences, keys, and a picture."""

import ast
import dataclasses
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from discovery.rome import answers, certificate, locks
from discovery.rome.keys import Keys
from discovery.rome.settings import Settings

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "rome.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"^##+ ", TEXT, flags=re.MULTILINE)}


def rows(section):
    """The cells of a section's tables, without headings."""
    lines = [line for line in SECTIONS[section].splitlines() if line.startswith("|")]
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if not line.startswith("|---")
    ]


def said():
    """Every text of the driver, placeholders cut out."""
    constants = []
    for path in sorted((ROOT / "discovery" / "rome").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                constants.append(node.value)
    return "\n".join(constants)


SAID = said()
SENTENCES = [
    sentence
    for first, *_ in rows("Troubleshooting")
    for sentence in re.findall(r"`([^`]+)`", first)
]


def test_every_option_is_documented_with_its_default():
    documented = {row[0].strip("`"): row[1].strip("`") for row in rows("How to use it")}
    for field in dataclasses.fields(Settings):
        if field.name in {"hosts", "database", "username", "password"}:
            continue
        default = "" if field.default is None else str(field.default).lower().removesuffix(".0")
        assert documented[field.name] == default


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_that_is_explained_is_one_that_is_said(sentence):
    """What stands between dots, numbers and values, word by word."""
    pieces = re.split(r"…|'|=\d+|\(|\)|\{|\}|:| (?:N|of the \d+|\d+(?:\.\d+)?)\b", sentence)
    long = [piece.strip(" .,;") for piece in pieces if len(piece.split()) > 1]
    assert long or "UNIQUE" in sentence or sentence.startswith("rome URL")
    for piece in long:
        assert piece in SAID or piece == "UNIQUE constraint failed", piece


def test_every_refusal_is_explained():
    every = [sentence for _, sentence in (*answers._BY_CLASS, *answers._BY_TEXT)]
    assert len(every) > 5
    for sentence in every:
        start = sentence.partition("{")[0].partition(";")[0].strip()
        assert start in SECTIONS["Troubleshooting"], sentence


def test_every_kind_of_key_is_explained_in_both_places():
    documented = {row[0] for row in rows("Certification")}
    source = "".join(Path(m.__file__).read_text("utf-8") for m in (certificate, locks))
    used = set(re.findall(r"\.(?:check|bump|change)\(\s*\"(\w+)\"", source)) | {"schema"}
    assert used == documented - {"key"}


def test_every_key_in_redis_is_explained():
    documented = {row[0].strip("`") for row in rows("What is in Redis")} - {"key"}
    keys = Keys("db")
    assert documented == {
        *(*keys.fixed, keys.locks),
        keys.rows("<table>"),
    }


def test_a_test_that_is_named_is_there():
    texts = {path.name: path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    defined = "\n".join(texts.values())
    for name in re.findall(r"`(test_\w+(?:\.py)?)`", TEXT):
        assert name in texts or f"def {name}(" in defined, name


def test_what_is_linked_is_there():
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        if target.startswith("#"):
            headings = [re.sub(r"[^\w -]", "", name).lower().replace(" ", "-") for name in SECTIONS]
            assert target[1:] in headings
        elif "://" not in target:
            assert (ROOT / "docs" / target).is_file()


def test_the_picture_is_a_picture_with_a_description():
    picture = ElementTree.parse(ROOT / "docs" / "rome-commit.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert picture.tag == f"{space}svg"
    assert picture.find(f"{space}title").text
    assert picture.find(f"{space}desc").text
