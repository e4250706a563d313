"""Rows are found by their times as on MariaDB, whoever wrote them and however they are given."""

import datetime

import pytest
import sqlalchemy as sa

from tests.mariadb_servers import mariadb_server
from tests.redis_servers import redis_server

TEN = datetime.datetime(2026, 11, 30, 10, 0)
UTC = datetime.UTC


def event(metadata):
    return sa.Table(
        "event",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.DateTime),
        sa.Column("made", sa.DateTime, server_default=sa.func.now()),
        sa.Column("day", sa.Date),
        sa.Column("hour", sa.Time),
    )


@pytest.fixture(scope="module", params=["rome", "mariadb"])
def engine(request, tmp_path_factory):
    if request.param == "rome":
        with redis_server(tmp_path_factory.mktemp("times")) as server:
            engine = sa.create_engine(server.url("db"))
            yield engine
            engine.dispose()
        return
    pytest.importorskip("pymysql")
    with mariadb_server() as server:
        server.create("db")
        engine = sa.create_engine(server.url("db"))
        yield engine
        engine.dispose()


@pytest.fixture
def table(engine):
    metadata = sa.MetaData()
    made = event(metadata)
    metadata.create_all(engine)
    yield made
    metadata.drop_all(engine)


WAYS = {
    "a datetime": TEN,
    "a datetime with its zone": TEN.replace(tzinfo=UTC),
    "a text": "2026-11-30 10:00:00",
    "a text with T": "2026-11-30T10:00:00",
    "a text with a fraction": "2026-11-30 10:00:00.000000",
    "a text without seconds": "2026-11-30 10:00",
}


def insert_raw(connection, number, text):
    connection.exec_driver_sql(f"INSERT INTO event (id, at) VALUES ({number}, '{text}')")


def test_a_row_is_found_however_its_time_was_given(engine, table):
    """Each way of writing by each way of looking."""
    with engine.begin() as connection:
        for number, value in enumerate(WAYS.values()):
            connection.execute(table.insert().values(id=number, at=value))
        insert_raw(connection, 90, "2026-11-30 10:00:00")
        connection.execute(sa.text("INSERT INTO event (id, at) VALUES (91, :at)"), {"at": TEN})
    every = [*range(len(WAYS)), 90, 91]
    with engine.connect() as connection:
        for value in WAYS.values():
            same = sa.select(table.c.id).where(table.c.at == value).order_by(table.c.id)
            assert connection.execute(same).scalars().all() == every, value
            among = sa.select(table.c.id).where(table.c.at.in_([value])).order_by(table.c.id)
            assert connection.execute(among).scalars().all() == every, value
            within = sa.select(table.c.id).where(table.c.at.between(value, value))
            assert sorted(connection.execute(within).scalars()) == every, value
            for wrong in (table.c.at < value, table.c.at > value, table.c.at != value):
                assert connection.execute(sa.select(table.c.id).where(wrong)).all() == []
        raw = connection.execute(
            sa.text("SELECT id FROM event WHERE at = '2026-11-30 10:00:00' ORDER BY id")
        )
        assert raw.scalars().all() == every
        raw = connection.execute(
            sa.text("SELECT id FROM event WHERE at BETWEEN :a AND :a ORDER BY id"), {"a": TEN}
        )
        assert raw.scalars().all() == every
        assert set(connection.execute(sa.select(table.c.at)).scalars()) == {TEN}


def test_a_row_that_now_has_made_is_found_by_what_it_says(engine, table):
    with engine.begin() as connection:
        connection.execute(table.insert().values(id=1, at=sa.func.now()))
        connection.execute(sa.text("INSERT INTO event (id, at) VALUES (2, CURRENT_TIMESTAMP)"))
    with engine.connect() as connection:
        for number, at, made in connection.execute(
            sa.select(table.c.id, table.c.at, table.c.made)
        ).all():
            for column, value in ((table.c.at, at), (table.c.made, made)):
                mine = (table.c.id == number, column == value)
                assert connection.execute(sa.select(table.c.id).where(*mine)).scalar() == number
            assert connection.execute(
                sa.select(table.c.id).where(table.c.id == number, table.c.made >= made)
            ).scalar()
        late = made + datetime.timedelta(seconds=1)
        assert connection.execute(sa.select(table.c.id).where(table.c.made >= late)).all() == []


def test_times_are_in_their_order(engine, table):
    moments = [TEN + datetime.timedelta(seconds=seconds) for seconds in (0, 1, 59, 3600, 86400)]
    with engine.begin() as connection:
        for number, moment in enumerate(reversed(moments)):
            connection.execute(table.insert().values(id=number, at=moment))
    with engine.connect() as connection:
        ordered = sa.select(table.c.at).order_by(table.c.at)
        assert connection.execute(ordered).scalars().all() == moments
        day = sa.select(table.c.at).where(table.c.at >= datetime.date(2026, 12, 1))
        assert connection.execute(day).scalars().all() == moments[-1:]


def test_days_and_times_of_day(engine, table):
    day, hour = datetime.date(2026, 11, 30), datetime.time(9, 5)
    with engine.begin() as connection:
        connection.execute(table.insert().values(id=1, day=day, hour=hour))
        connection.execute(table.insert().values(id=2, day="2026-11-30", hour="09:05:00"))
        connection.exec_driver_sql(
            "INSERT INTO event (id, day, hour) VALUES (3, '2026-11-30', '09:05:00')"
        )
    with engine.connect() as connection:
        for value in (day, "2026-11-30"):
            found = sa.select(sa.func.count()).where(table.c.day == value)
            assert connection.execute(found).scalar() == 3
        for value in (hour, "09:05", "09:05:00"):
            found = sa.select(sa.func.count()).where(table.c.hour == value)
            assert connection.execute(found).scalar() == 3


def test_a_text_that_is_no_time(engine, table):
    with engine.begin() as connection, pytest.raises(sa.exc.StatementError):
        connection.execute(table.insert().values(id=1, at="yesterday"))


def test_a_fraction_is_kept_and_in_its_order(tmp_path):
    """MariaDB's DATETIME drops it; ROME keeps it, as PostgreSQL does."""
    metadata = sa.MetaData()
    table = event(metadata)
    half = TEN + datetime.timedelta(microseconds=500_000)
    with redis_server(tmp_path) as server:
        engine = sa.create_engine(server.url("db"))
        metadata.create_all(engine)
        with engine.begin() as connection:
            connection.execute(table.insert(), [{"id": 1, "at": half}, {"id": 2, "at": TEN}])
            ordered = sa.select(table.c.at).order_by(table.c.at)
            assert connection.execute(ordered).scalars().all() == [TEN, half]
            found = sa.select(table.c.id).where(table.c.at == "2026-11-30T10:00:00.5")
            assert connection.execute(found).scalars().all() == [1]
        engine.dispose()
