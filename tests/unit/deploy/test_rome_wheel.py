"""The wheel of the ROME driver, made without a build tool."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from discovery.deploy import rome
from discovery.deploy.backends import BACKENDS

LOADED = """
import importlib.metadata, sys
sys.path.insert(0, sys.argv[1])
import discovery.rome.dialect
from discovery.rome.scripts import CERTIFY
for entry in importlib.metadata.distribution("discovery-rome").entry_points:
    assert entry.load() is discovery.rome.dialect.RomeDialect
assert "XADD" in CERTIFY.text
print(discovery.rome.__file__, importlib.metadata.version("discovery-rome"))
"""


def test_it_installs_and_its_dialect_is_found(tmp_path):
    made = rome.wheel()
    (tmp_path / made.name).write_bytes(made.content)
    target = tmp_path / "site"
    subprocess.run(
        [
            *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-deps"),
            *("--python", sys.executable, "--target", str(target), str(tmp_path / made.name)),
        ],
        check=True,
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LOADED, str(target)],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    file, version = done.stdout.split()
    assert Path(file).is_relative_to(target)
    assert version == rome.version()


def test_it_has_the_driver_and_nothing_else_of_the_workbench(tmp_path):
    made = rome.wheel()
    path = tmp_path / made.name
    path.write_bytes(made.content)
    names = zipfile.ZipFile(path).namelist()
    assert "discovery/rome/lua/certify.lua" in names
    outside = [name for name in names if not name.startswith(("discovery/rome/", "discovery_rome"))]
    assert outside == ["discovery/__init__.py"]
    assert made == rome.wheel()


def test_its_entry_points_are_the_projects():
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    dialects = project["entry-points"]["sqlalchemy.dialects"]
    ours = {name: to for name, to in dialects.items() if to.startswith("discovery.rome.")}
    assert ours
    assert rome.ENTRY_POINTS.splitlines()[1:] == [" = ".join(one) for one in ours.items()]


def test_another_source_is_another_version(monkeypatch):
    before = rome.version()
    sources = rome._sources()
    monkeypatch.setattr(rome, "_sources", lambda: {**sources, "discovery/rome/new.py": b""})
    assert rome.version() != before


def test_only_back_ends_of_rome_bring_it():
    brings = {name for name, backend in BACKENDS.items() if rome.variables(backend.url)}
    assert brings == {"rome", "rome-cluster"}
