"""A bake that is killed leaves nothing but files, and those only until the next one."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from discovery.deploy import chroot
from discovery.errors import MachineError

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]

BAKE = "from discovery.deploy.image import bake; bake(print)"
SERVE = """
import sys, time
from pathlib import Path
from discovery.deploy.chroot import served
with served(Path(sys.argv[1]), Path(sys.argv[2])):
    print("served", flush=True)
    time.sleep(60)
"""


def within(seconds: float, condition: Callable[[], object]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def users_of(folder: Path) -> list[psutil.Process]:
    """The processes that were started on ``folder``, or are rooted in it."""
    found = []
    for process in psutil.process_iter():
        try:
            root = str(Path(f"/proc/{process.pid}/root").readlink())
            if str(folder) in " ".join(process.cmdline()) or root.startswith(str(folder)):
                found.append(process)
        except (psutil.NoSuchProcess, OSError):
            continue
    return found


def mounts_below(folder: Path) -> list[str]:
    return [line for line in Path("/proc/mounts").read_text().splitlines() if str(folder) in line]


def test_a_killed_bake_leaves_no_process_and_no_mount(own_home):
    bake = subprocess.Popen([sys.executable, "-c", BAKE], stdout=subprocess.DEVNULL)
    assert within(30, lambda: list(own_home.glob("images/.bake-*/rootfs/*")))
    assert users_of(own_home)
    bake.kill()
    bake.wait()
    assert within(10, lambda: not users_of(own_home)), users_of(own_home)
    assert not mounts_below(own_home)


def test_a_killed_server_takes_its_mounts_along(node_image, tmp_path):
    root = tmp_path / "rootfs"
    subprocess.run(["cp", "-a", "--reflink=auto", str(node_image), str(root)], check=True)
    work = tmp_path / "work"
    work.mkdir()
    server = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(root), str(work)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    assert server.stdout.readline() == "served\n"
    assert users_of(root)
    assert not mounts_below(root)  # they are in a namespace of the server's own
    server.kill()
    server.communicate()
    assert within(10, lambda: not users_of(root)), users_of(root)
    shutil.rmtree(root)  # pytest keeps its folders, and this one has a gigabyte


def test_a_folder_that_cannot_be_served_says_why(tmp_path):
    (tmp_path / "rootfs").mkdir()
    with (
        pytest.raises(MachineError, match=r"could not be served over SSH: .*mount"),
        chroot.served(tmp_path / "rootfs", tmp_path),
    ):
        pass
