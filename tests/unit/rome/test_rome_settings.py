"""What a rome:// URL may say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.rome.errors import InterfaceError
from discovery.rome.keys import Keys
from discovery.rome.settings import Settings, parse, parse_hosts


def test_defaults():
    assert parse("h", "db") == Settings(hosts=(("h", 6379),), database="db")


def test_everything():
    said = {"fresh": "push", "wait": "2", "timeout": "2.5", "keep": "10", "foreign_keys": "0"}
    assert parse("h:1,i:2", "db", "u", "p", cluster="TRUE", **said) == Settings(
        hosts=(("h", 1), ("i", 2)),
        database="db",
        username="u",
        password="p",
        cluster=True,
        fresh="push",
        wait=2,
        timeout=2.5,
        keep=10,
        foreign_keys=False,
    )


@given(st.lists(st.tuples(st.from_regex(r"[a-z0-9.-]+", fullmatch=True), st.integers(1, 65535))))
def test_hosts_are_read_as_written(hosts):
    if hosts:
        assert parse_hosts(",".join(f"{host}:{port}" for host, port in hosts)) == tuple(hosts)


def test_hosts_of_ipv6():
    assert parse_hosts("::1:6380") == parse_hosts("[::1]:6380") == (("::1", 6380),)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"wait": "x"}, "wait=x is not allowed; a whole number from 0"),
        ({"wait": 1.5}, r"wait=1\.5"),
        ({"keep": 0}, "keep=0 is not allowed; a whole number from 10"),
        ({"timeout": "0"}, r"timeout=0 is not allowed; seconds from 0\.1 to 86400"),
        ({"timeout": "nan"}, "timeout=nan"),
        ({"fresh": ""}, "fresh= is not allowed; sync or push"),
        ({"foreign_keys": "on"}, "foreign_keys=on is not allowed; true or false"),
        ({"cluster": None}, "cluster=None is not allowed"),
        ({"charset": "utf8"}, "option 'charset' is not known; one of cluster"),
    ],
)
def test_refused(said, message):
    with pytest.raises(InterfaceError, match=message):
        parse("h", "db", **said)


@pytest.mark.parametrize("hosts", ["", ":1", "h:", "h:x", "h:0", "h:65536", "h:1,", "h:-1", "h:²"])
def test_refused_addresses(hosts):
    if hosts == "h:":
        assert parse_hosts(hosts) == (("h", 6379),)
        return
    with pytest.raises(InterfaceError, match="is no address"):
        parse_hosts(hosts)


def test_several_hosts_are_a_cluster():
    with pytest.raises(InterfaceError, match="add \\?cluster=true"):
        parse("h:1,i:2", "db")


@given(st.text(min_size=1).filter(lambda name: not set(name) & set("{}")), st.text())
def test_all_keys_of_a_database_share_a_slot(database, table):
    """Redis Cluster hashes what is between the first { and the } after it."""
    assert parse("h", database).database == database
    keys = Keys(database)
    for key in (keys.head, keys.log, keys.versions, keys.ids, keys.schema, keys.rows(table)):
        inside = key[key.index("{") + 1 :]
        assert inside[: inside.index("}")] == database
