"""The CockroachDB program: what is taken, what is refused and how, what is fetched."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import os
import platform
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from discovery.deploy import image
from discovery.deploy.cockroach import fetch as fetching
from discovery.deploy.cockroach import program, release
from discovery.deploy.cockroach.elf import machine_of
from discovery.errors import MachineError
from tests.unit.deploy import tiny_elf

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="the stand-ins are programs for amd64"
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    for name in (program.VARIABLE, program.CHECKSUM_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def named(tmp_path, monkeypatch) -> Path:
    """The path that is named; a test puts there what it wants to."""
    path = tmp_path / "cockroach"
    monkeypatch.setenv(program.VARIABLE, str(path))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(MachineError) as caught:
        program.missing()
    said = str(caught.value)
    assert said.startswith(f"DISCOVERY_COCKROACH={path} ")
    assert "\n" not in said
    return said


def test_where_there_is_none_it_says_what_to_set():
    assert program.find() is None
    assert program.missing() == "no CockroachDB binary (set DISCOVERY_COCKROACH to one)"


@pytest.mark.parametrize("tag", ["v21.1.0-beta.1-7-gabc", "v21.1.0", "v23.1.4", "v26.3.0"])
def test_every_version_from_21_1_on_is_taken(named, tag):
    tiny_elf.cockroach(named, tag)
    found = program.find()
    assert (found.path, found.tag) == (named, tag)
    assert found.sha256 == hashlib.sha256(named.read_bytes()).hexdigest()
    assert found.on_node.parts[-2] == found.sha256[:16]
    assert program.missing() is None


def test_a_file_that_is_not_there_is_refused(named):
    assert refusal(named).endswith("names no file")
    named.mkdir()
    assert refusal(named).endswith("names no file")


def test_a_file_that_cannot_be_executed_is_refused(named):
    tiny_elf.cockroach(named).chmod(0o644)
    assert "is not executable" in refusal(named)


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\nexec sleep 1000\n", b"\x7fELF\x02\x01"])
def test_a_file_that_is_no_program_for_linux_is_refused(named, content):
    tiny_elf.write(named, content)
    assert "is not CockroachDB: it is no program for Linux" in refusal(named)


@pytest.mark.parametrize(
    ("machine", "name"), [(0xB7, "arm64"), (0x03, "i386"), (0x99, "machine 0x99")]
)
def test_a_program_for_another_machine_is_refused(named, machine, name):
    tiny_elf.write(named, tiny_elf.program("hello", machine=machine))
    assert refusal(named).endswith(f"is a program for {name}, and the nodes here are amd64")


def test_a_big_endian_header_is_read_as_such(tmp_path):
    start = b"\x7fELF\x02\x02\x01" + bytes(9) + b"\x00\x02\x00\x16"
    path = tmp_path / "program"
    path.write_bytes(start)
    assert machine_of(path) == "s390x"


def test_a_stand_in_that_speaks_nothing_is_refused(named):
    tiny_elf.write(named, tiny_elf.program())
    assert refusal(named).endswith("is not CockroachDB: asked for its version, it said nothing")


def test_a_program_that_says_something_else_is_refused_with_what_it_said(named):
    tiny_elf.write(named, tiny_elf.program("Version 23.1.4\nof something\n" + 90 * "x"))
    said = refusal(named)
    assert "it said 'Version 23.1.4 of something xxx" in said
    assert len(said) < 250


def test_a_program_that_never_ends_is_refused_and_ended(named, monkeypatch):
    monkeypatch.setattr(program, "_ANSWER_S", 0.3)
    tiny_elf.write(named, tiny_elf.program("…", waits=True))
    assert "it did not answer in 0.3 s" in refusal(named)
    running = {_program_of(process) for process in psutil.process_iter()}
    assert str(named) not in running


def _program_of(process: psutil.Process) -> str | None:
    try:
        return process.exe()
    except psutil.Error:
        return None


def test_a_program_that_never_stops_talking_is_not_listened_to_for_long(named):
    tiny_elf.write(named, tiny_elf.program("all work and no play " * 5000, waits=True))
    assert "it said 'all work and no play" in refusal(named)


@pytest.mark.parametrize("tag", ["v20.2.19", "v2.0.1", "v19.1.0"])
def test_a_version_that_is_too_old_is_refused(named, tag):
    tiny_elf.cockroach(named, tag)
    assert refusal(named).endswith(f"is CockroachDB {tag}, and the oldest that works is v21.1.0")


@pytest.mark.parametrize("tag", ["latest", "23.1", "v23.1", "v1.2.3.4"])
def test_a_tag_that_is_no_version_is_refused(named, tag):
    tiny_elf.cockroach(named, tag)
    assert f"calls itself {tag}" in refusal(named)


def test_a_wrong_checksum_is_refused(named, monkeypatch):
    content = tiny_elf.cockroach(named).read_bytes()
    right = hashlib.sha256(content).hexdigest()
    monkeypatch.setenv(program.CHECKSUM_VARIABLE, right.upper())
    assert program.missing() is None
    monkeypatch.setenv(program.CHECKSUM_VARIABLE, "0" * 64)
    assert f"has the SHA-256 {right}, and should have 000" in refusal(named)


def test_a_file_is_read_and_asked_once_in_a_process_until_it_changes(named, monkeypatch):
    done: list[str] = []

    def seen(name):
        does = getattr(program, name)
        monkeypatch.setattr(program, name, lambda *given: (done.append(name), does(*given))[1])

    seen("sha256")
    seen("_ask")
    tiny_elf.cockroach(named)
    for _ in range(3):
        assert program.find().tag == "v23.1.4"
        assert program.missing() is None
    assert done == ["sha256", "_ask"]
    tiny_elf.cockroach(named, "v23.1.5")
    assert program.find().tag == "v23.1.5"
    assert done == 2 * ["sha256", "_ask"]
    tiny_elf.write(named, tiny_elf.program())
    for _ in range(3):
        assert "it said nothing" in refusal(named)
    assert done == 3 * ["sha256", "_ask"]
    # What is named may still go, or change its checksum, without the file changing.
    monkeypatch.setenv(program.CHECKSUM_VARIABLE, "0" * 64)
    assert "should have 000" in refusal(named)
    named.unlink()
    assert refusal(named).endswith("names no file")


@pytest.fixture
def vendor(tmp_path, monkeypatch) -> Iterator[Path]:
    """A folder served as the vendor's site; ``site`` of the module is its address."""
    folder = tmp_path / "vendor"
    folder.mkdir()
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        (folder / "address").write_text(f"http://127.0.0.1:{server.server_port}")
        yield folder
        server.shutdown()
        thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass


