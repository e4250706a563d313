"""The model of a testbed file, such as ``experiments/testbeds/local.yaml``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import PrivateAttr

from discovery.errors import ConfigError, shortened
from discovery.experiment.base import Model
from discovery.testbed.leases import ROLES, Role


class Testbed(Model):
    """Where nodes come from; every provider has a model of its own below this one.

    ``on_this_machine`` says that the nodes take this machine's memory and processors. ``kinds``
    are the nodes that every site has, or ``None`` where a site may have any.
    """

    __test__ = False  # not a pytest class, whatever its name says
    on_this_machine: ClassVar[bool] = False
    kinds: ClassVar[tuple[Role, ...] | None] = ROLES
    provider: str
    _file: Path = PrivateAttr(Path("the testbed file"))

    @property
    def file(self) -> Path:
        """Where this was read, for errors that show only when the nodes' number is known."""
        return self._file

    @property
    def most_sites(self) -> int:
        """How many sites it can hold, whatever their nodes need."""
        raise NotImplementedError

    def refuse_sites(self, sites: int) -> None:
        """A :class:`ConfigError` if it cannot hold ``sites`` sites, whatever their nodes need."""
        if sites <= self.most_sites:
            return
        named = "sites" in type(self).model_fields
        has = "the file has" if named else f"provider {self.provider} has addresses for"
        raise ConfigError(
            f"this needs {shortened(str(sites), 20)} sites and {has} {self.most_sites}",
            file=self.file,
            key="sites" if named else None,
            allowed=f"at least {sites} sites" if named else f"at most {self.most_sites} sites",
        )

    def refuse_nodes(self, roles: Sequence[Sequence[Role]]) -> None:
        """A :class:`ConfigError` if it cannot hold sites with nodes of these ``roles``.

        A lease asks this before it makes anything, and a plan asks :meth:`shortage`, the same.
        """
        self.refuse_sites(len(roles))
        short = self.shortage(roles)
        if short is not None:
            raise ConfigError(
                f"this {short}",
                file=self.file,
                key="provider",
                value=self.provider,
                allowed="another testbed, such as one with provider local",
            )

    def shortage(self, roles: Sequence[Sequence[Role]]) -> str | None:
        """What it lacks for sites with nodes of these ``roles``, ``None`` if nothing.

        In words, without what it is of: ``needs 8 sites, 5 more than the 3 of the testbed``.
        """
        short = []
        if len(roles) > self.most_sites:
            more = len(roles) - self.most_sites
            short.append(
                f"{len(roles)} sites, {more} more than the {self.most_sites} of the testbed"
            )
        unlike = self._unlike(roles)
        if unlike:
            told = ", ".join(f"{count} {role}" for role, count in unlike.items())
            has = " and a ".join(self.kinds or ())
            short.append(
                f"{sum(unlike.values())} nodes ({told}) beside a {has} that provider "
                f"{self.provider} has at a site"
            )
        return f"needs {', and '.join(short)}" if short else None

    def _unlike(self, roles: Sequence[Sequence[Role]]) -> Counter[Role]:
        """How many nodes of each role are asked for beyond those that a site has."""
        unlike: Counter[Role] = Counter()
        if self.kinds is not None:
            for wanted in roles:
                unlike += Counter(wanted) - Counter(self.kinds)
        return unlike

    def read_from(self, path: Path) -> None:
        """Remember that this was read from ``path``."""
        self._file = path
