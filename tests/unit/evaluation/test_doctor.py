"""The doctor: what it finds here, and what it says of machines that lack something."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

import pytest

from discovery.evaluation import doctor
from discovery.evaluation.doctor import Finding, conclusion, examine, render
from discovery.testbed.ledger import Ledger, Thing

EVERY_CHECK = {
    *("Python ≥ 3.11", "root", "Debian 12", "disk", "memory"),
    *("systemd-nspawn", "mmdebstrap", "ssh", "ip", "unshare"),
    *("WAN back end", "/dev/net/tun", "overlayfs", "cgroups"),
    *("node image", "leases", "LaTeX", "chromium", "CockroachDB"),
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def found(name: str) -> Finding:
    return next(finding for finding in examine() if finding.name == name)


def test_every_check_says_why_it_matters_and_how_to_get_it(home: Path) -> None:
    findings = examine()
    assert {finding.name for finding in findings} == EVERY_CHECK
    assert all(finding.found and finding.why and finding.get for finding in findings)
    assert not home.exists()  # looking changes nothing


def test_without_root_the_analysis_half_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert found("root").blocks
    assert found("WAN back end").found == "only root can find out"
    assert "(root" in conclusion(examine())
    assert "scripts/reproduce --from-archive" in conclusion(examine())


def test_another_system_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    fedora = {"ID": "fedora", "VERSION_ID": "43", "PRETTY_NAME": "Fedora Linux 43"}
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: fedora)
    debian = found("Debian 12")
    assert debian.blocks
    assert debian.found == "Fedora Linux 43"


def test_a_system_without_a_name_is_not_debian(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> dict[str, str]:
        raise OSError

    monkeypatch.setattr(platform, "freedesktop_os_release", absent)
    assert found("Debian 12").found == "unknown"


def test_too_little_memory_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "memory_there_mb", lambda: 300)
    memory = found("memory")
    assert memory.blocks
    assert memory.found.startswith("0.3 GB for nodes, 3 sites need ")


def test_too_little_disk_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=2 * 10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    disk = found("disk")
    assert disk.blocks
    assert disk.found.startswith("2 GB free below ")


def test_missing_programs_are_installed_by_reproduce_and_block_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    for name in ("systemd-nspawn", "mmdebstrap"):
        program = found(name)
        assert not program.ok
        assert not program.blocks
        assert program.get.startswith("scripts/reproduce installs it")
    latex = found("LaTeX")
    assert latex.found == "latexmk, pdflatex missing"
    assert latex.needed_for == "the paper"
    assert not latex.blocks


@pytest.mark.parametrize(("wan", "needed"), [("netem", False), ("forwarder", True), (None, True)])
def test_tun_is_needed_unless_the_kernel_has_netem(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wan: str | None, needed: bool
) -> None:
    monkeypatch.setattr(doctor, "_wan_backend", lambda: wan)
    monkeypatch.setattr(doctor, "_TUN", tmp_path / "tun")
    tun = found("/dev/net/tun")
    assert tun.found == "missing"
    assert tun.blocks is needed


def test_leases_that_are_held_are_counted_and_named(home: Path) -> None:
    home.mkdir()
    ledger = Ledger(home / "ledger.jsonl")
    ledger.hold("a1b2c3", [Thing("lease", "a1b2c3"), Thing("link", "d-a1b2c3")])
    leases = found("leases")
    assert not leases.ok
    assert not leases.blocks
    assert leases.found == "1 held: a1b2c3"
    assert "discovery testbed down --stale" in leases.get
    ledger.release("a1b2c3", [Thing("lease", "a1b2c3"), Thing("link", "d-a1b2c3")])
    assert found("leases").ok


def test_an_image_is_baked_or_not(home: Path) -> None:
    assert found("node image").found.endswith("not baked yet")
    assert not found("node image").blocks
    rootfs = home / "images" / doctor.image.image_hash() / "rootfs"
    marker = rootfs / doctor.image.MARKER
    marker.parent.mkdir(parents=True)
    marker.touch()
    assert found("node image").ok
    assert "1 GB" in found("disk").why


def test_a_machine_with_everything_is_told_to_start() -> None:
    good = Finding("root", ok=True, found="yes", needed_for="the local testbed", why="…")
    assert conclusion([good]).startswith("The local testbed can run here: scripts/reproduce")


def test_what_is_missing_is_shown_with_its_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    findings = [
        Finding("root", False, "user 1000", "the local testbed", "makes nodes", "use sudo"),
        Finding("chromium", False, "missing", "tests", "looks at pages", "apt-get it"),
        Finding("disk", True, "9 GB", "the local testbed", "holds results", "free some"),
    ]
    render(findings)
    shown = capsys.readouterr().out
    assert "root makes nodes. Use sudo." in shown
    assert "chromium looks at pages. Apt-get it." in shown
    assert "disk holds results" not in shown
    assert "The local testbed cannot run here (root)." in shown
