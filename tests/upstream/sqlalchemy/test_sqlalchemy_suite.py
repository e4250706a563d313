"""SQLAlchemy's own tests for dialects, on ROME and a real Redis."""

from pathlib import Path

from tests.redis_servers import redis_server
from tests.upstream.suite_process import compare, read_expected, run_suite

HERE = Path(__file__).parent
LEAST = 1_090


def test_the_dialect_suite(tmp_path, capsys):
    with redis_server(tmp_path) as server:
        results = run_suite(HERE / "suite", server.url("suite"), tmp_path)
    with capsys.disabled():
        print(f"\nSQLAlchemy's dialect suite on ROME: {results.summary}")
    compare(results, read_expected(HERE / "expected_failures.txt"), LEAST)
