"""Files and folders appear whole, whatever happens while they are written."""

import errno
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from discovery.errors import StorageError
from discovery.whole import whole_file, whole_folder, write_whole


def test_a_folder_appears_whole(tmp_path):
    out = tmp_path / "raw" / "cell"
    with whole_folder(out) as folder:
        (folder / "wan.json").write_text("{}")
        assert not out.exists()
    assert (out / "wan.json").read_text() == "{}"
    assert [path.name for path in out.parent.iterdir()] == ["cell"]


def test_an_accident_leaves_nothing(tmp_path):
    out = tmp_path / "cell"
    with pytest.raises(RuntimeError), whole_folder(out) as folder:
        (folder / "wan.json").write_text("{}")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_a_stale_one_and_an_older_result_are_replaced(tmp_path):
    out = tmp_path / "cell"
    for content in ("first", "second"):
        out.mkdir(exist_ok=True)
        (tmp_path / ".cell.0123abcd.partial").mkdir()
        with whole_folder(out) as folder:
            (folder / "cell.json").write_text(content)
        assert (out / "cell.json").read_text() == content
        assert [path.name for path in tmp_path.iterdir()] == ["cell"]


def test_a_file_is_replaced_when_the_new_one_is_whole(tmp_path):
    path = tmp_path / "deep" / "claims.json"
    write_whole(path, "first")
    with whole_file(path) as partial:
        partial.write_text("second")
        assert path.read_text() == "first"
    assert path.read_text() == "second"
    assert [entry.name for entry in path.parent.iterdir()] == ["claims.json"]


def test_an_accident_leaves_the_old_file(tmp_path):
    path = tmp_path / "claims.json"
    write_whole(path, "first")
    with pytest.raises(RuntimeError), whole_file(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == "first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["claims.json"]


@contextmanager
def umask(mask):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize(("mask", "file", "folder"), [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700)])
def test_what_is_new_has_the_mode_that_the_umask_leaves_it(tmp_path, mask, file, folder):
    with umask(mask):
        write_whole(tmp_path / "dump.sql", "secret")
        with whole_folder(tmp_path / "cell"):
            pass
    assert mode_of(tmp_path / "dump.sql") == file
    assert mode_of(tmp_path / "cell") == folder


@pytest.mark.parametrize("mode", [0o600, 0o444, 0o664])
def test_what_is_replaced_keeps_its_mode(tmp_path, mode):
    path, cell = tmp_path / "dump.sql", tmp_path / "cell"
    path.touch()
    path.chmod(mode)
    cell.mkdir()
    cell.chmod(0o750)
    with whole_file(path) as partial:
        assert mode_of(partial) & ~mode & 0o077 == 0  # never open to more than the whole one is
        partial.write_text("secret")
    with whole_folder(cell):
        pass
    assert (mode_of(path), path.read_text()) == (mode, "secret")
    assert mode_of(cell) == 0o750


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_what_is_replaced_keeps_its_owner(tmp_path):
    path = tmp_path / "claims.json"
    path.touch()
    os.chown(path, 12345, 54321)
    write_whole(path, "{}")
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 54321)


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_what_it_points_to_is_made(tmp_path, there):
    disk = tmp_path / "disk"
    disk.mkdir()
    if there:
        (disk / "claims.json").write_text("first")
        (disk / "cell").mkdir()
    for name in ("claims.json", "cell"):
        (tmp_path / name).symlink_to(disk / name)
    write_whole(tmp_path / "claims.json", "second")
    with whole_folder(tmp_path / "cell") as folder:
        (folder / "cell.json").touch()
    assert (tmp_path / "claims.json").is_symlink()
    assert (tmp_path / "cell").is_symlink()
    assert (disk / "claims.json").read_text() == "second"
    assert names(disk / "cell") == ["cell.json"]
    assert names(disk) == ["cell", "claims.json"]


def test_a_pipe_gets_the_content_and_stays(tmp_path):
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    write_whole(pipe, "all of it")
    reader.join()
    assert got == ["all of it"]
    assert pipe.is_fifo()


def test_a_device_gets_the_content_and_stays(tmp_path):
    link = tmp_path / "null"
    link.symlink_to("/dev/null")
    write_whole(link, "all of it")
    assert link.is_char_device()
    with pytest.raises(StorageError, match=r"/dev/full .* no space left on device"):
        write_whole(tmp_path.__class__("/dev/full"), "all of it")


WRITE = "import sys; from pathlib import Path; from discovery.whole import write_whole;"


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_gets_the_content_after_what_it_has(tmp_path, name):
    out = tmp_path / "out"
    out.write_text("before\n")
    with out.open("a") as stdout:
        code = f"{WRITE} write_whole(Path({name!r}), 'content')"
        subprocess.run([sys.executable, "-c", code], stdout=stdout, check=True)
    assert out.read_text() == "before\ncontent"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "content"


def test_a_folder_is_no_file_and_a_file_no_folder(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageError, match=r"folder cannot be used for the verdicts: is a dir"):
        write_whole(tmp_path / "folder", "", "the verdicts")
    with pytest.raises(StorageError, match="file is no folder"), whole_folder(tmp_path / "file"):
        pytest.fail("an hour of measuring, for nothing")
    assert (tmp_path / "file").read_text() == "mine"
    assert names(tmp_path) == ["file", "folder"]


