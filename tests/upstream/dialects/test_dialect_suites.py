"""SQLAlchemy's and alembic's own tests for dialects, on ROME and a real Redis."""

from pathlib import Path

import pytest

from tests.redis_servers import redis_server
from tests.upstream.suite_process import compare, read_expected, run_suite

HERE = Path(__file__).parent


@pytest.mark.parametrize(("name", "least"), [("sqlalchemy", 1_090), ("alembic", 65)])
def test_the_suite(name, least, tmp_path, capsys):
    with redis_server(tmp_path) as server:
        suite = HERE / "suites" / f"test_{name}.py"
        results = run_suite(suite, server.url("suite"), tmp_path)
    with capsys.disabled():
        print(f"\nThe suite of {name} on ROME: {results.summary}")
    compare(results, read_expected(HERE / f"{name}_failures.txt"), least)
