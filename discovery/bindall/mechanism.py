"""Neutron's ports without agents: every port is bound and active at once, on whatever host.

Set ``mechanism_drivers = bind_all`` under ``[ml2]``. There is no data plane behind it. It is for
control planes whose servers are not real, such as those of Nova's fake driver.
"""

from __future__ import annotations

from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins.ml2 import api


class BindAll(api.MechanismDriver):  # type: ignore[misc]  # Neutron has no types
    """Binds to the first segment that it is offered, and says that the port is up."""

    def initialize(self) -> None:
        """Configure SQLAlchemy's mappers: an agent's RPC server would have done so.

        Without it, the first request for ports that a fresh API worker serves fails, as attributes
        of a port that other tables bring are not there yet.
        """
        from neutron.db.models import port_forwarding  # noqa: F401, PLC0415 (needs Neutron's set-up)
        from sqlalchemy import orm  # noqa: PLC0415

        orm.configure_mappers()

    def bind_port(self, context: api.PortContext) -> None:
        """Bind the port of ``context``."""
        segment = context.segments_to_bind[0]
        context.set_binding(
            segment[api.ID],
            portbindings.VIF_TYPE_OVS,
            {portbindings.CAP_PORT_FILTER: True},
            status=constants.PORT_STATUS_ACTIVE,
        )
