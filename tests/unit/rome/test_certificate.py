"""Two transactions on one state: what certification lets pass has an order, and breaks nothing.

Both run on the same pages, as they would in two processes. If the second's certificate does not
meet the first's, its rows are stored on top of the first's, as a replica does; what results must
violate nothing, and be what one of the two serial orders gives.
"""

import functools
import itertools

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from discovery.rome.catalogue import Catalogue
from discovery.rome.certificate import digest, of_changes
from discovery.rome.log import content_of
from discovery.rome.packing import values_packed
from discovery.rome.pages import Pages, open_pages
from discovery.rome.rows import apply_entry, open_as_stored
from discovery.rome.state import State
from discovery.rome.workspace import Workspace
from tests.rome_statements import ROWS, SCHEMA, TABLES, statements

_lives = itertools.count(1)


def execute(pages, work):
    """The workspace after ``work`` on ``pages``, and which statements did something."""
    workspace = Workspace(True, lambda *_: None)
    look, _ = open_pages(pages)
    catalogue = Catalogue(look)
    look.close()
    workspace.show(State(next(_lives), b"", 0, b"", pages, catalogue))
    workspace.watch(catalogue)
    told = [
        outcome.error is None and outcome.count > 0
        for outcome in (workspace.run(sql, row, reads=False) for sql, row in work)
    ]
    return workspace, catalogue, told


def made(*statements):
    database, file = open_pages(Pages())
    for statement in (*SCHEMA.split(";"), *statements):
        database.execute(statement)
    pages = file.published()
    database.close()
    return pages


@functools.cache
def full():
    """The pages that most tests begin with."""
    return made(*ROWS)


def certified(pages, work):
    """The certificate, the pages with the work on them, and what each statement said."""
    workspace, catalogue, told = execute(pages, work)
    changes, written = workspace.changes(), workspace.written()
    certificate = of_changes(changes, written, workspace.database, catalogue)
    certificate = certificate if certificate.bumps else None
    after = workspace.publish()
    workspace.close()
    return certificate, after, told


def on_top(pages, certificate):
    """``pages`` with the rows of a commit, stored as every replica does."""
    database, file = open_as_stored(pages)
    catalogue = Catalogue(database)
    database.execute("BEGIN")
    apply_entry(database, catalogue, content_of(certificate.payload())[1])
    database.execute("COMMIT")
    after = file.published()
    database.close()
    return after


def contents(pages):
    database, _ = open_pages(pages)
    found = {
        table: sorted(database.execute(f"SELECT * FROM {table}").fetchall(), key=repr)
        for table in TABLES
    }
    assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()
    return found


def meets(first, second):
    """Whether certification refuses ``second`` after ``first``."""
    return bool(first.bumps.keys() & second.checks.keys())


works = st.lists(statements, min_size=4, max_size=8)
bases = st.lists(statements, max_size=4)


def effective(pages, work):
    """Of ``work``, what does something; the rest has read, and others may write what it read."""
    _, _, told = certified(pages, work)
    return [one for one, did in zip(work, told, strict=True) if did][:3]


def two_commits(base, first_work, second_work):
    """The state, and each transaction with its certificate and its pages; None if one has none."""
    _, pages, _ = certified(full(), base)
    found = []
    for work in (first_work, second_work):
        done = effective(pages, work)
        certificate, after, told = certified(pages, done)
        if certificate is None or not all(told):
            event("one of the two changes nothing")
            return None
        found.append((done, certificate, after))
    return pages, *found


@settings(max_examples=150)
@given(bases, works, works)
def test_no_conflict_is_missed(base, first_work, second_work):
    commits = two_commits(base, first_work, second_work)
    if commits is None:
        return
    pages, (first_done, first, after_first), (second_done, second, after_second) = commits
    assert contents(on_top(pages, first)) == contents(after_first)
    if meets(first, second):
        event("certification refuses")
        return
    event("certification accepts")
    merged = contents(on_top(after_first, second))
    _, one_order, _ = certified(after_first, second_done)
    _, other_order, _ = certified(after_second, first_done)
    assert merged in (contents(one_order), contents(other_order))


def touched(before, after, certificate):
    """What a transaction may meet another in, from the rows before and after it.

    The certificate only says which rows it wrote: one may have been replaced by its like.
    """
    found = set()
    for table in TABLES:
        key = (lambda row: row[0].lower()) if table == "label" else (lambda row: row[0])
        old = {key(row): row for row in before[table]}
        new = {key(row): row for row in after[table]}
        for number in old.keys() | new.keys():
            was, is_ = old.get(number), new.get(number)
            key = digest("row", table, values_packed([number]))
            if was == is_ and key not in certificate.checks:
                continue
            found.add((table, number))
            for row in filter(None, (was, is_)):
                if table == "parent":
                    found |= {("of", row[0]), ("name", (row[1] or f"none {row[0]}").lower())}
                elif table == "child":
                    found |= {("of", row[1]), ("name", (row[2] or "").lower()), ("code", row[3:])}
                    found.add(("child of", row[0]))
                else:
                    found |= {("child of", row[1]), ("size", row[2]), "label"}
    return found - {("of", None), ("name", ""), ("child of", None), ("size", None)}


