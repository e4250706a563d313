"""A CREATE TABLE statement in pieces that can be changed, each of which keeps its own text."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<space>\s+ | --[^\n]*(?:\n|\Z) | /\*.*?(?:\*/|\Z))
    | (?P<name>"[^"]*(?:""[^"]*)*" | `[^`]*(?:``[^`]*)*` | \[[^\]]*\])
    | (?P<string>'[^']*(?:''[^']*)*')
    | (?P<word>[\w$]+)
    | (?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)
_OF_TABLES = frozenset({"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"})
_KINDS = {
    "PRIMARY": "primary",
    "UNIQUE": "unique",
    "CHECK": "check",
    "FOREIGN": "foreign",
    "REFERENCES": "foreign",
    "NOT": "not null",
    "NULL": "null",
    "DEFAULT": "default",
    "COLLATE": "collate",
    "GENERATED": "generated",
    "AS": "generated",
}


class Token(NamedTuple):
    """A word, name, string or sign, and how many parentheses it is in."""

    kind: str
    text: str
    depth: int

    @property
    def word(self) -> str:
        """In capitals, if it may be a keyword."""
        return self.text.upper() if self.kind == "word" else ""

    @property
    def name(self) -> str:
        """As SQLite compares names."""
        return unquoted(self.text).lower() if self.kind in {"word", "name"} else ""


def unquoted(name: str) -> str:
    """A name without the quotes of any kind that SQLite takes."""
    if name[:1] == "[":
        return name[1:-1]
    if name[:1] in {'"', "`", "'"}:
        return name[1:-1].replace(name[0] * 2, name[0])
    return name


def tokens(sql: str) -> Iterator[Token]:
    """What a statement is made of; a comment is a blank."""
    depth = 0
    for found in _TOKEN.finditer(sql):
        kind, text = found.lastgroup or "", found.group()
        depth -= text == ")" and kind == "sign"
        yield Token(kind, " " if kind == "space" else text, depth)
        depth += text == "(" and kind == "sign"


def names_in(sql: str) -> set[str]:
    """All names within the parentheses of a check or a key."""
    return {token.name for token in tokens(sql) if token.depth and token.name}


def names_of_index(sql: str) -> set[str]:
    """All names in an index's columns, and in its condition."""
    columns = itertools.dropwhile(lambda token: not token.depth, tokens(sql))
    return {token.name for token in columns if token.name}


@dataclass
class Clause:
    """A constraint, default or collation, of a column or of the table."""

    kind: str
    text: str
    name: str | None = None

    @property
    def columns(self) -> set[str]:
        """The table's columns that it names."""
        text = re.split(r"\bREFERENCES\b", self.text, maxsplit=1, flags=re.IGNORECASE)[0]
        return names_in(text if self.kind == "foreign" else self.text)


@dataclass
class ColumnDefinition:
    """A column: its name and type as they were written, and what follows."""

    written: str
    type: str
    clauses: list[Clause] = field(default_factory=list)

    @property
    def name(self) -> str:
        """As SQLite compares it."""
        return unquoted(self.written).lower()

    @property
    def generated(self) -> bool:
        """Whether it is computed, and nobody may write it."""
        return any(clause.kind == "generated" for clause in self.clauses)

    def without(self, *kinds: str) -> None:
        """Forget clauses."""
        self.clauses = [clause for clause in self.clauses if clause.kind not in kinds]

    def __str__(self) -> str:  # noqa: D105
        return " ".join(filter(None, (self.written, self.type, *(c.text for c in self.clauses))))


