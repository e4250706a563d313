"""Rally's requests are named, and an iteration's error says which one ended it."""

import re
import sys
import types

import pytest

from discovery.workload.on_node.load import name_requests


@pytest.fixture
def session(monkeypatch):
    """A stand-in for keystoneauth's session, which Rally's environment alone has."""

    class Session:
        seen = ()

        def request(self, url, method, headers=None, **_):
            self.seen = (*self.seen, headers)
            if url == "broken":
                raise ConnectionError("Remote end closed connection without response")
            if url == "log-in":
                self.request("broken", "POST")
            return "answer"

    package, module = types.ModuleType("keystoneauth1"), types.ModuleType("keystoneauth1.session")
    module.Session = Session
    monkeypatch.setitem(sys.modules, "keystoneauth1", package)
    monkeypatch.setitem(sys.modules, "keystoneauth1.session", module)
    name_requests()
    return Session()


def test_each_request_has_a_name_of_its_own(session):
    assert session.request("fine", "GET", headers={"Accept": "x"}) == "answer"
    assert session.request("fine", "GET") == "answer"
    first, second = (headers["X-OpenStack-Request-ID"] for headers in session.seen)
    assert first != second
    assert re.fullmatch("req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", first)
    assert session.seen[0]["Accept"] == "x"


@pytest.mark.parametrize("url", ["broken", "log-in"])
def test_an_error_names_the_request_that_failed(session, url):
    with pytest.raises(ConnectionError) as caught:
        session.request(url, "GET")
    name = session.seen[-1]["X-OpenStack-Request-ID"]
    assert str(caught.value) == f"Remote end closed connection without response [{name}]"
