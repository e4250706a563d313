"""A local testbed of the tests' own: its state folder, its image, a prefix that is free."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from discovery.deploy.image import rootfs
from discovery.errors import MachineError, TestbedError
from discovery.testbed.down import release_all
from discovery.testbed.home import home
from discovery.testbed.load import load_testbed
from discovery.testbed.local.network import refuse_prefix_in_use
from discovery.testbed.local.provider import PROGRAMS

REPOSITORY = Path(__file__).parents[2]
BASE = "systemd,systemd-sysv,dbus,openssh-server,python3,iproute2,iputils-ping,procps"

# Ansible never closes the file that it locks while it connects.
ANSIBLES = "ignore:unclosed file <_io.BufferedRandom:ResourceWarning"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.filterwarnings(ANSIBLES))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files git knows, so that nobody's results are touched."""
    folder = tmp_path_factory.mktemp("checkout")
    known = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, check=True, capture_output=True, text=True
    )
    for name in filter(None, known.stdout.split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, target)
    (folder / ".venv").symlink_to(REPOSITORY / ".venv")
    return folder


@pytest.fixture(scope="session")
def node_image() -> Path:
    """The baked node image; else a bare Debian that boots and has SSH, made once and kept."""
    if os.geteuid() != 0 or any(shutil.which(program) is None for program in PROGRAMS):
        pytest.skip("local nodes need root and systemd-nspawn")
    try:
        return rootfs()
    except MachineError:
        bare = home() / "images" / "test" / "rootfs"
    if not bare.exists():
        if shutil.which("mmdebstrap") is None:
            pytest.skip("there is no baked node image, and no mmdebstrap to make a bare one")
        partial = bare.with_name("partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.parent.mkdir(parents=True, exist_ok=True)
        command = ["mmdebstrap", "-q", "--variant=minbase", f"--include={BASE}", "bookworm"]
        subprocess.run([*command, str(partial)], check=True)
        (partial / "etc/hostname").unlink()
        partial.rename(bare)
    return bare


@pytest.fixture(scope="session")
def two_prefixes() -> list[str]:
    """Two address prefixes that nothing uses; other sessions start to look somewhere else."""
    found: list[str] = []
    for step in range(50):
        prefix = f"10.{200 + (os.getpid() * 2 + step) % 50}"
        try:
            refuse_prefix_in_use(prefix)
        except TestbedError:
            continue
        found.append(prefix)
        if len(found) == 2:
            return found
    raise AssertionError("no two prefixes are free")


@pytest.fixture(scope="session")
def free_prefix(two_prefixes: list[str]) -> str:
    """An address prefix that nothing on this machine uses."""
    return two_prefixes[0]


@pytest.fixture
def own_home(node_image: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty state folder; what the test leaves held is released after it."""
    folder = Path(tempfile.mkdtemp(prefix="dw-", dir="/var/tmp"))
    monkeypatch.setenv("DISCOVERY_HOME", str(folder))
    try:
        yield folder
        release_all()
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def local_file(own_home: Path, node_image: Path, free_prefix: str) -> Path:
    """A testbed file for local nodes of the tests' own."""
    path = own_home / "local.yaml"
    document = {"provider": "local", "prefix": free_prefix, "image": str(node_image)}
    path.write_text(yaml.safe_dump(document))
    load_testbed(path)
    return path
