"""What libpq is given for a URL, and what URLs are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from discovery.cockroach import connect
from discovery.cockroach.errors import UrlError

HOSTS = [
    ("cockroachdb+oslo://u@local/db", "local", "26257"),
    ("cockroachdb+oslo://u@local:5/db?host=b&host=c:7", "local,b,c", "5,26257,7"),
    ("cockroachdb+oslo://u@/db?host=a&host=b", "a,b", "26257,26257"),
    ("cockroachdb+oslo://u@/db?host=[fd00::1]:7&host=[fd00::2]", "fd00::1,fd00::2", "7,26257"),
    ("postgresql+oslo://u@local/db?host=b", "local,b", "5432,5432"),
]


def keywords(text):
    url = make_url(text)
    arguments, found = url.get_dialect()().create_connect_args(url)
    assert arguments == []
    return found


@pytest.mark.parametrize(("url", "hosts", "ports"), HOSTS)
def test_hosts_in_the_order_of_the_url(url, hosts, ports):
    found = keywords(url)
    assert (found["host"], found["port"]) == (hosts, ports)


NAME = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
PORT = st.none() | st.integers(1, 65535)


@given(st.lists(st.tuples(NAME, PORT), min_size=1, max_size=5))
def test_any_hosts_keep_order_and_port(hosts):
    texts = [name if port is None else f"{name}:{port}" for name, port in hosts]
    found = keywords("cockroachdb+oslo:///db?" + "&".join(f"host={text}" for text in texts))
    assert found["host"].split(",") == [name for name, _ in hosts]
    assert found["port"].split(",") == [str(port or 26257) for _, port in hosts]


def test_the_url_wins_over_what_is_set_here():
    found = keywords("postgresql+oslo://u:p@h/db?connect_timeout=9&sslmode=disable")
    assert found["connect_timeout"] == "9"
    assert found["keepalives_idle"] == connect.PATIENCE["keepalives_idle"]
    assert (found["user"], found["password"], found["dbname"]) == ("u", "p", "db")
    assert found["sslmode"] == "disable"


def test_serializable_unless_the_url_says_otherwise():
    ours = "-c default_transaction_isolation=serializable"
    assert keywords("postgresql+oslo://h/db")["options"] == ours
    given_too = keywords("postgresql+oslo://h/db?options=-c%20search_path=x")
    assert given_too["options"] == f"{ours} -c search_path=x"


def test_the_ordinary_level_where_the_url_says_so():
    found = keywords("postgresql+oslo://h/db?isolation=read-committed")
    assert found["options"] == r"-c default_transaction_isolation=read\ committed"
    assert keywords("postgresql+oslo://h/db?isolation=serializable") == keywords(
        "postgresql+oslo://h/db"
    )
    with pytest.raises(UrlError, match="isolation=chaos: must be serializable or read-committed"):
        keywords("postgresql+oslo://h/db?isolation=chaos")


@pytest.mark.parametrize("value", ["on", "off"])
def test_autocommit_before_ddl(value):
    found = keywords(f"cockroachdb+oslo://h/db?autocommit_before_ddl={value}")
    assert found["options"] == f"-c autocommit_before_ddl={value}"
    assert "autocommit_before_ddl" not in found
    assert "options" not in keywords("cockroachdb+oslo://h/db")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("autocommit_before_ddl=maybe", "autocommit_before_ddl=maybe: must be on or off"),
        ("foreign_key_indexes=yes", "foreign_key_indexes=yes: must be on or off"),
        ("host=a:b", "host=a:b: must be a name"),
        ("host=:5", "host=:5: must be a name"),
        ("host=[::1", r"host=\[::1: must be a name"),
        ("host=[::1]5", r"host=\[::1\]5: must be a name"),
        ("sslmode=a&sslmode=b", "sslmode: given more than once"),
    ],
)
def test_bad_urls_say_what_is_wrong(query, said):
    with pytest.raises(UrlError, match=said):
        keywords(f"cockroachdb+oslo://h/db?{query}")
