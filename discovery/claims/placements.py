"""The study's numbers as one table, those on the placement of replicas beside all the others.

Of CockroachDB, which alone is told a placement, a bar is of the placement that is meant. The bars
of another back end are runs of one set-up, and count with their mean.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from discovery.claims.published import COLUMNS, read_published, read_zones
from discovery.claims.published_kinds import PLACEMENTS
from discovery.deploy.backends import BACKENDS
from discovery.experiment.delays import delay_slug
from discovery.experiment.grids import STUDY

ZONES = "zones"
"""The delay level of the study's sites in zones."""


def study_numbers(folder: Path) -> pd.DataFrame:
    """A row per bar of the study of ``folder``, with the ``variation`` and ``delay`` of our tables.

    ``total_s`` is a mean (s), of sites in zones a median. Their one-way delay as one number is
    missing: the study gives none. Raises :class:`ConfigError`.
    """
    means = read_published(folder)
    means = means.assign(variation=STUDY, delay=means["one_way_delay_ms"].map(delay_slug))
    return pd.concat([means, _zones(folder)], ignore_index=True)


def _zones(folder: Path) -> pd.DataFrame:
    table = read_zones(folder)
    told = table["backend"].map(lambda name: BACKENDS[name].places_replicas)
    placed = table[told].assign(variation=table["zones"].map(PLACEMENTS))
    runs = table[~told].groupby(["figure", "scenario", "backend"], as_index=False)
    alike = runs.agg(
        {
            "median_s": "mean",
            "reading_error_s": "mean",
            "bound": "first",
            "failure_share": "mean",
        }
    ).assign(variation=STUDY, provenance="inferred")
    whole = pd.concat([placed, alike], ignore_index=True).rename(columns={"median_s": "total_s"})
    whole = whole.assign(sites=9, load="light", delay=ZONES, one_way_delay_ms=np.nan)
    return whole[[*COLUMNS, "variation", "delay"]]
