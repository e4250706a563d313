"""A result says of which commit it is, whoever owns the checkout; where it cannot, that is told."""

import logging
import subprocess
from pathlib import Path

import pytest

from discovery.workload import manifest


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout of another user, with one commit, that the workbench seems to be run from."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    code = tmp_path / "discovery" / "workload" / "manifest.py"
    code.parent.mkdir(parents=True)
    code.write_text("")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    git(tmp_path, *who, "commit", "--quiet", "--message", "one")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setattr(manifest, "__file__", str(code))
    return tmp_path


def git(folder, *arguments):
    done = subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def environment():
    found = manifest.environment("local", "forwarder", "c0ffee", {})
    return found["commit"], found["dirty"]


def test_a_checkout_of_another_user_has_a_commit(checkout, monkeypatch):
    with pytest.raises(subprocess.CalledProcessError):
        git(checkout, "rev-parse", "HEAD")  # git is as strict as it was
    commit, dirty = environment()
    assert len(commit) == 40
    assert dirty is False
    Path(manifest.__file__).write_text("changed")
    assert environment() == (commit, True)
    monkeypatch.delenv("GIT_TEST_ASSUME_DIFFERENT_OWNER")
    assert git(checkout, "rev-parse", "HEAD") == commit


def test_a_configuration_of_the_checkout_is_not_obeyed(checkout, tmp_path):
    script = tmp_path / "obey"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/obeyed\n")
    script.chmod(0o755)
    with (checkout / ".git" / "config").open("a") as config:
        config.write(f"[core]\n\tfsmonitor = {script}\n")
    assert environment()[0] is not None
    assert not (tmp_path / "obeyed").exists()


def test_a_checkout_that_git_cannot_read_is_told(checkout, caplog):
    (checkout / ".git" / "HEAD").write_text("nonsense")
    with caplog.at_level(logging.WARNING):
        assert environment() == (None, False)
    (record,) = caplog.records
    assert "which commit they are of" in record.getMessage()


def test_outside_of_a_checkout_there_is_nothing_to_tell(checkout, caplog):
    (checkout / ".git").rename(checkout / "not-git")
    assert environment() == (None, False)
    assert caplog.records == []
