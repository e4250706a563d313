"""What can be wrong with a file: operators that take its content and give a damaged one.

Each says whether what it makes is *certainly* wrong, and has to be refused, or merely *odd*: then
it may be taken or refused, but in good order. All choices come from the ``random.Random`` given.
"""

from __future__ import annotations

import io
import json
import os
import random
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

Content = Callable[[bytes, random.Random], bytes | None]
"""From a file's bytes to others; ``None`` where it has nothing that could be damaged so."""


@dataclass(frozen=True)
class Operator:
    """A way to damage a file, and whether it is certainly wrong then."""

    name: str
    change: Content
    certain: bool


@dataclass(frozen=True)
class Special:
    """Something else in a file's place; always wrong."""

    name: str
    make: Callable[[Path], None]


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        folder = os.open(path.parent, os.O_RDONLY)  # the longest path of a socket is short
        one.bind(f"/proc/self/fd/{folder}/{path.name}")
        os.close(folder)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**36)


SPECIALS = [
    Special("is-a-pipe", os.mkfifo),
    Special("is-endless", lambda path: path.symlink_to("/dev/zero")),
    Special("is-null", lambda path: path.symlink_to("/dev/null")),
    Special("is-a-folder", Path.mkdir),
    Special("is-a-loop", lambda path: path.symlink_to(path.name)),
    Special("leads-nowhere", lambda path: path.symlink_to("no-such-file")),
    Special("is-a-socket", _socket),
    Special("is-64-gb", _sparse),
]
GONE = Special("is-gone", lambda path: None)


def _constant(name: str, content: bytes, *, certain: bool = True) -> Operator:
    return Operator(name, lambda _, __: content, certain)


def _added(name: str, more: bytes, *, certain: bool = True) -> Operator:
    return Operator(name, lambda content, _: content + b"\n" + more + b"\n", certain)


def _half(content: bytes, chance: random.Random) -> bytes | None:
    return content[: chance.randrange(1, len(content) - 1)] if len(content) > 3 else None


def _flip(content: bytes, chance: random.Random) -> bytes | None:
    if not content:
        return None
    changed = bytearray(content)
    for _ in range(chance.randrange(1, 6)):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _insert(what: bytes) -> Content:
    def insert(content: bytes, chance: random.Random) -> bytes:
        place = chance.randrange(len(content) + 1)
        return content[:place] + what + content[place:]

    return insert


BYTES = [
    _constant("empty", b""),
    _constant("nul-bytes", b"\0" * 64),
    _constant("not-text", bytes(range(128, 256))),
    Operator("utf-16", lambda content, _: content.decode().encode("utf-16"), certain=True),
    Operator("cut-off", _half, certain=False),
    Operator("bits-flipped", _flip, certain=False),
    Operator("nul-inside", _insert(b"\0"), certain=True),
    Operator("not-utf-8-inside", _insert(b"\xff\xfe"), certain=True),
]

# ---------------------------------------------------------------------------------------- YAML

