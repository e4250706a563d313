"""Alembic's own tests for dialects, on ROME and a real Redis."""

from pathlib import Path

from tests.redis_servers import redis_server
from tests.upstream.suite_process import compare, read_expected, run_suite

HERE = Path(__file__).parent
LEAST = 55


def test_the_migration_suite(tmp_path, capsys):
    with redis_server(tmp_path) as server:
        results = run_suite(HERE / "suite", server.url("suite"), tmp_path)
    with capsys.disabled():
        print(f"\nAlembic's suite on ROME: {results.summary}")
    compare(results, read_expected(HERE / "expected_failures.txt"), LEAST)
