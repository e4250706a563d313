"""Only regular files are read, and no more of one than expected."""

import json
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from discovery.claims.load import load_claims
from discovery.errors import ConfigError
from discovery.evaluation.check import check_everything
from discovery.experiment.load import load_experiment, read_yaml
from discovery.reading import MOST_CONFIGURATION, is_there, parse_json, read_bytes
from discovery.testbed.load import load_testbed
from discovery.whole import sha256


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        before = Path.cwd()
        os.chdir(path.parent)  # the longest path of a socket is short
        try:
            one.bind(path.name)
        finally:
            os.chdir(before)


def _large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


SPECIAL: dict[str, tuple[Callable[[Path], None], str]] = {
    "pipe": (os.mkfifo, "cannot be read: Is a named pipe, and no regular file"),
    "socket": (_socket, "cannot be read: Is a socket, and no regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "cannot be read: Is a device"),
    "folder": (Path.mkdir, "cannot be read: Is a directory"),
    "loop": (lambda path: path.symlink_to(path.name), "cannot be read: Too many levels"),
    "nowhere": (lambda path: path.symlink_to("nowhere"), "no such file"),
    "large": (_large, "cannot be read: Has more than 1,048,576 bytes"),
    "endless": (lambda path: path.symlink_to("/proc/kallsyms"), "cannot be read: Has more than"),
    "latin": (lambda path: path.write_bytes(b"title: \xe9\n"), "not text in UTF-8"),
    "utf-16": (lambda path: path.write_bytes("a: 1".encode("utf-16")), "not text in UTF-8"),
    "nul": (lambda path: path.write_bytes(b"a: \0\n"), "it holds the character U+0000"),
}  # fmt: skip


@pytest.fixture(params=SPECIAL)
def special(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    make, told = SPECIAL[request.param]
    (tmp_path / "one").mkdir()
    make(tmp_path / "one" / "experiment.yaml")
    return tmp_path / "one" / "experiment.yaml", told


@pytest.mark.timeout(20)
def test_a_special_file_is_one_sentence(special: tuple[Path, str]) -> None:
    path, told = special
    for read in (read_yaml, load_testbed, lambda path: load_experiment(path.parent)):
        with pytest.raises(ConfigError) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert told in str(caught.value)


@pytest.mark.timeout(20)
def test_no_experiment_vanishes_because_its_file_is_special(special: tuple[Path, str]) -> None:
    path, told = special
    with pytest.raises(ConfigError, match=re.escape(told)):
        list(check_everything(path.parents[1], None))


def test_an_experiment_without_its_file_is_missed(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "claims.yaml").touch()
    with pytest.raises(ConfigError, match=r"one/experiment\.yaml: no such file"):
        list(check_everything(tmp_path, None))


def test_claims_in_a_pipe_are_not_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "keystone-2018"
    folder.mkdir()
    ours = Path("experiments/keystone-2018/experiment.yaml")
    (folder / "experiment.yaml").write_bytes(ours.read_bytes())
    os.mkfifo(folder / "claims.yaml")
    with pytest.raises(ConfigError, match=r"claims\.yaml: cannot be read: Is a named pipe"):
        load_claims(folder)


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * MOST_CONFIGURATION)
    assert read_bytes(path, MOST_CONFIGURATION) == path.read_bytes()
    with pytest.raises(OSError, match="Has more than"):
        read_bytes(path, MOST_CONFIGURATION - 1)


def test_no_path_is_too_odd_to_be_asked_for(tmp_path: Path) -> None:
    assert is_there(tmp_path)
    assert not is_there(tmp_path / ("x" * 5000))
    assert not is_there(tmp_path / "a\0b")
    with pytest.raises(OSError, match="Invalid argument"):
        read_bytes(tmp_path / "a\0b", 1)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a": 1, "a": 2}',
        '{"a": {"b": 1, "b": 1}}',
        "NaN",
        "[-Infinity]",
        "9" * 5000,
        str(2**63),
        f"[-{2**63 + 1}]",
        "",
        '{"a": 1',
    ],
)
def test_json_that_says_too_much_or_too_little_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_json(text)
    assert not isinstance(caught.value, RecursionError)


def test_json_of_ours_is_read() -> None:
    text = f'{{"a": [1, -1.5e3, null, true, "x"], "b": {2**63 - 1}, "c": -{2**63}}}'
    assert parse_json(text) == json.loads(text)


@pytest.mark.timeout(20)
def test_a_checksum_does_not_wait_for_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="Is a named pipe"):
        sha256(tmp_path / "pipe")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**36)
    with pytest.raises(OSError, match="Has more than"):
        sha256(tmp_path / "large")


def test_a_file_of_the_kernel_that_has_nothing_to_say_is_refused(tmp_path, monkeypatch):
    """As /proc/kmsg: it looks like a regular file, and would be waited for."""
    path = tmp_path / "kmsg"
    path.write_text("x")

    class Silent:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            os.close(self.descriptor)

        def __init__(self, descriptor, _mode):
            self.descriptor = descriptor

        def read(self, _most):
            return None

    monkeypatch.setattr(os, "fdopen", Silent)
    with pytest.raises(OSError, match="would be waited for"):
        read_bytes(path, 10)
