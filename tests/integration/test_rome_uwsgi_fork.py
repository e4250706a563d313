"""Workers that are forked by a C program, which does not tell Python: as uWSGI's are.

No thread of Python's may run in the master then, or its worker's interpreter is not whole: so the
master of ``push`` has a replica, and no feed yet, which its first transaction would start.
"""

import json
import subprocess
import sys

import pytest

from tests.redis_servers import redis_server

# PyDLL, so that the child has the GIL; the hooks of os.register_at_fork are not called.
MASTER = """
import ctypes, json, os, sys
from discovery.rome import dbapi
hosts, fresh = sys.argv[1:]
maker = dbapi.connect(hosts, "forked")
maker.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, worker TEXT)")
maker.commit()
INSERT = "INSERT INTO t (id, worker) VALUES (rome_id('t', 'id'), ?)"
maker.execute(INSERT, ("master",))
maker.commit()
loaded = dbapi.connect(hosts, "forked", fresh=fresh)
fork = ctypes.PyDLL(None).fork
workers = []
for number in range(4):
    worker = fork()
    if not worker:
        status = 1
        try:
            replica = dbapi.replica_of(loaded.settings)[0]
            assert replica.store.round_trips == 0
            connection = dbapi.connect(hosts, "forked", fresh=fresh) if number % 2 else loaded
            for _ in range(20):
                connection.execute(INSERT, (str(number),))
                connection.commit()
            status = 0
        finally:
            os._exit(status)
    workers.append(worker)
codes = [os.waitpid(worker, 0)[1] for worker in workers]
rows = dbapi.connect(hosts, "forked").execute("SELECT worker, count(*) FROM t GROUP BY 1")
print(json.dumps([codes, dict(rows.fetchall())]))
"""


@pytest.mark.parametrize("fresh", ["sync", "push"])
def test_each_worker_has_its_own_sockets_and_keys(tmp_path, fresh):
    with redis_server(tmp_path) as server:
        done = subprocess.run(
            [sys.executable, "-c", MASTER, f"127.0.0.1:{server.port}", fresh],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    codes, rows = json.loads(done.stdout)
    assert codes == [0, 0, 0, 0], done.stderr
    assert rows == {"master": 1, **{str(number): 20 for number in range(4)}}
