"""What a rome:// URL may say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.rome.errors import InterfaceError
from discovery.rome.keys import Keys
from discovery.rome.settings import Settings, parse, parse_hosts
from discovery.rome.urls import settings_of


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


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z0-9-]{1,9}(\.[a-z0-9-]{1,9})*", fullmatch=True),
            st.integers(1, 65535),
        )
    )
)
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
        ({"wait": 10**20}, "wait=1(0+) is not allowed; a whole number from 0 to 1000"),
        ({"keep": 10**30}, "keep=1(0+) is not allowed; a whole number from 10 to 1000000000"),
        ({"keep": 0}, "keep=0 is not allowed; a whole number from 10"),
        ({"timeout": "0"}, r"timeout=0 is not allowed; seconds from 0\.1 to 86400"),
        ({"timeout": "nan"}, "timeout=nan"),
        ({"fresh": ""}, "fresh= is not allowed; sync or push"),
        ({"foreign_keys": "on"}, "foreign_keys=on is not allowed; true or false"),
        ({"cluster": None}, "cluster=None is not allowed"),
        ({"charset": "utf8"}, "option 'charset' is not known; one of cluster"),
        (
            {"socket": "redis.sock"},
            r"socket=redis\.sock is not allowed; the path, from /, of a unix",
        ),
        ({"socket": f"/{'ö' * 60}"}, "socket=/ö+ is not allowed; a path of 107 bytes at most"),
        ({"socket": "/s"}, "socket=/s is not allowed beside a host; name one of the two"),
        ({"sentinel": ("a", "b")}, r"sentinel=\('a', 'b'\) is not allowed; one name of a master"),
        ({"sentinel": "m", "cluster": "1"}, "sentinel=m is not allowed; .* without cluster"),
        ({"tls": "maybe"}, "tls=maybe is not allowed; true or false"),
        ({"ca": "/ca.pem"}, r"ca=/ca\.pem is not allowed without tls=true"),
        ({"tls": "true", "ca": "ca.pem"}, r"ca=ca\.pem is not allowed; the path, from /, of cert"),
        ({"tls": "true", "cert": "/c"}, "cert=/c is not allowed without key="),
        ({"tls": "true", "key": "/k"}, "key=/k is not allowed without cert="),
        (
            {"password_file": "/nowhere/word"},
            r"password_file=/nowhere/word is not allowed \(No",
        ),
        ({"password_env": "NOT_SET"}, "password_env=NOT_SET is not allowed; a variable of the env"),
        ({"password_env": "A", "password_file": "/b"}, "password_env=A is not allowed beside ano"),
    ],
)
def test_refused(said, message):
    with pytest.raises(InterfaceError, match=message):
        parse("h", "db", **said)


BAD_PORTS = ["", ":1", "h:", "h:x", "h:0", "h:65536", "h:1,", "h:-1", "h:²"]
NO_NAMES = ["a..b", ".:1", f"{'h' * 64}:1"]


@pytest.mark.parametrize("hosts", [*BAD_PORTS, *NO_NAMES])
def test_refused_addresses(hosts):
    if hosts == "h:":
        assert parse_hosts(hosts) == (("h", 6379),)
        return
    with pytest.raises(InterfaceError, match="is no address"):
        parse_hosts(hosts)


def test_several_hosts_are_a_cluster_or_sentinels():
    with pytest.raises(InterfaceError, match="add \\?cluster=true or \\?sentinel=name"):
        parse("h:1,i:2", "db")
    assert parse("h,i:2", "db", sentinel="m").hosts == (("h", 26379), ("i", 2))


def test_places_as_urls_have_them():
    assert settings_of("rome:///db?socket=/run/redis.sock").address == "/run/redis.sock"
    assert settings_of("rome:///db").hosts == (("127.0.0.1", 6379),)
    assert settings_of("rome://:7/db").hosts == (("127.0.0.1", 7),)
    assert settings_of("rome://[::1]/db").hosts == (("::1", 6379),)
    assert settings_of("rome://h/db?sentinel=m&host=i").hosts == (("h", 26379), ("i", 26379))
    with pytest.raises(InterfaceError, match="a host has an @") as caught:
        settings_of("rome://user:w@rd@h/db")
    assert "rd" not in str(caught.value).replace("password", "")


@given(st.text(min_size=1).filter(lambda name: not set(name) & set("{}")), st.text())
def test_all_keys_of_a_database_share_a_slot(database, table):
    """Redis Cluster hashes what is between the first { and the } after it."""
    assert parse("h", database).database == database
    keys = Keys(database)
    for key in (keys.head, keys.log, keys.versions, keys.ids, keys.schema, keys.rows(table)):
        inside = key[key.index("{") + 1 :]
        assert inside[: inside.index("}")] == database
