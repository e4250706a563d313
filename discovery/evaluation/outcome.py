"""A tier's results as the report and the paper read them: tables, verdicts, figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from discovery.claims.verdicts import Verdicts, read_verdicts
from discovery.errors import ResultError
from discovery.evaluation.captions import CAPTIONS, Captions
from discovery.evaluation.figures import Figure, figures_in
from discovery.results.tables import read_tables, short_stamp, stamp_of, study_only


@dataclass(frozen=True)
class Outcome:
    """What a run of one tier left behind in ``folder`` (``results/<experiment>/<tier>``).

    ``tables`` have all of its cells, ``study`` those of the study's own.
    """

    folder: Path
    verdicts: Verdicts
    tables: Mapping[str, pd.DataFrame]
    figures: tuple[Figure, ...]

    @property
    def service(self) -> str:
        """What the study is of: ``keystone`` or ``nova``."""
        return _service(self.tables)

    @property
    def captions(self) -> Captions:
        """What its figures and tables show."""
        return CAPTIONS[self.service]

    @property
    def study(self) -> Mapping[str, pd.DataFrame]:
        """The tables without the cells in which something is varied."""
        return study_only(self.tables)


def read_outcome(folder: Path) -> Outcome:
    """The results in ``folder``; a :class:`~discovery.errors.ResultError` if they do not fit."""
    verdicts = read_verdicts(folder / "claims.json")
    tables = read_tables(folder / "tidy")
    tiers = tables["cells"]["tier"].unique().tolist()
    if tiers != [verdicts.tier]:
        raise ResultError(
            f"{folder}: claims.json judges tier {verdicts.tier}, but the tidy tables are of "
            f"{', '.join(tiers) or 'no tier'}; judge the claims again"
        )
    stamp = stamp_of(folder / "tidy")
    if verdicts.stamp != stamp:
        raise ResultError(
            f"{folder}: claims.json judges another set of tidy tables than there is (their stamps "
            f"are {short_stamp(verdicts.stamp)} and {short_stamp(stamp)}); judge the claims again"
        )
    return Outcome(
        folder, verdicts, tables, figures_in(folder / "figures", CAPTIONS[_service(tables)].figures)
    )


def _service(tables: Mapping[str, pd.DataFrame]) -> str:
    return "nova" if "control_planes" in tables else "keystone"
