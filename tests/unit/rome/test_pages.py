"""Pages against a dictionary, and SQLite on pages against SQLite in memory."""

import apsw
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.rome.pages import PAGE, PageFile, Pages, open_new, open_pages

numbers = st.one_of(st.integers(0, 12), st.integers(250, 260), st.integers(500, 520))
layers = st.dictionaries(numbers, st.binary(min_size=1, max_size=3), max_size=8)
versions = st.lists(st.tuples(layers, numbers), max_size=8)


def as_dictionary(pages):
    return {number: pages[number] for number in range(pages.count) if pages[number]}


def booted(count):
    """``count`` pages as a boot leaves them, each of which says its number."""
    whole = b"".join(f"page {number}".encode().ljust(PAGE, b".") for number in range(count))
    return Pages(memoryview(whole))


@given(versions, st.sampled_from([0, 1, 7, 255, 256, 257, 512]))
def test_changed_is_what_a_dictionary_does(steps, size):
    """Longer and shorter files, holes, the edges of a chunk; older versions stay as they were."""
    pages = booted(size)
    model = as_dictionary(pages)
    assert len(model) == pages.count == size
    history = [(pages, model)]
    for layer, count in steps:
        pages = pages.changed(layer, count)
        model = {number: page for number, page in {**model, **layer}.items() if number < count}
        history.append((pages, model))
    for pages, model in history:
        assert as_dictionary(pages) == model
        assert pages[pages.count] == pages[10_000] == b""


@given(layers)
def test_pages_that_did_not_change_are_shared(layer):
    base = Pages().changed({number: bytes(PAGE) for number in range(600)}, 600)
    changed = base.changed(layer, 600)
    for number in range(600):
        if number not in layer:
            assert changed[number] is base[number]


@given(layers)
def test_a_version_says_no_more_of_its_base_than_which_it_is(layer):
    """So that processes which were forked go on sharing it: nothing of it is an object."""
    base = booted(600)
    changed = base.changed(layer, 600)
    kept = [page for chunk in changed._changed for page in chunk if page is not None]
    assert len(kept) == len([number for number in layer if number < 600])
    assert changed._base is base._base


writes = st.tuples(st.just("write"), numbers, st.binary(min_size=1, max_size=3))
cuts = st.tuples(st.just("cut"), numbers, st.just(b""))
published = st.tuples(st.sampled_from(["publish", "pin"]), st.just(0), st.just(b""))


@given(st.lists(st.one_of(writes, cuts, published), max_size=20))
def test_a_file_is_what_a_file_does(actions):
    """Written and cut, published or taken back: every page reads as it should."""
    file = PageFile()
    file.pin(Pages())
    model: dict[int, bytes] = {}
    size = 0
    kept = (file.pages, {}, 0)
    for action, number, tag in actions:
        if action == "write":
            data = tag.ljust(PAGE, b".")
            file.xWrite(data, number * PAGE)
            model[number] = data
            size = max(size, (number + 1) * PAGE)
        elif action == "cut":
            new = min(size, number * PAGE)
            file.xTruncate(new)
            model = {n: page for n, page in model.items() if n * PAGE < new}
            size = new
        elif action == "publish":
            kept = (file.published(), model, size)
            file.pin(kept[0])
            model = dict(model)
        else:
            file.pin(kept[0])
            model, size = dict(kept[1]), kept[2]
        assert file.xFileSize() == size
        for known in model:
            assert file.xRead(PAGE, known * PAGE) == model[known]
            assert file.xRead(16, known * PAGE + 24) == model[known][24:40]
    assert as_dictionary(file.published()) == model


rows = st.tuples(st.integers(0, 60), st.integers(0, 6000))
statements = st.one_of(
    rows.map(lambda row: ("INSERT OR REPLACE INTO t VALUES (?, zeroblob(?))", row)),
    rows.map(lambda row: ("DELETE FROM t WHERE id >= ? AND length(body) < ?", row)),
    rows.map(lambda row: ("UPDATE t SET body = zeroblob(?2) WHERE id < ?1", row)),
)
transactions = st.lists(
    st.tuples(
        st.lists(statements, min_size=1, max_size=6), st.sampled_from(["COMMIT", "ROLLBACK"])
    ),
    max_size=10,
)


def contents(database):
    return database.execute("SELECT id, length(body) FROM t ORDER BY id").fetchall()


@settings(max_examples=40)
@given(transactions)
def test_sqlite_on_pages(work):
    """Two connections take turns on published versions, as transactions of a process do."""
    plain = apsw.Connection(":memory:")
    plain.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)")
    first, new = open_new()
    first.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)")
    versions = [(new.published(), [])]
    turns = [open_pages(versions[0][0]), open_pages(versions[0][0])]
    for number, (sqls, end) in enumerate(work):
        database, file = turns[number % 2]
        file.pin(versions[-1][0])
        for one in (plain, database):
            one.execute("BEGIN")
            for sql, row in sqls:
                one.execute(sql, row)
            one.execute(end)
        if end == "COMMIT":
            versions.append((file.published(), contents(plain)))
        file.pin(versions[-1][0])
        assert contents(database) == contents(plain)
    for pages, expected in versions:
        look, _ = open_pages(pages)
        assert look.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert contents(look) == expected
        look.close()
    for database in (plain, first, turns[0][0], turns[1][0]):
        database.close()