@dataclass
class Definition:
    """A table."""

    columns: list[ColumnDefinition]
    constraints: list[Clause]
    options: str

    def column(self, name: str) -> ColumnDefinition | None:
        """One by its name."""
        return next((one for one in self.columns if one.name == name.lower()), None)

    def create(self, name: str) -> str:
        """The statement that makes it; ``name`` is quoted where it has to be."""
        parts = [*map(str, self.columns), *(clause.text for clause in self.constraints)]
        return f"CREATE TABLE {name} ({', '.join(parts)}) {self.options}".rstrip()

    def named(self) -> list[str]:
        """The names of all constraints that have one."""
        clauses = [*self.constraints, *(c for column in self.columns for c in column.clauses)]
        return [clause.name for clause in clauses if clause.name is not None]

    def add(self, clauses: Sequence[Clause]) -> bool:
        """Add constraints; no column of a primary key is NULL."""
        for clause in clauses:
            for column in self.columns if clause.kind == "primary" else ():
                if column.name in clause.columns:
                    column.without("not null", "null")
                    column.clauses.append(Clause("not null", "NOT NULL"))
        self.constraints += clauses
        return bool(clauses)

    def modify(self, new: ColumnDefinition) -> bool:
        """Give a column another type and other clauses; its constraints stay."""
        old = self.column(new.name)
        if old is None:
            return False
        kept = [one for one in old.clauses if one.kind in {"primary", "unique", "foreign", "check"}]
        textual = re.search("CHAR|TEXT|CLOB", new.type, re.IGNORECASE)
        if textual and not any(one.kind == "collate" for one in new.clauses):
            kept.insert(0, Clause("collate", "COLLATE NOCASE"))
        old.type, old.clauses = new.type, [*kept, *new.clauses]
        return True

    def remove(self, kind: str | None, name: str | None = None, text: str | None = None) -> bool:
        """Take away the constraints with that kind, and name or text if any; whether there were."""

        def stays(clause: Clause) -> bool:
            if kind is not None and clause.kind != kind:
                return True
            if name is not None:
                return (clause.name or "").lower() != name.lower()
            return text is not None and clause.text.split() != text.split()

        lists = [self.constraints, *(column.clauses for column in self.columns)]
        before = sum(map(len, lists))
        for clauses in lists:
            clauses[:] = filter(stays, clauses)
        return sum(map(len, lists)) < before

    def remove_column(self, name: str) -> bool:
        """Take a column away, and all constraints that name it."""
        kept = [column for column in self.columns if column.name != name.lower()]
        if len(kept) == len(self.columns):
            return False
        self.columns = kept
        for clauses in [self.constraints, *(column.clauses for column in kept)]:
            clauses[:] = [
                one
                for one in clauses
                if one.kind in {"collate", "default", "generated"}
                or name.lower() not in one.columns
            ]
        return True


def parse(sql: str) -> Definition:
    """Take a valid CREATE TABLE apart, as SQLite remembers it."""
    parts: list[list[Token]] = [[]]
    options = ""
    opened = closed = False
    for token in tokens(sql):
        if closed:
            options += token.text
        elif not opened:
            opened = token.text == "("
        elif token.depth == 0 and token.text == ")":
            closed = True
        elif token.depth == 1 and token.text == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    columns, constraints = [], []
    for part in parts:
        first, *rest = _stripped(part)
        if first.word in _OF_TABLES:
            constraints += _clauses([first, *rest])[1]
        else:
            type_, clauses = _clauses(rest)
            columns.append(ColumnDefinition(first.text, type_, clauses))
    return Definition(columns, constraints, options.strip())


def _stripped(part: Sequence[Token]) -> list[Token]:
    while part and part[0].kind == "space":
        part = part[1:]
    return list(part)


def _clauses(part: Sequence[Token]) -> tuple[str, list[Clause]]:
    """The text before the first clause, and the clauses."""
    starts: list[int] = []
    solid = [i for i, token in enumerate(part) if token.kind != "space"]
    kinds: list[str] = []
    names: list[str | None] = []
    for place, i in enumerate(solid):
        token = part[i]
        before = part[solid[place - 1]].word if place else ""
        after = part[solid[place + 1]] if place + 1 < len(solid) else None
        if token.depth > 1:
            continue
        unnamed = bool(kinds) and not kinds[-1]
        if unnamed and names[-1] is None:  # the name after CONSTRAINT, a keyword or not
            names[-1] = unquoted(token.text)
        elif token.word == "CONSTRAINT":
            starts.append(i)
            kinds.append("")
            names.append(None)
        elif _begins(token.word, before, after, kinds[-1] if kinds else ""):
            if unnamed:
                kinds[-1] = _KINDS[token.word]
            else:
                starts.append(i)
                kinds.append(_KINDS[token.word])
                names.append(None)
    ends = [*starts, len(part)][1:]
    texts = [
        "".join(token.text for token in part[a:b]).strip()
        for a, b in zip(starts, ends, strict=True)
    ]
    first = starts[0] if starts else len(part)
    type_ = "".join(token.text for token in part[:first]).strip()
    return type_, [Clause(*values) for values in zip(kinds, texts, names, strict=True)]


def _begins(word: str, before: str, after: Token | None, kind: str) -> bool:
    if word not in _KINDS or before in {"SET", "DEFAULT"}:
        return False
    if word == "NOT":
        return after is not None and after.word == "NULL"
    if word == "NULL":
        return before != "NOT"
    if word == "REFERENCES":
        return kind != "foreign"
    return not (word == "AS" and before == "ALWAYS")
