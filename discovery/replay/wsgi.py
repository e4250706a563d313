"""``application`` for a WSGI server: the one that ``REPLAYED_APPLICATION`` names, wrapped.

REPLAYED_APPLICATION=keystone.wsgi.api:application uwsgi --module discovery.replay.wsgi …
"""

from __future__ import annotations

import importlib
import os

from discovery.replay import settings
from discovery.replay.errors import SettingsError
from discovery.replay.middleware import Replay

VARIABLE = "REPLAYED_APPLICATION"


def wrapped(environment: dict[str, str]) -> Replay:
    """The application that ``environment`` names, wrapped with the settings that it has."""
    others = dict(environment)
    named = others.pop(VARIABLE, "")
    module, colon, name = named.partition(":")
    if not (module and colon and name):
        raise SettingsError(f"{VARIABLE}={named}: must be module:name of a WSGI application")
    kept = settings.read(others)
    return Replay(getattr(importlib.import_module(module), name), kept)


application = wrapped(dict(os.environ))
