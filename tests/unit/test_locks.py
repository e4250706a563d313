"""What is installed is what was locked: every file that an installer may take has its hash."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted(
    path
    for folder in ("scripts", "discovery", "tests")
    for path in (ROOT / folder).rglob("*.lock")
    if path.is_file()
)
PIN = re.compile(r"[a-z0-9][a-z0-9._-]*==[0-9][0-9a-z.!+]*")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}")
INSTALLERS = [
    "scripts/lib.sh",
    "tests/upstream/openstack/environment.py",
    *(f"discovery/deploy/ansible/install/roles/{name}/tasks/main.yml"
      for name in ("base", "openstack", "rally")),
]  # fmt: skip


def pins(lock):
    """Each pin's hashes."""
    found = {}
    for line in lock.read_text(encoding="utf-8").replace(" \\\n", "\n").splitlines():
        if PIN.fullmatch(line):
            last = found.setdefault(line, [])
        else:
            assert HASH.fullmatch(line), f"{lock.name}: {line!r} is neither a pin nor a hash"
            last.append(line)
    return found


def test_all_locks_are_seen():
    assert [path.relative_to(ROOT).as_posix() for path in LOCKS] == [
        "discovery/deploy/image/openstack.lock",
        "discovery/deploy/image/rally.lock",
        "discovery/deploy/image/uv.lock",
        "scripts/requirements.lock",
        "tests/upstream/openstack/openstack.lock",
    ]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.parent.name + "-" + path.name)
def test_a_lock_has_pins_and_hashes_and_names_no_index(lock):
    for pin, hashes in pins(lock).items():
        assert hashes, f"{lock.name}: {pin} has no hash"


@pytest.mark.parametrize("name", INSTALLERS)
def test_who_installs_wants_hashes(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    installs = len(re.findall(r'pip install (?!.*--offline)|pip sync|"pip", "sync"', text))
    editable = len(re.findall(r"--editable", text))
    assert installs
    assert text.count("--require-hashes") >= installs - editable


def test_what_is_built_from_source_is_built_with_what_is_locked():
    """A source's build pulls setuptools: it is in each lock that has such a source."""
    for lock in LOCKS:
        if lock.name != "uv.lock":
            assert any(pin.startswith("setuptools==") for pin in pins(lock))
    for name in INSTALLERS:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "--build-constraints" in text or name.endswith("base/tasks/main.yml")


def test_the_installer_itself_is_taken_from_the_lock_with_its_hashes():
    script = f". {ROOT}/scripts/lib.sh; locked uv"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    first, *others = done.stdout.splitlines()
    assert first.startswith("uv==")
    assert others
    assert all(HASH.fullmatch(line.removesuffix(" \\")) for line in others)
