"""The audit of locked packages, against a server on loopback that answers as OSV does."""

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

AUDIT = Path(__file__).parents[2] / ".ci" / "audit"


@contextmanager
def osv(answer):
    """A server whose ``answer`` gets the queries of a batch; its URL, and what it was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((self.path, body["queries"]))
            content = json.dumps(answer(body["queries"])).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def audit(url):
    environment = {**os.environ, "OSV_URL": url, "no_proxy": "127.0.0.1"}
    return subprocess.run(
        [sys.executable, AUDIT], env=environment, capture_output=True, text=True, check=False
    )


def nothing(queries):
    return {"results": [{} for _ in queries]}


def test_where_nothing_is_known_it_is_well():
    with osv(nothing) as (url, asked):
        done = audit(url)
    assert (done.returncode, done.stderr) == (0, "")
    queries = [query for path, batch in asked for query in batch if path == "/v1/querybatch"]
    names = {query["package"]["name"]: query["version"] for query in queries}
    assert {"keystone", "rally", "pandas", "uv", "setuptools"} <= names.keys()
    assert done.stdout == f"0 of {len(queries)} locked packages have known vulnerabilities\n"
    assert {query["package"]["ecosystem"] for query in queries} == {"PyPI"}


def test_a_known_vulnerability_is_named_with_its_lock_files_and_fails():
    def answer(queries):
        """Jinja2's, on two pages."""
        results = []
        for query in queries:
            if query["package"]["name"] != "jinja2":
                results.append({})
            elif query.get("page_token") == "more":
                results.append({"vulns": [{"id": "GHSA-0002"}]})
            else:
                results.append({"vulns": [{"id": "GHSA-0001"}], "next_page_token": "more"})
        return {"results": results}

    with osv(answer) as (url, _):
        done = audit(url)
    assert done.returncode == 1
    first, last = done.stdout.splitlines()
    assert "scripts/requirements.lock" in first
    assert "discovery/deploy/image/openstack.lock" in first
    assert "jinja2 3." in first
    assert first.endswith("GHSA-0001, GHSA-0002")
    assert last.startswith("1 of ")


@pytest.mark.parametrize(
    "answer", [lambda queries: {}, lambda queries: {"results": []}, lambda queries: [1]]
)
def test_an_answer_that_is_none_is_not_taken_for_good_news(answer):
    with osv(answer) as (url, _):
        done = audit(url)
    assert done.returncode == 3
    assert "nothing is known" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_network_it_says_so():
    with osv(nothing) as (url, _):
        pass
    done = audit(url)
    assert done.returncode == 3
    assert "Connection refused" in done.stderr
    assert len(done.stderr.splitlines()) == 1
