"""In which order hosts are asked, and what an answer of one means for the others; no server."""

import types

import pytest
from sqlalchemy.engine import make_url

from discovery.cockroach import hosts

ALL = {"host": "a,b,c", "port": "1,2,3", "user": "u"}


class SaidError(Exception):
    """An error of a driver."""

    pgcode = None


class StateError(SaidError):
    """One with the server's state: said after a connection was there."""

    pgcode = "28000"


class Asked:
    """A driver's connect; ``answers``: what a host says, if it lets nobody in."""

    def __init__(self, **answers):
        self.answers, self.hosts = answers, []

    def __call__(self, **keywords):
        self.hosts.append((keywords["host"], keywords["port"]))
        answer = self.answers.get(keywords["host"])
        if answer is not None:
            raise answer if isinstance(answer, Exception) else SaidError(answer)
        return types.SimpleNamespace(dsn="host={host} port={port}".format(**keywords))


def connect(asked, arguments=ALL, of=None):
    return (of or hosts.Hosts()).connect(asked, SaidError, arguments)


def test_the_first_that_lets_us_in_is_asked_alone():
    asked = Asked()
    assert connect(asked).dsn == "host=a port=1"
    assert asked.hosts == [("a", "1")]


def test_one_port_is_every_hosts():
    asked = Asked(a="draining", b="draining")
    connect(asked, {"host": "a,b,c", "port": "9"})
    assert asked.hosts == [("a", "9"), ("b", "9"), ("c", "9")]


def test_a_single_hosts_error_is_as_it_was():
    one = SaidError("x\n")
    with pytest.raises(SaidError) as caught:
        connect(Asked(a=one), {"host": "a", "port": "1"})
    assert caught.value is one


def test_the_last_error_names_all_answers_once():
    asked = Asked(
        a='"a" drains\n', b='"b" is silent\n\tIs it there?\n', c='"c" drains\n\tIs it there?'
    )
    with pytest.raises(SaidError) as caught:
        connect(asked)
    assert str(caught.value) == '"a" drains\n"b" is silent\n\tIs it there?\n"c" drains'


@pytest.mark.parametrize(
    "same", ['password authentication failed for user "u"', StateError("nicht zugelassen")]
)
def test_what_every_host_would_say_ends_it(same):
    asked = Asked(a=same)
    with pytest.raises(SaidError) as caught:
        connect(asked)
    assert asked.hosts == [("a", "1")]
    assert same in (caught.value, str(caught.value))
    later = Asked(a='"a" drains', b=same)
    with pytest.raises(SaidError) as caught:
        connect(later)
    assert [*asked.hosts, ("b", "2")] == later.hosts
    assert str(caught.value).splitlines() == ['"a" drains', str(same)]


def test_what_is_no_error_of_the_driver_ends_it():
    asked = Asked(a=KeyError("a mistake"))
    with pytest.raises(KeyError):
        connect(asked)
    assert asked.hosts == [("a", "1")]


@pytest.mark.parametrize(
    "name", ["hostaddr", "service", "target_session_attrs", "load_balance_hosts"]
)
def test_where_libpq_chooses_it_has_all_of_them(name):
    asked = Asked()
    connect(asked, {**ALL, name: "x"})
    assert asked.hosts == [("a,b,c", "1,2,3")]


def test_libpq_says_what_is_wrong_with_the_ports():
    asked = Asked()
    connect(asked, {**ALL, "port": "1,2"})
    assert asked.hosts == [("a,b,c", "1,2")]


def test_one_that_let_us_in_and_cannot_serve_is_asked_last_for_a_while():
    now = [100.0]
    of = hosts.Hosts(clock=lambda: now[0])
    asked = Asked()
    of.set_aside(connect(asked, of=of))
    assert connect(asked, of=of).dsn == "host=b port=2"
    of.set_aside(connect(asked, of=of))
    assert connect(asked, of=of).dsn == "host=c port=3"
    others_fail = Asked(b="drains", c="drains")
    assert connect(others_fail, of=of).dsn == "host=a port=1"
    now[0] += hosts.ASIDE_S
    assert connect(asked, of=of).dsn == "host=a port=1"


@pytest.mark.parametrize("connection", [None, object(), types.SimpleNamespace(dsn=None)])
def test_a_connection_that_tells_no_host_sets_none_aside(connection):
    of = hosts.Hosts()
    of.set_aside(connection)
    assert connect(Asked(), of=of).dsn == "host=a port=1"


@pytest.mark.parametrize("driver", ["cockroachdb", "postgresql"])
@pytest.mark.parametrize(
    ("text", "state", "first"),
    [
        ("replica unavailable: lost quorum", "58C00", "b"),
        ("rpc error: code = Unavailable desc = transport is closing", "XXUUU", "b"),
        ("server closed the connection unexpectedly", None, "a"),
        ("terminating connection due to administrator command", "57P01", "a"),
        ("could not serialize access", "40001", "a"),
    ],
)
def test_a_node_without_the_others_is_set_aside_and_one_that_ends_is_not(
    driver, text, state, first
):
    kind = make_url(f"{driver}+oslo://").get_dialect()

    class Error(SaidError):
        pgcode = state

    asked = Asked()
    dialect = kind(
        dbapi=types.SimpleNamespace(Error=SaidError, connect=asked, paramstyle="pyformat")
    )
    dialect.is_disconnect(Error(text), dialect.connect(**ALL), None)
    assert dialect.connect(**ALL).dsn.startswith(f"host={first} ")
