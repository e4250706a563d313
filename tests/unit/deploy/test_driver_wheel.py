"""The wheel of what is loaded into OpenStack's processes, made without a build tool."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from discovery.deploy import drivers
from discovery.deploy.backends import BACKENDS

LOADED = """
import importlib.metadata, sys
sys.path.insert(0, sys.argv[1])
import discovery.rome.dialect
from discovery.rome.scripts import CERTIFY
dialects = {
    entry.name: entry for entry in importlib.metadata.distribution("discovery-drivers").entry_points
}
for name in ("rome", "sqlite.rome"):
    assert dialects[name].load() is discovery.rome.dialect.RomeDialect
assert "XADD" in CERTIFY.text
print(discovery.rome.__file__, importlib.metadata.version("discovery-drivers"))
"""


def test_it_installs_and_its_dialects_are_found(tmp_path):
    made = drivers.wheel()
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
    assert version == drivers.version()


def members(wheel: drivers.Wheel, folder: Path) -> list[str]:
    path = folder / wheel.name
    path.write_bytes(wheel.content)
    return zipfile.ZipFile(path).namelist()


def test_it_has_the_drivers_and_nothing_else_of_the_workbench(tmp_path):
    made = drivers.wheel()
    names = members(made, tmp_path)
    assert "discovery/rome/lua/certify.lua" in names
    ours = tuple(f"discovery/{name}/" for name in drivers.packages())
    outside = [name for name in names if not name.startswith((*ours, "discovery_drivers"))]
    assert outside == ["discovery/__init__.py"]
    assert made == drivers.wheel()


def test_its_entry_points_are_the_projects():
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    ours = {
        group: {name: value for name, value in names.items() if value.startswith("discovery.")}
        for group, names in project["entry-points"].items()
    }
    assert drivers.entry_points() == {group: names for group, names in ours.items() if names}
    assert {"rome", "sqlite.rome"} <= set(drivers.dialects())


def test_what_it_depends_on_is_in_the_node_image():
    lock = Path("discovery/deploy/image/openstack.lock").read_text().splitlines()
    there = dict(line.removesuffix(" \\").split("==") for line in lock if "==" in line)
    for requirement in map(Requirement, itertools.chain(*drivers.PACKAGES.values())):
        assert there[canonicalize_name(requirement.name)] in requirement.specifier


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A tree of a test's own with two of the packages, and the entry points of all."""
    room = tmp_path / "discovery"
    shutil.copytree(drivers._ROOM / "rome", room / "rome")
    shutil.copy(drivers._ROOM / "__init__.py", room)
    (room / "replay").mkdir()
    (room / "replay" / "__init__.py").write_text("")
    monkeypatch.setattr(drivers, "_ROOM", room)
    return room


def test_only_packages_that_are_there_are_in_it(tree, tmp_path):
    assert drivers.packages() == ["rome", "replay"]
    names = members(drivers.wheel(), tmp_path)
    assert "discovery/replay/__init__.py" in names
    assert not [name for name in names if "cockroach" in name]
    assert set(drivers.dialects()) == {"rome", "sqlite.rome"}
    shutil.rmtree(tree / "rome")
    assert drivers.dialects() == {}


def test_another_source_is_another_version(tree):
    before = drivers.version(), drivers.version("rome")
    (tree / "replay" / "new.py").write_text("")
    assert drivers.version() != before[0]
    assert drivers.version("rome") == before[1]
    (tree / "rome" / "new.py").write_text("")
    assert drivers.version("rome") != before[1]


def test_only_where_it_is_needed_it_is_brought():
    brings = {name for name, backend in BACKENDS.items() if drivers.variables(backend.url)}
    assert brings == {
        *("rome", "rome-cluster", "cockroachdb"),
        *("postgresql", "postgresql-serializable"),
    }
    mariadb = BACKENDS["mariadb"].url
    assert drivers.variables(mariadb, replay=True)["drivers_wheel_name"].endswith(".whl")


@pytest.mark.parametrize(
    ("url", "package"),
    [
        ("rome://a:b@c/keystone", "rome"),
        ("sqlite+rome:///x", "rome"),
        ("cockroachdb+oslo://root@c:26257/keystone?host=d", "cockroach"),
        ("postgresql+oslo://a:b@c/keystone", "cockroach"),
        ("postgresql+psycopg2://a:b@c/keystone", None),
        ("mysql+pymysql://a:b@c/keystone", None),
    ],
)
def test_a_url_names_the_driver_that_serves_it(url, package):
    assert drivers.serves(url) == package
