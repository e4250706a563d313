"""The probe's options, in the service's own configuration files.

.. code-block:: ini

    [discovery_probe]
    folder = /var/lib/nova/probe
    site = site-1
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oslo_config import cfg

from discovery.probe.errors import SettingsError

GROUP = "discovery_probe"

OPTIONS = [
    cfg.StrOpt("folder", help="Where every process writes its record; it must be there."),
    cfg.StrOpt("site", default="", help="The site that this service belongs to."),
]


@dataclass(frozen=True)
class Settings:
    """All of them."""

    folder: Path
    site: str


def read(conf: Any) -> Settings:
    """The options in ``conf``; a `SettingsError` if they cannot be used."""
    conf.register_opts(OPTIONS, group=GROUP)
    given = conf[GROUP]
    folder = Path(given.folder or "")
    if not folder.is_absolute() or not os.access(folder, os.W_OK | os.X_OK):
        raise SettingsError(
            f"[{GROUP}] folder = {given.folder or ''}: must be the path of a folder, from the "
            "root, that this service may write to"
        )
    return Settings(folder, given.site)
