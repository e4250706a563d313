"""A deployment on machines that are somebody else's: nothing downstream knows the difference."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from discovery.deploy import deploy
from discovery.deploy.image import image_hash
from discovery.experiment.models import DatabaseSettings, KeystoneSettings, WanSettings
from discovery.testbed import lease, load_testbed
from tests import exposure
from tests.e2e.foreign import Foreign, foreign_machines

pytestmark = [
    pytest.mark.root,
    # EnOSlib's NetemHTB itself uses what EnOSlib deprecates.
    pytest.mark.filterwarnings("ignore:use actions instead of play_on:DeprecationWarning"),
]

SETTINGS = KeystoneSettings(cache="dict", bcrypt_rounds=4, processes=1, threads=4)
RUNNING = "systemctl list-units --type=service --state=running --plain --no-legend | cut -d' ' -f1"


@pytest.fixture(scope="module")
def machines(node_image: Path) -> Iterator[Foreign]:
    if node_image.parent.name != image_hash():
        pytest.skip("there is no baked node image, and installing one's programs takes minutes")
    with foreign_machines(node_image) as made:
        yield made


@pytest.mark.parametrize(("backend", "unit"), [("mariadb", "mariadb"), ("rome", "redis")])
def test_keystone_is_healthy_on_static_machines_and_gone_after(
    own_home: Path, node_image: Path, machines: Foreign, backend: str, unit: str
) -> None:
    (own_home / "images").symlink_to(node_image.parents[1])
    prefix, path = machines.prefix, own_home / "static.yaml"
    path.write_text(
        f"provider: static\nkeyfile: {machines.key}\nsites:\n"
        + "".join(
            f"  - network: {prefix}.{site}.0/24\n"
            f"    control: {{address: {prefix}.{site}.11}}\n"
            f"    client: {{address: {prefix}.{site}.12}}\n"
            for site in (1, 2)
        )
    )
    before = machines.ssh(f"{prefix}.1.11", RUNNING)
    with lease(load_testbed(path), sites=2, purpose="deploy on static machines") as held:
        deployment = deploy(held, backend, SETTINGS, DatabaseSettings(), lambda _: nullcontext())
        deployment.check_health()
        # They are in their owner's network, too: nothing of ours is served beside the testbed's.
        assert "uwsgi" in exposure.assert_only_the_testbed_is_served(held.nodes)
        held.wan.shape(((0.0, 0.0), (0.0, 0.0)), WanSettings())
        assert f"discovery-{unit}.service" in machines.ssh(f"{prefix}.1.11", RUNNING)
    assert machines.ssh(f"{prefix}.1.11", RUNNING) == before
