"""What SQLite would refuse as too much, and is lifted; and what each limit that stays says."""

import pytest
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    exc,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    union,
    union_all,
)

from discovery.rome import connect, replica
from discovery.rome.errors import DataError
from tests.redis_servers import redis_server

TABLE = Table("t", MetaData(), Column("id", Integer, primary_key=True), Column("s", String(9)))


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("limits")) as server:
        yield f"127.0.0.1:{server.port}"


@pytest.fixture(scope="module")
def engine(address):
    engine = create_engine(f"rome://{address}/db")
    with engine.begin() as connection:
        TABLE.create(connection)
        connection.execute(insert(TABLE), [{"id": i, "s": f"s{i}"} for i in range(20)])
    yield engine
    engine.dispose()


def test_many_conditions(engine):
    """1,000 ORs are too deep for SQLite, unless they come in groups."""
    any_of = or_(*(TABLE.c.id == number for number in range(10, 1_700)))
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).where(any_of)).scalar() == 10
        none = select(TABLE.c.id).where(*(TABLE.c.id != number for number in range(1_500)))
        assert connection.execute(none).all() == []
        joined = literal("", String)
        for _ in range(600):
            joined = joined + "x"
        assert connection.execute(select(func.length(joined))).scalar() == 600


def test_many_unions(engine):
    one = [select(TABLE.c.id.label("n"), TABLE.c.s).where(TABLE.c.id == n % 20) for n in range(650)]
    with engine.connect() as connection:
        every = union_all(*one).order_by("n").limit(3)
        assert connection.execute(every).all() == [(0, "s0")] * 3
        rows = connection.execute(union(*one)).mappings().all()
        assert sorted(row["n"] for row in rows) == list(range(20))
        counted = select(func.count()).select_from(union_all(*one).subquery())
        assert connection.execute(counted).scalar() == 650
        less = select(TABLE.c.id).except_(*(select(literal(n)) for n in range(3, 600)))
        assert sorted(connection.execute(less).scalars()) == [0, 1, 2]
        same = select(TABLE.c.id).intersect(*([select(TABLE.c.id).where(TABLE.c.id > 7)] * 600))
        assert len(connection.execute(same).all()) == 12


def test_many_values(engine):
    with engine.connect() as connection:
        chosen = select(func.count()).where(TABLE.c.id.in_(range(70_000)))
        assert connection.execute(chosen).scalar() == 20


STAY = {
    "an expression's depth": (f"SELECT {'+'.join('1' * 1001)}", "maximum depth 1000"),
    "parentheses": (f"SELECT {'(' * 3000}1{')' * 3000}", "Recursion limit; 2,500 are allowed"),
    "SELECTs": (" UNION ".join(["SELECT 1"] * 501), "compound SELECT; 500 are allowed"),
    "columns": (f"SELECT {', '.join('1' * 2001)}", "result set; 2,000 are allowed"),
    "arguments": (f"SELECT max({', '.join('1' * 1001)})", "function max; 1,000 are allowed"),
    "a pattern": (f"SELECT 'a' LIKE '{'%' * 50_001}'", "too complex; 50,000 are allowed"),
    "tables": (f"SELECT 1 FROM {', '.join(f't t{i}' for i in range(65))}", "at most 64 tables"),
    "a value": ("SELECT zeroblob(1000000001)", "too big; 1,000,000,000 are allowed"),
    "a number of a parameter": ("SELECT ?40000", "between ?1 and ?32766"),
}


@pytest.mark.parametrize("what", STAY)
def test_a_limit_says_what_is_allowed(engine, what):
    sql, said = STAY[what]
    with engine.connect() as connection, pytest.raises(exc.DBAPIError) as caught:
        connection.exec_driver_sql(sql).all()
    assert said in str(caught.value.orig)
    assert "\n" not in str(caught.value.orig)


def test_columns_of_a_table(engine):
    columns = ", ".join(f"c{i}" for i in range(2001))
    with engine.connect() as connection, pytest.raises(exc.DBAPIError, match="2,000 are allowed"):
        connection.execute(text(f"CREATE TABLE wide ({columns})"))


def test_a_commit_that_redis_does_not_take(address, monkeypatch):
    monkeypatch.setattr(replica, "MOST_COMMIT_BYTES", 1_000)
    with connect(address, "large") as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)")
        connection.commit()
        connection.execute("INSERT INTO t VALUES (1, ?)", (bytes(2_000),))
        with pytest.raises(DataError, match=r"writes 2,\d+ bytes; 1,000 are allowed"):
            connection.commit()
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
