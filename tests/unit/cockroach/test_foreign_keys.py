"""Which indexes follow a statement of DDL, as text; no server."""

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from discovery.cockroach import foreign_keys

DIALECTS = ["cockroachdb+oslo://h/d", "postgresql+oslo://h/d"]


class Recorder:
    """A connection that writes down what it is to execute."""

    def __init__(self, url=DIALECTS[1]):
        self.said = []
        kind = make_url(url).get_dialect()
        self._dialect = kind(dbapi=kind.import_dbapi())

    def execute(self, element):
        self.said.append(" ".join(str(element.compile(dialect=self._dialect)).split()))


def table(*more, name="child", **options):
    metadata = sa.MetaData()
    sa.Table(
        "parent",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        schema=options.get("schema"),
    )
    columns = [sa.Column(one, sa.Integer) for one in ("id", "a", "b", "c")]
    return sa.Table(name, metadata, *columns, *more, **options)


def key(*columns, **options):
    return sa.ForeignKeyConstraint(columns, [f"parent.{one}" for one in columns], **options)


@pytest.mark.parametrize(
    ("more", "lacks"),
    [
        ([], []),
        ([key("a")], [("a",)]),
        ([key("a"), key("b")], [("a",), ("b",)]),
        ([key("a", "b")], [("a", "b")]),
        ([key("a"), sa.PrimaryKeyConstraint("a", "b")], []),
        ([key("b"), sa.PrimaryKeyConstraint("a", "b")], [("b",)]),
        ([key("a"), sa.UniqueConstraint("a", "b")], []),
        ([key("a"), sa.Index("i", "a", "b")], []),
        ([key("a", "b"), sa.Index("i", "b", "a")], [("a", "b")]),
        ([key("a", "b"), sa.Index("i", "a")], [("a", "b")]),
        ([key("a"), sa.Index("i", sa.desc("a"))], [("a",)]),  # text: no column is known
        ([key("a"), sa.Index("i", "a", postgresql_where=sa.text("b > 0"))], [("a",)]),
        ([key("a"), sa.Index("i", "a", postgresql_using="hash")], [("a",)]),
        ([key("a"), sa.Index("i", sa.func.lower(sa.text("a")))], [("a",)]),
        ([key("a"), key("a", name="again")], [("a",)]),
    ],
)
def test_what_nothing_begins_with(more, lacks):
    assert foreign_keys.lacking(table(*more)) == lacks


def test_an_index_of_a_column_downwards_finds_it_too():
    described = table(key("a"))
    sa.Index("i", described.c.a.desc())
    assert foreign_keys.lacking(described) == []


@pytest.mark.parametrize("url", DIALECTS)
def test_a_table_is_followed_by_its_indexes_in_one_order(url):
    made = Recorder(url)
    described = table(key("b"), key("a"), key("a", "c"))
    foreign_keys.follow(made, sa.schema.CreateTable(described))
    names = [foreign_keys.name("child", one) for one in (("a", "c"), ("b",))]
    assert made.said == [
        f"CREATE INDEX IF NOT EXISTS {names[0]} ON child (a, c)",
        f"CREATE INDEX IF NOT EXISTS {names[1]} ON child (b)",
    ]
    assert {index.name for index in described.indexes} == set()


def test_names_are_quoted_and_schemas_kept():
    made = Recorder()
    metadata = sa.MetaData()
    described = sa.Table(
        "User", metadata, sa.Column("Key", sa.ForeignKey("other.id")), schema="a b"
    )
    foreign_keys.follow(made, sa.schema.CreateTable(described))
    assert made.said[0].endswith('ON "a b"."User" ("Key")')


@pytest.mark.parametrize("url", DIALECTS)
def test_an_index_makes_those_superfluous_that_it_begins_with(url):
    made = Recorder(url)
    index = sa.Index("ix", table().c.a, "b")
    foreign_keys.follow(made, sa.schema.CreateIndex(index))
    assert made.said == [
        f"DROP INDEX IF EXISTS {foreign_keys.name('child', ('a',))}",
        f"DROP INDEX IF EXISTS {foreign_keys.name('child', ('a', 'b'))}",
    ]


@pytest.mark.parametrize(
    "element",
    [
        sa.schema.CreateIndex(sa.Index("i", table().c.a, postgresql_where=sa.text("b > 0"))),
        sa.schema.CreateIndex(sa.Index(foreign_keys.name("child", ("a",)), table().c.a)),
        sa.schema.DropIndex(sa.Index(foreign_keys.name("child", ("a",)), table().c.a)),
        sa.schema.DropTable(table(key("a"))),
        sa.schema.CreateSchema("s"),
        sa.DDL("ANYTHING"),
    ],
)
def test_nothing_follows_others(element):
    made = Recorder()
    foreign_keys.follow(made, element)
    assert made.said == []


WORD = st.text("abcdefgh_é", min_size=1, max_size=40)


@given(WORD, st.lists(WORD, min_size=1, max_size=4), WORD, st.lists(WORD, min_size=1, max_size=4))
def test_a_name_is_one_tables_and_its_columns(one, columns, other, others):
    told = foreign_keys.name(one, columns)
    assert len(told.encode()) <= 63
    assert foreign_keys.is_ours(told)
    assert (told == foreign_keys.name(other, others)) == ((one, columns) == (other, others))


def test_joined_words_make_no_other_name():
    assert foreign_keys.name("a_b", ["c"]) != foreign_keys.name("a", ["b_c"])


@pytest.mark.parametrize("url", DIALECTS)
@pytest.mark.parametrize(
    ("option", "on"),
    [("", True), ("?foreign_key_indexes=on", True), ("?foreign_key_indexes=off", False)],
)
def test_on_unless_the_url_says_off(url, option, on):
    engine = sa.create_engine(url + option)
    assert engine.dialect.foreign_key_indexes is on
    _, keywords = engine.dialect.create_connect_args(make_url(url + option))
    assert "foreign_key_indexes" not in keywords
