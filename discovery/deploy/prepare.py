"""The first step of every deployment: nodes that have what a deployment starts from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from discovery.deploy import playbook
from discovery.deploy.image import INSTALL, LOCKS

if TYPE_CHECKING:
    from discovery.testbed.leases import Node

Phase = Callable[[str], AbstractContextManager[None]]
PREPARE = playbook.ANSIBLE / "deploy" / "prepare.yml"


def prepare(nodes: Sequence[Node], image: str, log: Path, phase: Phase) -> None:
    """Clean ``nodes``, and install what those lack that are not made from ``image`` (its hash).

    ``phase`` times ``deploy:prepare`` and, where a node is bare, ``deploy:install``. A step that
    fails is a :class:`DeployError`; every task's result goes to ``log``.
    """
    with phase("deploy:prepare"):
        answers = playbook.run(PREPARE, {"nodes": [node.host for node in nodes]}, {}, log)
        marked = {answer.host: answer.payload["stdout"].strip() for answer in answers}
    bare = [node for node in nodes if marked[node.alias] != image]
    if bare:
        with phase("deploy:install"):
            playbook.run(
                INSTALL,
                {"all": [node.host for node in bare]},
                {
                    "locks": str(LOCKS),
                    "image_hash": image,
                    "index_environment": {"DEBIAN_FRONTEND": "noninteractive"},
                },
                log,
            )
