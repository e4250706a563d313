"""Hosts that drain, start, lack the others, are silent, slow or gone, before a real PostgreSQL.

CockroachDB's driver connects to PostgreSQL as far as this goes: no host is asked for its version.
"""

import contextlib
import time

import psycopg2
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from tests.postgresql_servers import postgresql_server
from tests.postgresql_stand_in import CLOSES, HOST, LEADS, REFUSES, SILENT, Says, StandIn

DRAINS = Says("57P01", "server is not accepting clients, try another node")
AILING = {
    "drains": DRAINS,
    "drains, as 21.1 says it": Says("57P01", "server is not accepting clients", "ERROR"),
    "starts": Says("57P03", "the database system is starting up"),
    "stops": Says("57P03", "the database system is shutting down"),
    "crashed": Says("57P02", "terminating connection because of crash of another server process"),
    "lacks a quorum": Says("58C00", "replica unavailable: (n1,s1):1 unable to serve request"),
    "lacks its users": Says("XXUUU", "internal error while retrieving user account", "ERROR"),
    "lacks another node": Says("58C01", "rpc error: code = Unavailable desc = transport", "ERROR"),
    "is full": Says("53300", "sorry, too many clients already"),
    "has no connection": Says("08006", "connection failure"),
    "says it in other words": Says("XX000", "etwas ist geschehen"),
    "closes": CLOSES,
    "refuses": REFUSES,
    "is silent": SILENT,
}
ANSWERS = {
    "password": Says("28P01", 'password authentication failed for user "tester"'),
    "role": Says("28000", 'role "tester" does not exist'),
    "database": Says("3D000", 'database "nodb" does not exist'),
    "right": Says("42501", 'permission denied for database "postgres"'),
    "setting": Says("42704", 'unrecognized configuration parameter "x"'),
}
SLOW_S = 0.4


@pytest.fixture(scope="module")
def server():
    with postgresql_server() as server:
        yield server


@contextlib.contextmanager
def many(server, *what):
    """A stand-in for each: what it does to clients, of which those that lead lead to the server."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(StandIn(does, leads_to=server.port)) for does in what]


def url(hosts, name="postgresql", **options):
    first, *others = (f"{HOST}:{host.port}" for host in hosts)
    query = "&".join(
        [f"host={other}" for other in others] + [f"{k}={v}" for k, v in options.items()]
    )
    return f"{name}+oslo://tester@{first}/postgres?connect_timeout=2&{query}"


def connect(text):
    """A raw connection, as the pool asks the dialect for it."""
    place = make_url(text)
    kind = place.get_dialect()
    dialect = kind(dbapi=kind.import_dbapi())
    arguments, keywords = dialect.create_connect_args(place)
    return dialect, contextlib.closing(dialect.connect(*arguments, **keywords))


def refusal(text):
    with pytest.raises(psycopg2.OperationalError) as caught:
        connect(text)
    return caught.value


@pytest.mark.parametrize("name", ["postgresql", "cockroachdb"])
@pytest.mark.parametrize("ailing", AILING)
def test_the_next_host_is_asked(server, ailing, name):
    with many(server, AILING[ailing], LEADS, LEADS) as hosts:
        began = time.monotonic()
        _, connection = connect(url(hosts, name))
        with connection as opened:
            assert opened.info.port == hosts[1].port
        assert [host.met for host in hosts[1:]] == [1, 0]
        assert time.monotonic() - began < 4.0, "a host was waited for longer than it may take"


@pytest.mark.parametrize("ailing", sorted(set(AILING) - {"is silent"}))
def test_and_the_one_after_it(server, ailing):
    with many(server, DRAINS, AILING[ailing], LEADS) as hosts, connect(url(hosts))[1] as opened:
        assert opened.info.port == hosts[2].port


def test_a_slow_host_is_waited_for(server):
    with many(server, LEADS, LEADS) as hosts:
        hosts[0].wait_s = SLOW_S
        with connect(url(hosts))[1] as opened:
            assert opened.info.port == hosts[0].port
        assert hosts[1].met == 0


def test_where_the_first_is_well_no_other_is_asked(server):
    with many(server, LEADS, DRAINS, SILENT) as hosts:
        with connect(url(hosts))[1] as opened:
            assert opened.info.port == hosts[0].port
        assert [host.met for host in hosts] == [1, 0, 0]


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_every_host_would_answer_ends_it(server, answer):
    with many(server, ANSWERS[answer], LEADS) as hosts:
        error = refusal(url(hosts))
        assert ANSWERS[answer].text in str(error)
        assert hosts[1].met == 0


def test_when_none_lets_us_in_the_error_names_them_all(server):
    with many(server, DRAINS, REFUSES, AILING["starts"]) as hosts:
        error = refusal(url(hosts))
        for host, said in zip(hosts, ("try another node", "refused", "starting up"), strict=True):
            assert any(
                f"port {host.port}" in line and said in line for line in str(error).splitlines()
            )
        kind = make_url(url(hosts)).get_dialect()
        assert kind(dbapi=psycopg2).is_disconnect(error, None, None)


@contextlib.contextmanager
def engine(hosts, **options):
    made = sa.create_engine(url(hosts), **options)
    try:
        yield made
    finally:
        made.dispose()


def port_of(connection):
    return connection.connection.dbapi_connection.info.port


def test_the_pools_ping_moves_on(server):
    with many(server, LEADS, LEADS) as hosts, engine(hosts, pool_pre_ping=True) as pool:
        with pool.connect() as connection:
            assert port_of(connection) == hosts[0].port
        hosts[0].becomes(DRAINS)
        with pool.connect() as connection:
            assert connection.scalar(sa.text("SELECT 1")) == 1
            assert port_of(connection) == hosts[1].port
        hosts[0].becomes(LEADS)
        hosts[1].becomes(REFUSES)
        with pool.connect() as connection:
            assert port_of(connection) == hosts[0].port


def test_a_lost_connection_is_made_anew_elsewhere(server):
    with many(server, LEADS, LEADS) as hosts, engine(hosts) as pool:
        with pool.connect() as connection:
            connection.scalar(sa.text("SELECT 1"))
            hosts[0].becomes(AILING["lacks a quorum"])
            with pytest.raises(sa.exc.DBAPIError) as caught:
                connection.scalar(sa.text("SELECT 1"))
            assert caught.value.connection_invalidated
        with pool.connect() as connection:
            assert port_of(connection) == hosts[1].port


def test_one_that_lets_in_and_lacks_a_quorum_is_left(server):
    """Root is let in by any node of CockroachDB: what it lacks shows with the first statement."""
    lacks = "DO $$ BEGIN RAISE EXCEPTION 'replica unavailable' USING ERRCODE = '58C00'; END $$"
    with many(server, LEADS, LEADS) as hosts, engine(hosts) as pool:
        with pool.connect() as connection:
            with pytest.raises(sa.exc.DBAPIError) as caught:
                connection.execute(sa.text(lacks))
            assert caught.value.connection_invalidated
        with pool.connect() as connection:
            assert port_of(connection) == hosts[1].port
