"""The WAN between the sites of a lease: shaped, measured, cut and healed.

:func:`attach` joins sites that are network namespaces of this machine, :func:`attach_remote` shapes
between real machines, :func:`connect` finds the WAN that a local lease has already. All give a
:class:`Wan`. What they need (EnOSlib takes 1.5 s) is loaded when it is first used, because the
forwarder is a module of this package and has no need of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from discovery.testbed.wan.attach import attach, attach_remote, connect
    from discovery.testbed.wan.base import Wan
    from discovery.testbed.wan.probe import local_backend
    from discovery.testbed.wan.sites import SiteNetwork

__all__ = ["SiteNetwork", "Wan", "attach", "attach_remote", "connect", "local_backend"]

_HOMES = {
    "SiteNetwork": "sites",
    "Wan": "base",
    "attach": "attach",
    "attach_remote": "attach",
    "connect": "attach",
    "local_backend": "probe",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
