"""A process that goes on after a lease can still use EnOSlib."""

import sys

import enoslib as en
import pytest

from discovery.testbed import environment
from discovery.testbed.processes import disown

# Ansible never closes the file that it locks while it connects.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file <_io.BufferedRandom:ResourceWarning")


def test_enoslib_works_when_the_leases_folder_is_gone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "lease"
    folder.mkdir()
    for name in ("ANSIBLE_SSH_CONTROL_PATH_DIR", "ANSIBLE_SSH_ARGS"):
        monkeypatch.setenv(name, "")  # put back what configure() sets
    environment.configure(folder)
    disown(folder)
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir()
    folder.rmdir()
    environment.restore()
    variables = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    host = en.Host("127.0.0.1", alias="here", extra=variables)
    (result,) = en.run_command("echo still here", roles=[host])
    assert result.stdout == "still here"
