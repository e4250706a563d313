"""How a replica stores what others have committed."""

import math

from discovery.rome.catalogue import Catalogue
from discovery.rome.packing import values_packed
from discovery.rome.pages import Pages, open_pages
from discovery.rome.rows import apply_entries, open_as_stored

SCHEMA = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, kind, n)",
    "CREATE INDEX kinds ON t (kind)",
    "INSERT INTO t WITH RECURSIVE c(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM c LIMIT 900) "
    "SELECT i, printf('%050d', i), i % 7, 0 FROM c",
)


def stored():
    database, file = open_pages(Pages())
    for statement in SCHEMA:
        database.execute(statement)
    pages = file.published()
    database.close()
    return pages


def entry(*rows):
    """What the log says of a commit: rows, or the id of one that is gone."""
    flat = []
    for row in rows:
        gone = isinstance(row, int)
        flat += (values_packed([row if gone else row[0]]), False if gone else values_packed(row))
    return [(b"t", flat)]


def applied(*entries):
    pages = stored()
    database, file = open_as_stored(pages)
    file.pin(pages)
    apply_entries(database, Catalogue(database), entries)
    return database, file


def name(number):
    return f"{number:050d}"


def test_indexes_of_what_stays_are_not_touched():
    """One page of the table, and the first one, which counts changes."""
    assert stored().count > 30
    database, file = applied(entry((500, name(500), 500 % 7, 1)))
    assert len(file._layer) == 2
    assert database.execute("SELECT n FROM t WHERE id = 500").fetchone() == (1,)


def test_a_row_is_what_its_commit_says_to_the_type():
    for value in (0, 0.0, -0.0, "0", b"0", None, 2**53, float(2**53), math.inf):
        for other in (0, 0.0, -0.0, "0", b"0", None, 2**53, float(2**53), math.inf):
            database, _ = applied(entry((5, name(5), 5, value)), entry((5, name(5), 5, other)))
            (found,) = database.execute("SELECT n FROM t WHERE id = 5").fetchone()
            assert repr(found) == repr(other)


def test_commits_that_swap_values_of_a_unique_key_among_others():
    database, _ = applied(
        entry((901, "new", None, None), 3),
        entry((1, name(2), 1, 0), (2, name(1), 2, 0)),
        entry((3, "new", 3, 0), 901),
        entry((2, name(2), 2, 0), (1, name(1), 1, 5)),
    )
    assert database.execute("SELECT * FROM t WHERE id < 4 OR id > 899").fetchall() == [
        (1, name(1), 1, 5),
        (2, name(2), 2, 0),
        (3, "new", 3, 0),
        (900, name(900), 900 % 7, 0),
    ]
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