BOMB = "bomb0: &b0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"bomb{n}: &b{n} [{', '.join([f'*b{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
# A plain scalar of a line ``key: value``, after which only a comment may stand.
_LINE = re.compile(
    r"^(?P<before> *(?:- )?(?P<key>[\w.-]+): )(?P<value>[\w.:/-]+)(?P<after> *(?:#.*)?)$"
)
_FREE_TEXT = {"title", "statement", "source", "flaw", "difference", "question", "not_run"}


def _scalars(
    lines: list[str], wanted: Callable[[str], bool]
) -> Iterator[tuple[int, re.Match[str]]]:
    """The lines with a plain scalar that is wanted, without those inside of a folded text."""
    for number, line in enumerate(lines):
        found = _LINE.match(line)
        if found and found["key"] not in _FREE_TEXT and wanted(found["value"]):
            yield number, found


def _is_number(value: str) -> bool:
    return bool(re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value))


def _scalar(written: str, wanted: Callable[[str], bool]) -> Content:
    def change(content: bytes, chance: random.Random) -> bytes | None:
        lines = content.decode().split("\n")
        there = list(_scalars(lines, wanted))
        if not there:
            return None
        number, found = chance.choice(there)
        lines[number] = f"{found['before']}{written}{found['after']}"
        return "\n".join(lines).encode()

    return change


def _each_key(edit: Callable[[str, random.Random], list[str]]) -> Content:
    def change(content: bytes, chance: random.Random) -> bytes | None:
        lines = content.decode().split("\n")
        there = [number for number, _ in _scalars(lines, lambda _: True)]
        if not there:
            return None
        number = chance.choice(there)
        lines[number : number + 1] = edit(lines[number], chance)
        return "\n".join(lines).encode()

    return change


def _unknown_key(line: str, _: random.Random) -> list[str]:
    found = _LINE.match(line)
    assert found is not None
    return [line.replace(found["key"], found["key"] + "x", 1)]


def _twice(line: str, _: random.Random) -> list[str]:
    again = line.replace("- ", "  ", 1) if line.lstrip().startswith("- ") else line
    return [line, again]


NOT_NUMBERS = {
    "word": "many", "yes": "yes", "on": "on", "list": "[1, 2]", "mapping": "{of: 1}",
    "nothing": "~",
    "sexagesimal": "2:00", "sexagesimal-float": "1:30.5", "octal": "0755", "octal-new": "0o17",
    "hexadecimal": "0x1F", "underscores": "1_000", "exponent": "1e3", "infinite": ".inf",
    "nan": ".nan", "overflow": "1.0e+400", "date": "2026-12-01", "minus-zero": "-0",
    "5000-digits": "9" * 5000, "quoted": '"three"', "far-too-large": "1" + "0" * 25,
}  # fmt: skip
NOT_NAMES = {
    "number": "5.5", "list": "[x]", "mapping": "{of: x}", "nothing": "", "null": "null",
    "sexagesimal": "2:00", "octal": "0755", "date": "2026-12-01",
    "tag": "!!python/name:os.system x",
    "binary": "!!binary aGk=", "surrogate": r'"\ud800"', "nul": r'"a\0b"', "escape": r'"\x1b[31m"',
    "very-long": "x" * 100_000, "unknown": "nobody-knows-this-name",
}  # fmt: skip
YAML = [
    *BYTES,
    _added("deep-list", b"deep: " + b"[" * 5000),
    _added("deep-mapping", b"deep: " + b"{a: " * 5000),
    _added("complex-key-list", b"? [a, b]\n: 1"),
    _added("complex-key-mapping", b"? {a: b}\n: 1"),
    _added("key-number", b"1: x"),
    _added("key-null", b"null: x"),
    _added("key-true", b"true: x"),
    _added("key-empty", b": x"),
    _added("bomb", BOMB.encode()),
    _added("alias-of-itself", b"me: &me [*me]"),
    _added("alias-of-nothing", b"me: *nothing"),
    _added("python-object", b"me: !!python/object/apply:os.system [true]"),
    _added("set", b"me: !!set {a, b}"),
    _added("second-document", b"---\nprovider: local"),
    _added("merge-of-text", b"<<: text"),
    _added("tab", b"\tme: 1"),
    _added("unclosed", b"me: [1, 2"),
    _added("unknown-key", b"nobody-knows-this-key: 1"),
    Operator("key-unknown", _each_key(_unknown_key), certain=False),
    Operator("key-twice", _each_key(_twice), certain=True),
    Operator("key-lost", _each_key(lambda *_: []), certain=False),
    *(
        Operator(f"number-is-{name}", _scalar(text, _is_number), certain=True)
        for name, text in NOT_NUMBERS.items()
    ),
    *(
        Operator(f"name-is-{name}", _scalar(text, lambda value: value[0].isalpha()), certain=False)
        for name, text in NOT_NAMES.items()
    ),
    Operator("byte-order-mark", lambda content, _: b"\xef\xbb\xbf" + content, certain=False),
    Operator("carriage-returns", lambda content, _: content.replace(b"\n", b"\r\n"), certain=False),
]  # fmt: skip

# ----------------------------------------------------------------------------------------- CSV


def _rows(edit: Callable[[list[str], random.Random], list[str] | None]) -> Content:
    def change(content: bytes, chance: random.Random) -> bytes | None:
        lines = edit(content.decode().splitlines(), chance)
        return None if lines is None else ("\n".join(lines) + "\n").encode()

    return change


def _a_row(lines: list[str], chance: random.Random) -> int:
    return chance.randrange(1, len(lines))


def _row_twice(lines: list[str], chance: random.Random) -> list[str]:
    number = _a_row(lines, chance)
    return [*lines[: number + 1], *lines[number:]]


def _number_becomes(text: str) -> Content:
    def edit(lines: list[str], chance: random.Random) -> list[str] | None:
        number = _a_row(lines, chance)
        fields = lines[number].split(",")
        # Not of the first columns, which may be free names: a measure, and one above nought.
        places = [
            place
            for place in range(3, len(fields))
            if re.fullmatch(r"[0-9]+\.[0-9]*[1-9]", fields[place])
        ]
        if not places or '"' in lines[number]:
            return None
        fields[chance.choice(places)] = text
        return [*lines[:number], ",".join(fields), *lines[number + 1 :]]

    return _rows(edit)


def _field_lost(lines: list[str], chance: random.Random) -> list[str]:
    number = _a_row(lines, chance)
    return [*lines[:number], lines[number].rpartition(",")[0], *lines[number + 1 :]]


def _field_more(lines: list[str], chance: random.Random) -> list[str]:
    number = _a_row(lines, chance)
    return [*lines[:number], lines[number] + ",1,2", *lines[number + 1 :]]


CSV = [
    *BYTES,
    Operator("header-alone", _rows(lambda lines, _: lines[:1]), certain=False),
    Operator("header-lost", _rows(lambda lines, _: lines[1:]), certain=True),
    Operator("header-renamed", _rows(lambda lines, _: ["x" + lines[0], *lines[1:]]), certain=True),
    Operator("column-more", _rows(lambda lines, _: [line + ",0" for line in lines]), certain=True),
    Operator("row-twice", _rows(_row_twice), certain=True),
    Operator("row-lost", _rows(lambda lines, chance: [
        line for number, line in enumerate(lines) if number != _a_row(lines, chance)
    ]), certain=False),
    Operator("field-lost", _rows(_field_lost), certain=True),
    Operator("fields-more", _rows(_field_more), certain=True),
    Operator("quote-open", _rows(lambda lines, _: [*lines, '"open']), certain=True),
    Operator("number-is-word", _number_becomes("many"), certain=True),
    Operator("number-is-negative", _number_becomes("-3.5"), certain=True),
    Operator("number-is-nan", _number_becomes("nan"), certain=True),
    Operator("number-is-infinite", _number_becomes("inf"), certain=True),
    Operator("number-is-overflow", _number_becomes("1e999"), certain=True),
    Operator("number-is-true", _number_becomes("True"), certain=True),
]  # fmt: skip

# ---------------------------------------------------------------------------------------- JSON


def _leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(node, dict) and node:
        for key in node:
            yield from _leaves(node[key], (*path, key))
    elif isinstance(node, list) and node:
        for number, item in enumerate(node):
            yield from _leaves(item, (*path, number))
    else:
        yield path


def _leaf(value: Any, *, numbers: bool = False) -> Content:
    def change(content: bytes, chance: random.Random) -> bytes | None:
        document = json.loads(content)
        paths = [path for path in _leaves(document) if path]
        if numbers:
            paths = [path for path in paths if _is_json_number(_at(document, path))]
        if not paths:
            return None
        path = chance.choice(paths)
        _at(document, path[:-1])[path[-1]] = value
        return json.dumps(document).encode()

    return change


def _at(document: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        document = document[part]
    return document


def _is_json_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _lost(content: bytes, chance: random.Random) -> bytes | None:
    document = json.loads(content)
    paths = [path for path in _leaves(document) if path]
    if not paths:
        return None
    path = chance.choice(paths)
    cut = path[: chance.randrange(1, len(path) + 1)]
    del _at(document, cut[:-1])[cut[-1]]
    return json.dumps(document).encode()


JSON = [
    *BYTES,
    _constant("says-a-list", b"[]"),
    _constant("says-an-object", b"{}"),
    _constant("says-null", b"null"),
    _constant("says-a-number", b"3"),
    _constant("says-text", b'"text"'),
    _constant("deep", b"[" * 100_000),
    _constant("deep-and-closed", b'{"a":' * 20_000 + b"1" + b"}" * 20_000),
    _constant("digits", b"9" * 5000),
    Operator("followed", lambda content, _: content + content, certain=True),
    Operator("lost", _lost, certain=False),
    Operator("leaf-is-null", _leaf(None), certain=False),
    Operator("leaf-is-object", _leaf({"of": 1}), certain=False),
    Operator("leaf-is-list", _leaf([[1]]), certain=False),
    Operator("leaf-is-text", _leaf("many\x1b[2J\ud800"), certain=False),
    Operator("leaf-is-true", _leaf(value=True), certain=False),
    Operator("number-is-negative", _leaf(-1, numbers=True), certain=False),
    Operator("number-is-infinite", _leaf(float("inf"), numbers=True), certain=False),
    Operator("number-is-nan", _leaf(float("nan"), numbers=True), certain=False),
    Operator("number-is-huge", _leaf(10**30, numbers=True), certain=False),
    Operator("number-is-5000-digits", _leaf(10**4200, numbers=True), certain=False),
]

# -------------------------------------------------------------------------------------- tables


def _table(edit: Callable[[pd.DataFrame, random.Random], pd.DataFrame | None]) -> Content:
    def change(content: bytes, chance: random.Random) -> bytes | None:
        read = pq.read_table(io.BytesIO(content))
        table = edit(read.to_pandas(), chance)
        if table is None:
            return None
        out = io.BytesIO()
        table.to_parquet(out, index=False)
        return out.getvalue()

    return change


def _column_lost(table: pd.DataFrame, chance: random.Random) -> pd.DataFrame:
    return table.drop(columns=[chance.choice(list(table.columns))])


def _numbers_become(value: float) -> Callable[[pd.DataFrame, random.Random], pd.DataFrame | None]:
    def edit(table: pd.DataFrame, chance: random.Random) -> pd.DataFrame | None:
        columns = list(table.select_dtypes("float64").columns)
        if not columns or table.empty:
            return None
        table = table.copy()
        table.loc[table.index[chance.randrange(len(table))], chance.choice(columns)] = value
        return table

    return edit


TABLE = [
    _constant("empty", b""),
    _constant("not-a-table", b"cell,backend\n1,2\n"),
    _constant("magic-alone", b"PAR1PAR1"),
    Operator("cut-off", _half, certain=True),
    Operator("bits-flipped", _flip, certain=False),
    Operator("column-lost", _table(_column_lost), certain=True),
    Operator("columns-all-text", _table(lambda table, _: table.astype(str)), certain=True),
    Operator("rows-lost", _table(lambda table, _: table.iloc[: len(table) // 2]), certain=False),
    Operator("rows-none", _table(lambda table, _: table.iloc[:0]), certain=False),
    Operator("rows-twice", _table(lambda table, _: pd.concat([table, table])), certain=False),
    Operator("number-is-nan", _table(_numbers_become(float("nan"))), certain=False),
    Operator("number-is-infinite", _table(_numbers_become(float("inf"))), certain=False),
    Operator("number-is-huge", _table(_numbers_become(1e300)), certain=False),
    Operator("number-is-negative", _table(_numbers_become(-1e6)), certain=False),
]
