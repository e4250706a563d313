"""Reading ``published/*.csv`` of a study: every cell checked, and every row there once.

A study's numbers are typed by hand. What is wrong with them is told with its line and column, and a
row that is missing, doubled or not the study's is an error: it would vanish from the verdicts. What
rows there are is declared in ``published/tables.yaml``.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import Field, model_validator

from discovery.errors import ConfigError
from discovery.experiment.base import Count, Model
from discovery.experiment.load import read_yaml, validate
from discovery.reading import read_text

DECLARATION = "tables.yaml"
MOST_BYTES = 5_000_000
MOST_ROWS = 100_000

Value = str | float | None
Row = Mapping[str, Value]

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True)
class Column:
    """A column: ``read`` makes a value of a cell's text, or raises ``ValueError``.

    ``allowed`` says what may stand there. An empty cell is ``None``.
    """

    read: Callable[[str], Value]
    allowed: str


@dataclass(frozen=True)
class Table:
    """A kind of file: its columns, those that tell its rows apart, and what holds in each row.

    ``wrong`` gives the column that does not fit the rest of the row, and what may stand there.
    """

    columns: Mapping[str, Column]
    key: tuple[str, ...]
    wrong: Callable[[Row], tuple[str, str] | None] = lambda _: None


class Declared(Model):
    """The rows of a file: every one of some ``combinations`` of levels, or just a number of them.

    A combination has the levels of every column that tells rows apart; an empty text is an empty
    cell.
    """

    combinations: tuple[
        dict[str, Annotated[tuple[str | float, ...], Field(min_length=1)]], ...
    ] = ()
    rows: Annotated[Count, Field(ge=1, le=MOST_ROWS)] | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Declared:
        if bool(self.combinations) == (self.rows is not None):
            raise ValueError(
                "says neither or both of rows and combinations; allowed: one of the two"
            )
        return self

    def keys(self, columns: tuple[str, ...]) -> Iterator[tuple[Value, ...]]:
        """The values of ``columns`` in every row that is declared by its levels."""
        for levels in self.combinations:
            for values in product(*(levels[column] for column in columns)):
                yield tuple(None if value == "" else value for value in values)


class Declaration(Model):
    """The document ``published/tables.yaml``: the files of numbers, and the rows of each."""

    tables: Annotated[dict[str, Declared], Field(min_length=1)]


def one_of(names: Iterator[str] | tuple[str, ...] | list[str], *, empty: bool = False) -> Column:
    """A cell that holds one of ``names``."""
    known = list(names)

    def read(text: str) -> Value:
        if text not in known:
            raise ValueError
        return text

    return _maybe_empty(read, "one of " + ", ".join(known), empty)


def number(
    least: float, most: float, *, above: bool = False, whole: bool = False, empty: bool = False
) -> Column:
    """A cell that holds a number from ``least`` (or ``above`` it) to ``most``, in decimal."""

    def read(text: str) -> Value:
        if not _NUMBER.fullmatch(text):
            raise ValueError
        value = float(text)
        low = value > least if above else value >= least
        if not (low and value <= most) or (whole and not value.is_integer()):
            raise ValueError
        return value

    sign = ">" if above else "≥"
    kind = "whole number" if whole else "number"
    return _maybe_empty(read, f"a {kind} {sign} {least:g} and ≤ {most:g}", empty)


def text(pattern: str = r"\S(.*\S)?", what: str = "text", *, empty: bool = False) -> Column:
    """A cell that holds a text of one line that ``pattern`` matches."""
    known = re.compile(pattern)

    def read(found: str) -> Value:
        if not known.fullmatch(found) or not found.isprintable():
            raise ValueError
        return found

    return _maybe_empty(read, what, empty)


def _maybe_empty(read: Callable[[str], Value], allowed: str, empty: bool) -> Column:
    if not empty:
        return Column(read, allowed)
    return Column(lambda found: read(found) if found else None, f"{allowed}, or nothing")


def read_declaration(folder: Path) -> Declaration:
    """What the study of ``folder`` says of its files of numbers; raises :class:`ConfigError`."""
    path = folder / "published" / DECLARATION
    return validate(Declaration, read_yaml(path), path)


def files_of(folder: Path) -> list[str]:
    """The names of the study's tables: those that are there, and those that are declared."""
    there = {path.name for path in (folder / "published").glob("*.csv")}
    return sorted(there | set(read_declaration(folder).tables))


def read_published_file(folder: Path, name: str, table: Table) -> pd.DataFrame:
    """The file ``name`` of ``folder/published``, with every row that it should have, once.

    Raises :class:`ConfigError`, which names the line, the column, what stands there and what may.
    """
    path = folder / "published" / name
    declared = read_declaration(folder).tables
    if name not in declared:
        raise ConfigError(
            f"is not declared in {path.with_name(DECLARATION)}", file=path, allowed=declared
        )
    content = _text_of(path)
    _check_complete(path, list(_rows(path, content, table)), table, declared[name])
    return pd.read_csv(io.StringIO(content))


def _text_of(path: Path) -> str:
    try:
        content = read_text(path, MOST_BYTES)
    except FileNotFoundError:
        raise ConfigError("no such file", file=path) from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"byte {error.start + 1} is not UTF-8", file=path, allowed="a table in CSV, in UTF-8"
        ) from None
    except OSError as error:
        why = f"{error.strerror}"
        raise ConfigError(f"cannot be read: {why[:1].lower()}{why[1:]}", file=path) from None
    for sign, what in (
        ("\ufeff", "a byte order mark"),
        ("\0", "a NUL"),
        ("\r", "a carriage return (lines that end in CR LF)"),
    ):
        if sign in content:
            line = content[: content.index(sign)].count("\n") + 1
            raise ConfigError(
                f"line {line} has {what}",
                file=path,
                allowed="plain UTF-8 with lines that end in LF",
            )
    if not content.strip():
        raise ConfigError("is empty", file=path, allowed="a table in CSV with a header")
    return content


