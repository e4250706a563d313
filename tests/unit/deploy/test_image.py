from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from discovery.deploy import image, playbook
from discovery.errors import MachineError


@pytest.fixture
def inputs(tmp_path, monkeypatch):
    """A copy of the image's inputs that a test may change."""
    folder = tmp_path / "deploy"
    shutil.copytree(image.LOCKS, folder / "image")
    shutil.copytree(image.INSTALL.parent, folder / "install")
    monkeypatch.setattr(image, "ROOM", folder)
    monkeypatch.setattr(image, "LOCKS", folder / "image")
    monkeypatch.setattr(image, "INSTALL", folder / "install" / "install.yml")
    return folder


@pytest.mark.parametrize(
    "path",
    [
        "image/openstack.lock",
        "image/rally.lock",
        "image/uv.lock",
        "install/install.yml",
        "install/roles/mariadb/tasks/main.yml",
        "install/roles/redis/tasks/main.yml",
        "install/roles/a-new-one/tasks/main.yml",
    ],
)
def test_the_hash_covers_every_input(inputs, path):
    before = image.image_hash()
    (inputs / path).parent.mkdir(parents=True, exist_ok=True)
    with (inputs / path).open("a") as file:
        file.write("# changed\n")
    assert image.image_hash() != before


def test_the_hash_covers_the_base_system(inputs, monkeypatch):
    before = image.image_hash()
    monkeypatch.setattr(image, "_BASE_COMMAND", (*image._BASE_COMMAND, "--another"))
    assert image.image_hash() != before


def test_the_hash_does_not_cover_how_things_are_configured():
    assert (playbook.ANSIBLE / "deploy") not in image.INSTALL.parents


def test_an_image_that_is_not_baked_says_how_to_bake_it(tmp_path, monkeypatch):
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path))
    with pytest.raises(MachineError, match="discovery image bake"):
        image.rootfs()


def test_an_image_without_its_marker_is_not_trusted(tmp_path, monkeypatch):
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path))
    (image.image_folder() / "rootfs" / "etc").mkdir(parents=True)
    with pytest.raises(MachineError):
        image.rootfs()
    (image.image_folder() / "rootfs" / image.MARKER).write_text("x\n")
    assert image.rootfs() == image.image_folder() / "rootfs"


def test_baking_without_root_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(MachineError, match="needs root"):
        image.bake(print)


def test_baking_without_its_programs_names_them(tmp_path, monkeypatch):
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineError, match="mmdebstrap, setpriv"):
        image.bake(print)


def test_indexes_and_proxies_are_passed_on_and_nothing_else(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("SECRET", "x")
    assert image.index_environment()["https_proxy"] == "http://proxy:3128"
    assert "SECRET" not in image.index_environment()


@pytest.mark.parametrize("closed", ["opt", "opt/openstack", "opt/rally"])
def test_an_image_that_was_baked_under_a_strict_umask_is_told_and_baked_anew(
    tmp_path, monkeypatch, closed
):
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path))
    root = image.image_folder() / "rootfs"
    for folder in ("etc", "opt/openstack", "opt/rally"):
        (root / folder).mkdir(parents=True)
    (root / image.MARKER).touch()
    image.rootfs()
    (root / closed).chmod(0o700)
    with pytest.raises(MachineError, match=rf"strict umask, .* may not enter /{closed}: run"):
        image.rootfs()

    def bake(images, _progress):
        assert not root.exists()
        (root / "etc").mkdir(parents=True)
        (root / image.MARKER).touch()

    told = []
    monkeypatch.setattr(image, "_check_machine", lambda: None)
    monkeypatch.setattr(image, "_bake", bake)
    monkeypatch.setattr(image, "fetch", lambda _: None)
    assert image.bake(told.append) == root
    assert len(told) == 1
    assert told[0].endswith(f"may not enter /{closed}: it is baked anew")


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
def test_the_umask_is_not_in_the_image(tmp_path, monkeypatch, mask):
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path))
    root = image.image_folder() / "rootfs"

    def bake(_images, _progress):
        subprocess.run(["mkdir", "-p", root / "opt/openstack", root / "etc"], check=True)
        (root / image.MARKER).touch()

    root.parent.mkdir(parents=True)
    monkeypatch.setattr(image, "_check_machine", lambda: None)
    monkeypatch.setattr(image, "_bake", bake)
    monkeypatch.setattr(image, "fetch", lambda _: None)
    before = os.umask(mask)
    try:
        image.bake(print)
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert (root / "opt/openstack").stat().st_mode & 0o777 == 0o755
    assert (root / image.MARKER).stat().st_mode & 0o777 == 0o644