def publish(vendor: Path, content: bytes, architecture: str = "amd64", member: str = "") -> Path:
    """The pinned release's archive on the vendor's site, with ``content`` as the program."""
    name = release.archive(architecture)
    path = vendor / f"{name}.tgz"
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo(member or f"{name}/cockroach")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return path


def pin(monkeypatch, archive: Path) -> None:
    checksum = hashlib.sha256(archive.read_bytes()).hexdigest()
    monkeypatch.setattr(release, "CHECKSUMS", {"amd64": checksum})


def fetch(vendor: Path) -> tuple[program.Program | None, list[str]]:
    said: list[str] = []
    return fetching.fetch(said.append, (vendor / "address").read_text()), said


def content(tag: str = "v23.1.4") -> bytes:
    return tiny_elf.program(tiny_elf.COCKROACH.format(tag=tag))


def test_the_pinned_release_is_fetched_once_and_found_from_then_on(vendor, monkeypatch):
    archive = publish(vendor, content())
    pin(monkeypatch, archive)
    found, said = fetch(vendor)
    assert found == program.find()
    assert found.tag == "v23.1.4"
    assert sorted(path.name for path in found.path.parent.iterdir()) == ["cockroach", "sha256"]
    assert len(said) == 1
    archive.unlink()
    assert fetch(vendor) == (found, [])


