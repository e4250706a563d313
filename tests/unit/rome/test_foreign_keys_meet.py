"""Who deletes a row and who comes to refer to it meet in certification, whatever the columns are.

SQLite says which values refer to which: the parent's affinity and collation decide.
"""

import itertools

import apsw
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from discovery.rome.catalogue import Catalogue
from discovery.rome.certificate import of_changes
from discovery.rome.pages import Pages, open_pages
from discovery.rome.state import State
from discovery.rome.workspace import Workspace

_lives = itertools.count(1)

KINDS = st.tuples(
    st.sampled_from(["INTEGER", "INT", "NUMERIC", "DECIMAL(3,1)", "REAL", "DOUBLE", "VARCHAR(9)"])
    | st.sampled_from(["TEXT", "BLOB", "", "BOOLEAN", "DATETIME"]),
    st.sampled_from(["", " COLLATE NOCASE", " COLLATE RTRIM", " COLLATE BINARY"]),
).map("".join)
NUMBERS = [1, 1.0, -0.0, 0, 1.5, 2**53 + 1, 9.007199254740993e15, 2**63 - 1, 9.3e18, float("inf")]
SAID = ["1", "01", " 1", "1 ", "1.0", "1e0", "+1", "0x1", "1_0", "١", "-0", "1.5", "inf", "nan"]
TEXTS = ["a", "A", "a ", "A\0b", "a\0c", "é", "É", "", b"1", b"a", b"", "9007199254740993"]
VALUES = st.sampled_from([*NUMBERS, *SAID, *TEXTS])


def made(parent, child, how):
    database, file = open_pages(Pages())
    database.execute(f"CREATE TABLE parent (v {parent}, w {parent}, {how})")
    key = "" if how.startswith("PRIMARY") else "(v)"
    database.execute(
        f"CREATE TABLE child (id INTEGER PRIMARY KEY, v {child} REFERENCES parent{key})"
    )
    return database, file


def certificate(pages, sql, values, *, foreign_keys=True):
    """Of one statement; and whether SQLite takes it."""
    workspace = Workspace(foreign_keys, lambda *_: None)
    look, _ = open_pages(pages)
    catalogue = Catalogue(look)
    look.close()
    workspace.show(State(next(_lives), b"", 0, b"", pages, catalogue))
    workspace.watch(catalogue)
    outcome = workspace.run(sql, values, reads=False)
    changes, written = workspace.changes(), workspace.written()
    found = of_changes(changes, written, workspace.database, catalogue)
    workspace.close()
    return found, outcome.error is None


@settings(max_examples=120)
@given(
    parent=KINDS,
    child=KINDS,
    how=st.sampled_from(["PRIMARY KEY (v)", "UNIQUE (v)"]),
    mine=VALUES,
    theirs=VALUES,
    update=st.booleans(),
)
@example("INTEGER", "TEXT", "PRIMARY KEY (v)", 1, "01", False)
@example("TEXT", "INTEGER", "PRIMARY KEY (v)", "1", 1, False)
@example("TEXT", "REAL", "UNIQUE (v)", "1.0", 1, True)
@example("NUMERIC", "", "UNIQUE (v)", 1, " 1", False)
@example("", "TEXT", "UNIQUE (v)", "1", 1, False)
@example("TEXT COLLATE NOCASE", "TEXT", "UNIQUE (v)", "a", "A", True)
def test_who_refers_and_who_deletes_meet(parent, child, how, mine, theirs, update):
    database, file = made(parent, child, how)
    try:
        database.execute("INSERT INTO parent VALUES (?, 0)", (mine,))
    except apsw.MismatchError:  # a row number is a number
        return
    finally:
        pages = file.published()
        database.close()
    refers, taken = certificate(pages, "INSERT INTO child VALUES (1, ?)", (theirs,))
    event(f"refers: {taken}")
    if not taken:
        return
    away = "UPDATE parent SET v = 'elsewhere'" if update else "DELETE FROM parent"
    deletes, done = certificate(pages, away, ())
    if not done:  # 'elsewhere' is no number
        return
    for first, second in ((refers, deletes), (deletes, refers)):
        assert first.bumps.keys() & second.checks.keys(), (first, second)