def _rows(path: Path, content: str, table: Table) -> Iterator[tuple[int, Row]]:
    """The number of the line and the values of each row."""
    lines = csv.reader(io.StringIO(content), strict=True)
    try:
        header = next(lines)
        _check_header(path, header, table)
        for cells in lines:
            yield lines.line_num, _row(path, lines.line_num, header, cells, table)
    except csv.Error as error:
        raise ConfigError(
            f"line {lines.line_num} is not CSV: {error}", file=path, allowed="a table in CSV"
        ) from None


def _check_header(path: Path, header: list[str], table: Table) -> None:
    wanted = list(table.columns)
    for column in wanted:
        if column not in header:
            separator = next((sign for sign in ";\t|" if sign in "".join(header)), None)
            hint = f" (its header has {separator!r} where a comma separates)" if separator else ""
            raise ConfigError(
                f"this column is missing{hint}", file=path, key=column, allowed=", ".join(wanted)
            )
    for column in header:
        if column not in wanted or header.count(column) > 1:
            what = "stands twice" if column in wanted else "is no column of it"
            raise ConfigError(f"the column {column!r} {what}", file=path, allowed=", ".join(wanted))


def _row(path: Path, line: int, header: list[str], cells: list[str], table: Table) -> Row:
    if len(cells) != len(header):
        raise ConfigError(
            f"line {line} has {len(cells)} cells, and the header has {len(header)}", file=path
        )
    row: dict[str, Value] = {}
    for column, found in zip(header, cells, strict=True):
        known = table.columns[column]
        try:
            row[column] = known.read(found)
        except ValueError:
            raise ConfigError(
                "is empty" if not found else "",
                file=path,
                key=f"line {line}, {column}",
                value=_short(found) if found else None,
                allowed=known.allowed,
            ) from None
    wrong = table.wrong(row)
    if wrong is not None:
        column, allowed = wrong
        raise ConfigError(
            "does not fit the rest of its line",
            file=path,
            key=f"line {line}, {column}",
            value=_short(cells[header.index(column)]),
            allowed=allowed,
        )
    return row


def _check_complete(
    path: Path, rows: list[tuple[int, Row]], table: Table, declared: Declared
) -> None:
    seen: dict[tuple[Value, ...], int] = {}
    for line, row in rows:
        key = tuple(row[column] for column in table.key)
        if key in seen:
            raise ConfigError(
                f"line {line} is line {seen[key]} again", file=path, key=_told(table, key)
            )
        seen[key] = line
    if declared.rows is not None:
        if len(rows) != declared.rows:
            raise ConfigError(
                f"has {len(rows)} rows", file=path, allowed=f"{declared.rows}, by {DECLARATION}"
            )
        return
    wanted = _wanted(path, table, declared)
    for key, line in seen.items():
        if key not in wanted:
            raise _not_declared(path, table, wanted, key, line)
    missing = [key for key in wanted if key not in seen]
    if missing:
        raise ConfigError(
            f"has {len(rows)} of the {len(wanted)} rows that {DECLARATION} declares; the first "
            f"that is missing: {_told(table, missing[0])}",
            file=path,
        )


def _wanted(path: Path, table: Table, declared: Declared) -> dict[tuple[Value, ...], None]:
    beside = path.with_name(DECLARATION)
    rows = 0
    for number_of, levels in enumerate(declared.combinations):
        place = f"tables.{path.name}.combinations[{number_of}]"
        if set(levels) != set(table.key):
            raise ConfigError(
                f"has the levels of {', '.join(levels)}",
                file=beside,
                key=place,
                allowed="those of " + ", ".join(table.key),
            )
        rows += math.prod(map(len, levels.values()))
        if rows > MOST_ROWS:
            raise ConfigError(
                f"has {rows:,} rows with those before it",
                file=beside,
                key=place,
                allowed=f"{MOST_ROWS:,} rows of a file at most",
            )
    return dict.fromkeys(declared.keys(table.key))


def _not_declared(
    path: Path,
    table: Table,
    wanted: Mapping[tuple[Value, ...], None],
    key: tuple[Value, ...],
    line: int,
) -> ConfigError:
    """That a row is none of the study's: the column whose value no row has, if there is one."""
    for place, column in enumerate(table.key):
        known = list(dict.fromkeys(each[place] for each in wanted))
        if key[place] not in known:
            return ConfigError(
                "is none of the study's",
                file=path,
                key=f"line {line}, {column}",
                value=_plain(key[place]),
                allowed=", ".join(map(_plain, known)) + f" (by {DECLARATION})",
            )
    return ConfigError(
        f"line {line} is none of the {len(wanted)} rows that {DECLARATION} declares: "
        f"{_told(table, key)}",
        file=path,
    )


def _told(table: Table, key: tuple[Value, ...]) -> str:
    pairs = zip(table.key, key, strict=True)
    return ", ".join(f"{column} {_plain(value)}" for column, value in pairs if value is not None)


def _plain(value: Value) -> str:
    return "nothing" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _short(found: str) -> str:
    return found if len(found) <= 60 else f"{found[:57]}..."
