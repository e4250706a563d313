"""Keystone's WSGI application, with its policy and its database's driver ready before it serves.

Keystone loads its policy at the first request that asks for it, without a lock: a second thread
that asks meanwhile finds an enforcer without rules, and its caller is refused (403). A driver that
is loaded before uWSGI forks is in memory once, and not once per process; so is all else that is
there by then, unless a garbage collection writes to every object. The database is asked once for
that reason: ROME's driver has a replica then, which every process would else boot for itself at its
first request. No connection is open at the fork. Where the unit says so (``REPLAY``), a layer
around it runs requests again that lost a conflict or a connection. Outside of that, one tells the
journal what the database said no to.
"""

import contextlib
import gc
import os

from discovery_causes import Causes  # type: ignore[import-not-found]
from keystone.common import sql  # type: ignore[import-not-found]
from keystone.common.rbac_enforcer.enforcer import RBACEnforcer  # type: ignore[import-not-found]
from keystone.wsgi.api import application  # type: ignore[import-not-found]
from oslo_db.exception import DBError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

__all__ = ["application"]

if os.environ.get("REPLAY") == "on":
    from discovery.replay.middleware import Replay  # type: ignore[import-not-found,unused-ignore]

    application = Replay(application)

application = Causes(application)

_enforcer = RBACEnforcer()._enforcer
_enforcer.suppress_deprecation_warnings = True
_enforcer.load_rules()

# One that refuses is told of by the health check, which asks for a token and hears why not.
with contextlib.suppress(DBError, SQLAlchemyError):
    with sql.session_for_read() as session:
        session.execute(text("SELECT 1"))
        engine = session.get_bind()
    engine.dispose()
gc.collect()
gc.freeze()