@settings(max_examples=100)
@given(bases, works, works)
@example(
    [("INSERT INTO label VALUES (?, ?, ?)", ("b", 1, None))],
    [
        ("DELETE FROM parent WHERE id = ?", (1,)),
        ("INSERT INTO parent VALUES (?, ?)", (1, None)),
    ],
    [
        ("REPLACE INTO label VALUES (?, ?, ?)", ("B", 1, None)),
        ("UPDATE label SET name = ? WHERE name = ?", ("b", "b")),
    ],
)
def test_transactions_apart_do_not_meet(base, first_work, second_work):
    """What touches other rows, other values and other parents is accepted."""
    commits = two_commits(base, first_work, second_work)
    if commits is None:
        return
    pages, (_, first, after_first), (_, second, after_second) = commits
    before = contents(pages)
    if not touched(before, contents(after_first), first) & touched(
        before, contents(after_second), second
    ):
        event("apart")
        assert not meets(first, second)
        assert not meets(second, first)


PAIRS = {
    "one row": ("UPDATE parent SET name = 'c' WHERE id = 1", "DELETE FROM parent WHERE id = 1"),
    "a unique value in two cases": (
        "INSERT INTO parent VALUES (3, 'Name')",
        "INSERT INTO parent VALUES (4, 'nAME')",
    ),
    "a parent that goes and a child that comes": (
        "DELETE FROM parent WHERE id = 1",
        "INSERT INTO child VALUES (3, 1, NULL, 'z', 0)",
    ),
    "a parent's name that changes and a child that uses it": (
        "UPDATE parent SET name = 'c' WHERE id = 1",
        "INSERT INTO child VALUES (3, NULL, 'A', 'z', 0)",
    ),
    "a primary key in two cases": (
        "INSERT INTO label VALUES ('s', NULL, NULL)",
        "INSERT INTO label VALUES ('S', NULL, NULL)",
    ),
    "a number as integer and as real": (
        "INSERT INTO label VALUES ('s', NULL, 7)",
        "INSERT INTO label VALUES ('t', NULL, 7.0)",
    ),
    "rows that enter a partial unique index": (
        "UPDATE label SET size = 3 WHERE name = 'q'",
        "UPDATE label SET child_id = 2 WHERE name = 'r'",
    ),
}


@pytest.mark.parametrize("why", PAIRS)
@pytest.mark.parametrize("turn", [1, -1])
def test_they_meet(why, turn):
    first, second = PAIRS[why][::turn]
    pages = full()
    one, _, told = certified(pages, [(first, ())])
    other, _, also = certified(pages, [(second, ())])
    assert told == also == [True]
    assert meets(one, other)


def test_a_key_that_changes_its_case_keeps_its_row():
    """The changeset has a row that goes and one that comes, and both have one key."""
    pages = full()
    for work in (
        [("UPDATE label SET name = 'P' WHERE name = 'p'", ())],
        [("DELETE FROM label WHERE name = 'p'", ()), ("INSERT INTO label VALUES ('P', 1, 4)", ())],
    ):
        certificate, after, _ = certified(pages, work)
        assert contents(on_top(pages, certificate)) == contents(after)


def test_a_column_without_a_type():
    """1 and 1.0 are one value to SQLite's indexes, and so they are to certification."""
    pages = made("CREATE TABLE loose (id INTEGER PRIMARY KEY, value UNIQUE)")
    one, _, _ = certified(pages, [("INSERT INTO loose VALUES (1, 1)", ())])
    other, _, _ = certified(pages, [("INSERT INTO loose VALUES (2, 1.0)", ())])
    assert meets(one, other)


def test_a_reference_between_types():
    """A text column that refers to an integer: SQLite compares them as the parent's type."""
    pages = made(
        *ROWS,
        "CREATE TABLE odd (id INTEGER PRIMARY KEY, parent_id VARCHAR(5) REFERENCES parent(id))",
    )
    child, _, told = certified(pages, [("INSERT INTO odd VALUES (1, '1')", ())])
    assert told == [True]
    gone, _, _ = certified(pages, [("DELETE FROM parent WHERE id = 1", ())])
    assert meets(child, gone)
    assert meets(gone, child)