@pytest.mark.parametrize("below", ["x", "x/y"])
def test_below_a_file_nothing_can_be(tmp_path, below):
    (tmp_path / "f").touch()
    for make in (whole_file, whole_folder):
        with (
            pytest.raises(StorageError) as caught,
            make(tmp_path / "f" / below, "the raw results"),
        ):
            pytest.fail("an hour of measuring, for nothing")
        assert f"{tmp_path}/f/{below} cannot be used for the raw results" in str(caught.value)
        assert f"{tmp_path}/f is no folder; nothing was changed; " in str(caught.value)


def test_a_name_that_is_too_long_and_links_in_a_circle_are_told(tmp_path):
    with pytest.raises(StorageError, match=r"file name too long; .* choose a shorter name"):
        write_whole(tmp_path / ("x" * 256), "")
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(StorageError, match="too many levels of symbolic links"):
        write_whole(tmp_path / "a", "")


def test_the_longest_name_there_can_be_is_written(tmp_path):
    write_whole(tmp_path / ("x" * 255), "whole")
    with whole_folder(tmp_path / ("y" * 255)):
        pass
    assert names(tmp_path) == ["x" * 255, "y" * 255]


@contextmanager
def full_disk():
    """The system's own refusal to write more: a limit of 4 KiB on every file of this process.

    No fixture: pytest writes to its log before a fixture ends, and that may be longer.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_what_does_not_fit_leaves_what_was_there(tmp_path):
    old = tmp_path / "claims.json"
    old.write_text("first")
    with (
        full_disk(),
        pytest.raises(StorageError, match=r"claims.json .* for the verdicts: file too large; noth"),
    ):
        write_whole(old, "x" * 5000, "the verdicts")
    with (
        full_disk(),
        pytest.raises(StorageError, match="cell cannot be used"),
        whole_folder(tmp_path / "cell") as new,
    ):
        (new / "raw.json").write_text("x" * 5000)
    with full_disk(), pytest.raises(StorageError, match=r"tables\.csv"):
        write_whole(tmp_path / "new" / "deep" / "tables.csv", "x" * 5000)
    assert old.read_text() == "first"
    assert names(tmp_path) == ["claims.json"]


def test_an_error_that_is_not_of_the_disk_stays_what_it_is(tmp_path):
    for bug in (OSError(errno.EINVAL, "ours"), FileNotFoundError(errno.ENOENT, "ours", "/x")):
        with pytest.raises(OSError, match="ours") as caught, whole_file(tmp_path / "a"):
            raise bug
        assert caught.value is bug
    forbidden = PermissionError(errno.EACCES, "another file's", "/elsewhere")
    with pytest.raises(PermissionError), whole_file(tmp_path / "a"):
        raise forbidden


KILLED = """
import os, signal
from discovery.whole import whole_file, whole_folder
from pathlib import Path
with whole_file(Path("a")) as file, whole_folder(Path("b")) as folder:
    file.write_text("half"); (folder / "half").touch()
    os.kill(os.getpid(), signal.{signal})
"""


def test_what_a_killed_program_left_is_swept_by_the_next_and_nothing_else(tmp_path):
    foreign = [".a.backup", ".a.0123abcd", "b.0123abcd.partial"]
    for name in foreign:
        (tmp_path / name).touch()
    subprocess.run(
        [sys.executable, "-c", KILLED.format(signal="SIGKILL")], cwd=tmp_path, check=False
    )
    assert len(names(tmp_path)) == 5
    write_whole(tmp_path / "c", "")
    assert names(tmp_path) == sorted([*foreign, "c"])


def test_what_a_living_program_makes_is_left_alone(tmp_path):
    stopped = subprocess.Popen(
        [sys.executable, "-c", KILLED.format(signal="SIGSTOP")], cwd=tmp_path
    )
    try:
        os.waitid(os.P_PID, stopped.pid, os.WSTOPPED | os.WNOWAIT)
        write_whole(tmp_path / "a", "ours")
        assert len(names(tmp_path)) == 3
        stopped.send_signal(signal.SIGCONT)
        assert stopped.wait() == 0
    finally:
        stopped.kill()
        stopped.wait()
    assert names(tmp_path) == ["a", "b"]
    assert (tmp_path / "a").read_text() == "half"


def test_a_folder_is_replaced_where_names_cannot_be_exchanged(tmp_path, monkeypatch):
    monkeypatch.setattr("discovery.whole._exchange", lambda one, other: False)
    for content in ("first", "second"):
        with whole_folder(tmp_path / "cell") as folder:
            (folder / "cell.json").write_text(content)
    assert (tmp_path / "cell" / "cell.json").read_text() == "second"
    assert names(tmp_path) == ["cell"]


def test_a_folder_that_has_no_room_is_told_before_it_is_filled(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    refusal = pytest.raises(StorageError, match=r"raw/cell cannot be used: no space left")
    with refusal, whole_folder(tmp_path / "raw" / "cell"):
        pytest.fail("an hour of measuring, for nothing")
    assert names(tmp_path) == []
