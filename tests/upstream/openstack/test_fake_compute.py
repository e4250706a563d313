"""The many-nodes driver under Nova's own classes: `fake_compute_driver`, run by Nova's Python."""

import re
import subprocess
from pathlib import Path

FOLDER = Path(__file__).parent


def test_nova_works_with_many_nodes_in_one_process(openstack, tmp_path):
    done = subprocess.run(
        [openstack / "python", "-m", "unittest", "-v", "fake_compute_driver"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(FOLDER)},
    )
    assert done.returncode == 0, done.stderr[-5000:]
    ran = re.search(r"^Ran (\d+) tests", done.stderr, re.MULTILINE)
    assert ran is not None
    assert int(ran[1]) >= 11, done.stderr
