"""What the system refuses becomes one sentence; what is a bug of ours keeps its traceback."""

import errno
import os
import subprocess
from pathlib import Path

import pytest

from discovery.errors import MachineError, StorageError
from discovery.storage import refusals_told, storing, unusable


def told(error):
    with pytest.raises(MachineError) as caught, refusals_told("discovery tidy"):
        raise error
    assert "\n" not in str(caught.value)
    return str(caught.value)


def refused(number, *names):
    return OSError(number, os.strerror(number), *names)


@pytest.mark.parametrize(
    "number",
    [
        *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR),
        *(errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG, errno.EMFILE, errno.ENFILE),
        *(errno.ELOOP, errno.EIO, errno.EFBIG, errno.ESTALE, errno.EBUSY),
    ],
)
def test_a_place_that_is_refused_anywhere_is_told(number):
    text = told(refused(number, "/results/cells.parquet"))
    assert text.startswith("/results/cells.parquet cannot be used for `discovery tidy`: ")
    assert "each file it had written is whole" in text


def test_a_write_that_names_no_file_is_told_too():
    text = told(refused(errno.ENOSPC))
    assert text.startswith("a file cannot be written for `discovery tidy`: no space left on device")


@pytest.mark.parametrize(
    "bug",
    [
        refused(errno.ENOENT, "/results/cells.parquet"),
        refused(errno.EACCES),  # as of a signal or a socket: it is about no place
        refused(errno.ECONNREFUSED),
        refused(errno.EINVAL, "/results"),
        ValueError("ours"),
        RuntimeError("ours"),
        subprocess.CalledProcessError(1, ["ip"], stderr="ours"),
    ],
)
def test_a_bug_keeps_its_traceback(bug):
    with pytest.raises(type(bug)) as caught, refusals_told("discovery tidy"):
        raise bug
    assert caught.value is bug


def test_of_a_copy_the_one_that_was_written_is_named():
    copy = OSError(errno.ENOSPC, "full", "/archive/cells.parquet", None, "/tidy/cells.parquet")
    assert told(copy).startswith("/tidy/cells.parquet cannot be used")
    with pytest.raises(StorageError, match=r"^/tidy cannot be used"), storing(Path("/tidy")):
        raise copy


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "f").touch()
    for path in (tmp_path / "f", tmp_path / "f" / "x" / "y"):
        with pytest.raises(OSError, match=r"f") as caught:
            path.mkdir(parents=True)
        assert f"{tmp_path}/f is no folder; " in str(unusable(caught.value, path, "it", "safe"))


def test_a_full_disk_is_only_taken_for_this_one_where_nothing_else_is_written(tmp_path):
    with pytest.raises(StorageError), storing(tmp_path / "x"):
        raise refused(errno.ENOSPC)
    with pytest.raises(OSError, match="No space"), storing(tmp_path / "x", alone=False):
        raise refused(errno.ENOSPC)


def test_memory_processes_and_threads_are_told(monkeypatch):
    assert "needs more memory" in told(MemoryError())
    assert "ulimit -u" in told(RuntimeError("can't start new thread"))

    def no_more(*_):
        raise refused(errno.EAGAIN)

    monkeypatch.setattr(subprocess, "_fork_exec", no_more)
    refusal = pytest.raises(MachineError, match="cannot start another process")
    with refusal, refusals_told("discovery tidy"):
        subprocess.run(["/bin/true"], check=True, start_new_session=True)


def test_what_a_program_says_of_a_full_disk_is_told():
    failed = subprocess.CalledProcessError(
        1, ["ssh-keygen", "-q"], stderr=b"Saving key failed: No space left on device\n"
    )
    text = told(failed)
    assert text.startswith("`ssh-keygen` failed, which `discovery tidy` needs: Saving key failed")


def test_no_room_for_temporary_files_is_told(monkeypatch):
    names = ["/tmp", "/var/tmp"]
    gone = FileNotFoundError(errno.ENOENT, f"No usable temporary directory found in {names}")
    assert "set TMPDIR to a folder with room" in told(gone)


def test_within_a_verb_a_place_without_a_purpose_is_for_that_verb():
    path = Path("/dev/full")
    refusal = pytest.raises(StorageError, match=r"for `discovery tidy`: no space")
    with refusal, refusals_told("discovery tidy"), storing(path):
        path.write_text("x")
