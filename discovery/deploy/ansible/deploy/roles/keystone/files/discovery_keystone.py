"""Keystone's WSGI application, with its policy and its database's driver loaded before it serves.

Keystone loads its policy at the first request that asks for it, without a lock: a second thread
that asks meanwhile finds an enforcer without rules, and its caller is refused (403). A driver that
is loaded before uWSGI forks is in memory once, and not once per process; so is all else that is
there by then, unless a garbage collection writes to every object. Where the unit says so
(``REPLAY``), a layer around it runs requests again that lost a conflict or a connection.
"""

import gc
import os

import keystone.conf  # type: ignore[import-not-found]
from keystone.common.rbac_enforcer.enforcer import RBACEnforcer  # type: ignore[import-not-found]
from keystone.wsgi.api import application  # type: ignore[import-not-found]
from sqlalchemy.engine import make_url

__all__ = ["application"]

if os.environ.get("REPLAY") == "on":
    from discovery.replay.middleware import Replay  # type: ignore[import-not-found,unused-ignore]

    application = Replay(application)

_enforcer = RBACEnforcer()._enforcer
_enforcer.suppress_deprecation_warnings = True
_enforcer.load_rules()

make_url(keystone.conf.CONF.database.connection).get_dialect().import_dbapi()
gc.collect()
gc.freeze()
