"""A Python with OpenStack from PyPI, as locked here, and this repository's ROME; made once.

It stands in ``$DISCOVERY_HOME/upstream/<hash of the lock and of where the repository is>``.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from discovery.testbed.home import home

FOLDER = Path(__file__).parent
REPOSITORY = FOLDER.parents[2]
LOCK = FOLDER / "openstack.lock"


def openstack_bin():
    """The ``bin`` folder of that Python; takes some seconds the first time."""
    content = LOCK.read_bytes() + str(REPOSITORY).encode()
    folder = home() / "upstream" / hashlib.sha256(content).hexdigest()[:16]
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _make(folder)
    return folder / "bin"


def _make(folder):
    """All of it, or what has changed: entry points are copied when the repository is installed."""
    complete, installed = folder / "complete", folder / "installed"
    if not complete.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _uv("venv", "--python", sys.executable, folder)
        _uv(
            *("pip", "sync", "--compile-bytecode", "--python", folder / "bin/python"),
            *("--require-hashes", "--build-constraints", LOCK, LOCK),
        )
        # Nova's tests look for api-paste.ini where a source tree has it; wheels put it elsewhere.
        (next(folder.glob("lib/python*/site-packages")) / "etc").symlink_to(folder / "etc")
        complete.touch()
    project = (REPOSITORY / "pyproject.toml").read_bytes()
    if not installed.exists() or installed.read_bytes() != project:
        _uv(
            *("pip", "install", "--python", folder / "bin/python"),
            *("--no-deps", "--no-build-isolation", "--editable", REPOSITORY),
        )
        installed.write_bytes(project)


def _uv(*arguments):
    command = [Path(sys.executable).with_name("uv"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " / ".join(done.stderr.strip().splitlines()[-5:])
        raise RuntimeError(f"uv {arguments[0]} {arguments[1]} failed: {said}")
