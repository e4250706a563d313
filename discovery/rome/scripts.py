"""The Lua files of this package, which Redis runs."""

from __future__ import annotations

import hashlib
from importlib import resources


class Script:
    """A Lua file of this package, known to Redis by its hash."""

    def __init__(self, name: str) -> None:
        self.text = (resources.files("discovery.rome") / "lua" / f"{name}.lua").read_text("utf-8")
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


CERTIFY = Script("certify")
SYNC = Script("sync")
LOCK = Script("lock")
LOOK = Script("look")
REPAIR = Script("repair")
