"""A Python for each service: its wheel, what its tests import, and this repository's ROME.

They stand in ``$DISCOVERY_HOME/upstream/services/<service>``; one that was made is used again as
long as it is asked for the same.
"""

import importlib.metadata
import json
import shutil
import sys
from pathlib import Path

from discovery.errors import MachineError
from discovery.testbed.home import home
from tests.upstream.services.started import ended

REPOSITORY = Path(__file__).parents[3]
ROME = ("apsw", "redis", "msgpack")
FOR_TESTS = (
    *(
        "ddt",
        "fixtures",
        "freezegun",
        "oslotest",
        "requests-mock",
        "setuptools<81",
        "testresources",
    ),
    *("testscenarios", "testtools", "WebTest", "stestr", "PyMySQL", "oslo.db", "psycopg2-binary"),
)
INSTALL_S = 1200


def environment(service, version, started, newest):
    """The folder of the service's Python, made if need be; takes a minute then.

    ``version`` None is the newest that PyPI has when it is made, or now if ``newest`` says so. A
    `MachineError` says what uv said.
    """
    own = [f"{name}=={importlib.metadata.version(name)}" for name in ROME]
    package = service.package + (f"=={version}" if version else "")
    asked = [package, "sqlalchemy<2.1", *own, *FOR_TESTS, *service.requires]
    folder = home() / "upstream" / "services" / service.name
    folder.parent.mkdir(parents=True, exist_ok=True)
    stamp = folder / "asked.json"
    project = (REPOSITORY / "pyproject.toml").read_text()
    wanted = json.dumps([asked, str(REPOSITORY), project])
    python = ("--python", folder / "bin/python")
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        _uv(started, "venv", "--python", sys.executable, folder)
        _uv(started, "pip", "install", *python, *asked)
        _uv(
            *(started, "pip", "install", *python, "--no-deps", "--no-build-isolation"),
            *("--editable", REPOSITORY),
        )
        stamp.write_text(wanted)
    elif newest:
        _uv(started, "pip", "install", "--upgrade", *python, *asked)
    return folder


def version_in(folder, package):
    """The version of a package that is in the environment."""
    (site,) = folder.glob("lib/python*/site-packages")
    (found,) = importlib.metadata.distributions(name=package, path=[str(site)])
    return found.version


def _uv(started, *arguments):
    command = [Path(sys.executable).with_name("uv"), *arguments]
    done = ended(started, command, Path.cwd(), INSTALL_S)
    if done.status != 0:
        said = " / ".join(done.said.strip().splitlines()[-5:])
        raise MachineError(f"uv {arguments[0]} {arguments[1]} failed: {said}")
