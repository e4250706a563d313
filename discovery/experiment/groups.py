"""Sites in groups, in their order: of nine in three groups, the first three are in group 1."""

from __future__ import annotations


def group_of(site: int, sites: int, groups: int) -> int:
    """The group (from 1) of the site with this number (from 1) of ``sites`` in ``groups``.

    Groups differ in size by at most one site, and none is empty where there are as many sites.
    """
    return 1 + (site - 1) * groups // sites