def test_an_archive_with_another_checksum_is_refused_and_not_kept(vendor, monkeypatch, home):
    archive = publish(vendor, content())
    pin(monkeypatch, archive)
    publish(vendor, content("v23.1.5"))
    with pytest.raises(MachineError, match=r"amd64\.tgz has the SHA-256 \w+, and should have"):
        fetch(vendor)
    assert list((home / "cockroach").glob("*")) == []
    assert program.find() is None


def test_an_archive_without_the_program_is_refused(vendor, monkeypatch):
    pin(monkeypatch, publish(vendor, content(), member="elsewhere/cockroach"))
    with pytest.raises(MachineError, match=r"is no archive with cockroach-v23\.1\.4\.linux-amd64/"):
        fetch(vendor)


def test_what_is_no_archive_at_all_is_refused(vendor, monkeypatch):
    archive = publish(vendor, content())
    archive.write_bytes(b"not found")
    pin(monkeypatch, archive)
    with pytest.raises(MachineError, match="is no archive with"):
        fetch(vendor)


def test_a_vendor_that_does_not_answer_or_have_it_is_no_error(vendor, monkeypatch):
    found, said = fetch(vendor)
    assert found is None
    assert said[-1].startswith("not run: no CockroachDB binary")
    (vendor / "address").write_text("http://127.0.0.1:1")
    assert fetch(vendor)[0] is None


def test_a_download_that_is_cut_off_is_no_error_and_leaves_nothing(vendor, monkeypatch, home):
    pin(monkeypatch, publish(vendor, content()))

    monkeypatch.setattr(_Quiet, "copyfile", lambda self, source, out: out.write(source.read(10)))
    found, said = fetch(vendor)
    assert found is None
    assert said[-1].startswith("not run: no CockroachDB binary")
    assert list((home / "cockroach").glob("*")) == []


def test_where_no_checksum_is_known_the_vendors_own_is_asked(vendor, monkeypatch):
    archive = publish(vendor, content())
    monkeypatch.setattr(release, "CHECKSUMS", {"amd64": None})
    published = vendor / f"{archive.name}.sha256sum"
    published.write_text("<html>")
    with pytest.raises(MachineError, match="holds no SHA-256"):
        fetch(vendor)
    published.write_text(f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  {archive.name}\n")
    assert fetch(vendor)[0] == program.find()


def test_a_fetched_program_that_has_changed_since_is_refused(vendor, monkeypatch):
    pin(monkeypatch, publish(vendor, content()))
    found, _ = fetch(vendor)
    tiny_elf.cockroach(found.path, "v23.1.5")
    with pytest.raises(MachineError, match="has the SHA-256"):
        program.missing()


def test_a_machine_that_the_vendor_has_nothing_for_fetches_nothing(monkeypatch, vendor):
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert fetch(vendor) == (None, [])


def test_the_pinned_checksums_are_checksums():
    assert set(release.CHECKSUMS) == {"amd64", "arm64"}
    for checksum in filter(None, release.CHECKSUMS.values()):
        assert len(bytes.fromhex(checksum)) == 32


def test_it_is_put_into_the_image_under_its_checksum(named, monkeypatch, home):
    tiny_elf.cockroach(named)
    rootfs = image.image_folder() / "rootfs"
    (rootfs / image.MARKER).parent.mkdir(parents=True)
    (rootfs / image.MARKER).write_text("x\n")
    monkeypatch.setattr(image, "_check_machine", lambda: None)
    said: list[str] = []
    assert image.bake(said.append) == rootfs
    place = rootfs / program.find().on_node.relative_to("/")
    assert place.read_bytes() == named.read_bytes()
    assert os.access(place, os.X_OK)
    assert said == ["CockroachDB v23.1.4 into the image"]
    image.bake(said.append)
    assert len(said) == 1


def test_a_bake_refuses_a_bad_program_before_it_begins(named, monkeypatch, home):
    named.write_text("#!/bin/sh\n")
    monkeypatch.setattr(image, "_check_machine", lambda: None)
    with pytest.raises(MachineError, match="is not executable"):
        image.bake(print)
    assert not (home / "images").exists()
