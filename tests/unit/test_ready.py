"""A command gets files to open and a temporary folder of its own, and leaves none behind."""

import os
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from discovery.machine import allow_open_files, ready

AS_SOMEBODY = (
    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
    # A checkout may be where only root can read.
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
LEFT = """
import os, signal, subprocess, tempfile
from discovery.machine import ready
with ready("discovery testbed up"):
    tempfile.mkdtemp(prefix="ansible-local-")
    subprocess.run(["mktemp", "-d", "-t", "apt-key-gpghome.XXXXXXXXXX"], check=True)
    os.kill(os.getpid(), signal.{signal})
"""


@pytest.fixture
def base(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_all_temporary_files_are_in_one_folder_that_goes(base):
    before = dict(os.environ)
    with ready("discovery tidy"):
        (folder,) = base.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
        made = subprocess.run(["mktemp"], capture_output=True, text=True, check=True).stdout
        assert Path(made).parent == folder
        assert Path(tempfile.mkdtemp()).parent == folder
        assert os.environ["ANSIBLE_LOCAL_TEMP"] == str(folder)
    assert names(base) == []
    assert dict(os.environ) == before
    assert tempfile.gettempdir() == str(base)


def test_what_a_killed_command_and_its_programs_left_is_swept_by_the_next_and_nothing_else(base):
    foreign = ["discovery-0123abcd", "ansible-local-1", "discovery-mine.scratch"]
    for name in foreign:
        (base / name).mkdir()
    code = LEFT.format(signal="SIGKILL")
    killed = {**os.environ, "TMPDIR": str(base)}
    subprocess.run([sys.executable, "-c", code], env=killed, stdout=subprocess.DEVNULL, check=False)
    assert len(names(base)) == len(foreign) + 1
    with ready("discovery tidy"):
        assert len(names(base)) == len(foreign) + 1
    assert names(base) == sorted(foreign)


def test_what_a_living_command_has_is_left_alone(base):
    code = LEFT.format(signal="SIGSTOP")
    environment = {**os.environ, "TMPDIR": str(base)}
    stopped = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.DEVNULL
    )
    try:
        os.waitid(os.P_PID, stopped.pid, os.WSTOPPED | os.WNOWAIT)
        with ready("discovery tidy"):
            pass
        (folder,) = base.iterdir()
        assert len(names(folder)) == 2
    finally:
        stopped.send_signal(signal.SIGCONT)
        stopped.wait()
    assert names(base) == []


def test_a_machine_without_room_for_temporary_files_is_not_refused_before_they_are_needed(
    monkeypatch, tmp_path
):
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with ready("discovery plan"):
        pass
    assert names(tmp_path) == ["file"]


@pytest.fixture
def limits():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_as_many_files_may_be_opened_as_the_hard_limit_allows():
    code = "import resource; from discovery.machine import allow_open_files; allow_open_files();"
    code += "print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    command = f"ulimit -n 60; ulimit -S -n 40; exec {sys.executable} -c '{code}'"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.split() in (["60", "60"], ["4096", "4096"])  # as root may do more, or not


def test_a_limit_that_is_high_enough_stays(limits):
    allow_open_files(wanted=16)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == limits


SHOW = """
import getpass, os
from discovery.machine import ready
with ready("discovery tidy"):
    print(getpass.getuser(), *(os.environ.get(name, "") for name in ("HOME", "XDG_CACHE_HOME")))
"""


@needs_root
def test_who_has_no_name_and_no_home_gets_both_for_the_while(tmp_path):
    tmp_path.chmod(0o777)
    command = [*AS_SOMEBODY, sys.executable, "-c", SHOW]
    command[1] = "--reuid=54321"
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    name, home, cache = done.stdout.split()
    assert (name, home) == ("uid54321", "/nonexistent")
    assert Path(cache).parent.parent == tmp_path
