"""A whole ``rome://`` URL, for the tools, which have no engine."""

from __future__ import annotations

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from discovery.rome.dialect import RomeDialect
from discovery.rome.errors import InterfaceError
from discovery.rome.settings import Settings, parse


def settings_of(url: str) -> Settings:
    """What ``url`` says.

    Raises:
        InterfaceError: it is no URL of ROME, or an option is not allowed.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise InterfaceError(
            "rome URL: this is none; rome://host:port/database, more nodes as ?host=host:port"
        ) from error
    if parsed.get_backend_name() != "rome":
        raise InterfaceError(f"rome URL: begins with {parsed.drivername}://, not with rome://")
    _, arguments = RomeDialect().create_connect_args(parsed)
    return parse(**arguments)
