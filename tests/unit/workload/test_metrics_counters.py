"""Counters of a server that tells them over HTTP, in Prometheus' text format."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from discovery.deploy import BACKENDS
from discovery.workload.on_node.sample import MetricsCounters, counters_of

# As CockroachDB writes them; later versions add labels.
TEXT = """\
# HELP sql_query_count Number of SQL operations started including queries, and transaction control
# TYPE sql_query_count counter
sql_query_count{node_id="1"} 1234
# TYPE sql_query_count_internal counter
sql_query_count_internal 99999
# TYPE sql_txn_commit_count counter
sql_txn_commit_count{node_id="1",tenant="system"} 1.5e+02
sql_txn_commit_count{node_id="1",tenant="{other} 7"} 3
sql_txn_rollback_count 4 1700000000000
sql_select_count 800
sql_insert_count 10
sql_update_count 20
sql_delete_count 3
sql_exec_latency_bucket{le="+Inf"} 12
"""


class _Metrics(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/_status/vars" else 404)
        self.end_headers()
        self.wfile.write(TEXT.encode())

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.server.HTTPServer(("127.0.0.1", 0), _Metrics) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def counters(url: str) -> MetricsCounters:
    found = counters_of({**BACKENDS["cockroachdb"].counters, "connect": {"url": url}})
    assert isinstance(found, MetricsCounters)
    return found


def test_samples_of_a_name_are_summed_whatever_their_labels(address: str) -> None:
    assert counters(f"{address}/_status/vars").read() == {
        "queries": 1234.0,
        "commits": 153.0,
        "rollbacks": 4.0,
        "reads": 800.0,
        "writes": 33.0,
    }


def test_a_server_that_does_not_answer_has_no_counters(address: str) -> None:
    assert counters(f"{address}/elsewhere").read() == {}
    assert counters("http://127.0.0.1:1/").read() == {}
