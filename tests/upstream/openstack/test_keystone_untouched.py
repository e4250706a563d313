"""Keystone is the published wheel, on disk and in its process, with all of ours beside it."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import keystone_wheel

WHEEL = Path(keystone_wheel.__file__)
IN_PROCESS = Path(__file__).with_name("keystone_in_process.py")


def answer(python, program, **environment):
    done = subprocess.run(
        [python, program], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_wheel_is_the_published_one(openstack):
    assert answer(openstack / "python", WHEEL) == keystone_wheel.UNTOUCHED


def test_nothing_in_its_process_is_replaced(openstack):
    found = answer(openstack / "python", IN_PROCESS)
    assert found["names"] > 1000
    assert found["changed"] == []


@pytest.fixture
def copied(openstack, tmp_path):
    """The package and its list of files, in a folder of their own that comes first."""
    (packages,) = openstack.parent.glob("lib/python*/site-packages")
    for folder in (packages / "keystone", next(packages.glob("keystone-*.dist-info"))):
        shutil.copytree(folder, tmp_path / folder.name)
    return tmp_path


def test_any_change_would_be_found(openstack, copied):
    def state():
        return answer(openstack / "python", WHEEL, PYTHONPATH=str(copied))

    assert state() == keystone_wheel.UNTOUCHED
    changed, added = copied / "keystone/notifications.py", copied / "keystone/ours.py"
    changed.write_bytes(changed.read_bytes() + b"\n")
    (copied / "keystone/i18n.py").unlink()
    added.touch()
    assert state() == {
        "wheel": keystone_wheel.PUBLISHED,
        "changed": ["keystone/i18n.py", "keystone/notifications.py"],
        "added": ["keystone/ours.py"],
    }
    # A list that was rewritten with the files is another list.
    record = next(copied.glob("*.dist-info")) / "RECORD"
    lines = record.read_text().splitlines(keepends=True)
    record.write_text("".join(line for line in lines if "i18n" not in line))
    assert state()["wheel"] != keystone_wheel.PUBLISHED
