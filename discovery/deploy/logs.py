"""The files with every task's result that an error points to: one per deployment, some kept.

``$DISCOVERY_HOME/logs/<what>-<time>-<name>.jsonl``. The next deployment begins its own file, so
that what a user reads is there when he looks; the oldest go when there are many.
"""

from __future__ import annotations

import time
from pathlib import Path

from discovery.testbed.home import home

KEPT = 50


def new_log(what: str, name: str) -> Path:
    """A new, empty file for the results of ``what`` (``deploy``, ``install``) on ``name``.

    Only its owner may read it. Of each ``what`` the newest :data:`KEPT` files stay.
    """
    folder = home() / "logs"
    folder.mkdir(exist_ok=True)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    log = folder / f"{what}-{stamp}-{name}.jsonl"
    log.touch(mode=0o600)
    for old in sorted(folder.glob(f"{what}-*.jsonl"))[:-KEPT]:
        old.unlink(missing_ok=True)
    return log
