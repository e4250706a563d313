"""Keystone's WSGI application, with its policy loaded before it serves.

Keystone loads its policy at the first request that asks for it, without a lock: a second thread
that asks meanwhile finds an enforcer without rules, and its caller is refused (403).
"""

from keystone.common.rbac_enforcer.enforcer import RBACEnforcer  # type: ignore[import-not-found]
from keystone.wsgi.api import application  # type: ignore[import-not-found]

__all__ = ["application"]

_enforcer = RBACEnforcer()._enforcer
_enforcer.suppress_deprecation_warnings = True
_enforcer.load_rules()
