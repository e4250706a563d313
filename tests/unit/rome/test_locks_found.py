"""What a locking read finds: its own answer, and the keys of all rows that have made it.

Two that have found one row meet in certification, and two that have found different ones by their
keys do not.
"""

import functools
import itertools

from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from discovery.rome.catalogue import Catalogue
from discovery.rome.certificate import Certificate
from discovery.rome.locking import locking
from discovery.rome.locks import Found, read
from discovery.rome.packing import values_packed
from discovery.rome.pages import Pages, open_pages
from discovery.rome.state import State
from discovery.rome.workspace import Workspace

_lives = itertools.count(1)
SCHEMA = """
CREATE TABLE a (id INTEGER NOT NULL PRIMARY KEY, name TEXT COLLATE NOCASE UNIQUE, n INT);
CREATE TABLE b (x INT NOT NULL, y TEXT NOT NULL, a INT, PRIMARY KEY (x, y));
CREATE TABLE c (n INT);
INSERT INTO a VALUES (1, 'one', 1), (2, 'two', 1), (3, 'three', NULL), (4, NULL, 2);
INSERT INTO b VALUES (1, 'p', 1), (1, 'q', 2), (2, 'p', 2), (2, 'q', NULL);
INSERT INTO c VALUES (1), (2), (2);
"""
KEYS = {"a": ("id",), "b": ("x", "y"), "c": ("_rowid_",)}


@functools.cache
def pages():
    database, file = open_pages(Pages())
    database.execute(SCHEMA)
    return file.published()


CONDITIONS = st.sampled_from(
    ["", "t.n = ?", "t.n > ? OR t.n IS NULL", "t.n IN (?, 2)", "t.n = ? AND t._rowid_ > 1"]
)
TAILS = st.sampled_from(["", " ORDER BY 1", " ORDER BY t._rowid_ DESC LIMIT 1", " GROUP BY t.n"])
LISTS = st.sampled_from(["*", "t.n", "t._rowid_ AS k, 'x'", "count(*)", "DISTINCT t.n", "max(t.n)"])
FROMS = st.sampled_from(
    [
        ("a AS t", {"t": "a"}),
        ('"c" t', {"t": "c"}),
        ("a t JOIN b AS u ON u.a = t.id", {"t": "a", "u": "b"}),
        ("a t LEFT JOIN b u ON u.a = t.id AND u.y = 'p'", {"t": "a", "u": "b"}),
        ("a t, c", {"t": "a", "c": "c"}),
        ("a t, a other", {"t": "a", "other": "a"}),
    ]
)


def run(sql, values):
    workspace = Workspace(True, lambda *_: None)
    look, _ = open_pages(pages())
    catalogue = Catalogue(look)
    workspace.show(State(next(_lives), b"", 0, b"", pages(), catalogue))
    found = Found()
    outcome, wanted = read(workspace, catalogue, locking(sql), values, found, frozenset())
    workspace.close()
    return outcome, wanted, found, look


@settings(max_examples=150)
@given(LISTS, FROMS, CONDITIONS, TAILS, st.integers(0, 3), st.booleans())
def test_a_locking_read_answers_as_it_does_without_and_finds_its_rows(
    listed, source, condition, tail, value, only_one
):
    tables, aliases = source
    assume("LIMIT" not in tail or len(aliases) == 1)  # which of several rows comes first is open
    where = f" WHERE {condition}" if condition else ""
    sql = f"SELECT {listed} FROM {tables}{where}{tail}"
    values = [value] * sql.count("?")
    of = " OF t" if only_one else ""
    outcome, wanted, found, look = run(f"{sql} FOR UPDATE{of}", values)
    plain = look.execute(sql, values).fetchall()
    assert outcome.error is None
    assert sorted(map(repr, outcome.rows)) == sorted(map(repr, plain))
    assert len(wanted) == len(found.rows)
    event("limited" if "LIMIT" in tail else "all")
    grouped = any(word in sql for word in ("count", "max", "DISTINCT", "GROUP"))
    expected = set()
    for alias, table in aliases.items():
        if only_one and alias != "t":
            continue
        columns = ", ".join(f"{alias}.{name}" for name in KEYS[table])
        rest = "" if grouped else tail.replace("ORDER BY 1", "")
        for row in look.execute(f"SELECT {columns} FROM {tables}{where}{rest}", values):
            if row[0] is not None:
                expected.add((table, values_packed(row)))
    look.close()
    assert found.rows.keys() == expected


def certificate(number, how):
    *_, found, look = run(f"SELECT n FROM a WHERE id = {number} {how}", ())
    look.close()
    made = Certificate()
    found.certify(made)
    return made


@given(st.sampled_from([1, 2, 3]), st.sampled_from([1, 2, 3]))
def test_two_lockers_meet_if_they_have_found_one_row(mine, theirs):
    first, second = certificate(mine, "FOR UPDATE"), certificate(theirs, "FOR UPDATE")
    assert bool(first.checks.keys() & second.bumps.keys()) == (mine == theirs)
    shared = certificate(theirs, "FOR SHARE")
    assert bool(first.bumps.keys() & shared.checks.keys()) == (mine == theirs)
    assert not shared.bumps
