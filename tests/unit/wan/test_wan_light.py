"""The forwarder starts in a blink: it must not pull in what the workbench's other half needs."""

import json
import subprocess
import sys


def test_the_forwarder_loads_the_standard_library_only():
    code = (
        "import json, sys, discovery.testbed.wan.forwarder\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert not loaded & {"enoslib", "ansible", "pydantic", "pandas", "yaml"}


def test_a_forwarder_that_is_never_told_to_go_leaves_without_a_trace(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "discovery.testbed.wan.forwarder", str(tmp_path / "absent.json")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not list(tmp_path.iterdir())
