"""Levels of the delay between sites: one number for all, sites in groups, or a whole matrix.

Every delay is *one way* and in milliseconds; the round trip between two sites is the sum of both
directions.
"""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import AfterValidator, Discriminator, Field, Tag, WithJsonSchema, field_validator

from discovery.experiment.base import Count, Milliseconds, Model, Slug
from discovery.experiment.explain import GROUPS_TAG, MATRIX_TAG, NUMBER_TAG, refuse
from discovery.experiment.groups import group_of

Matrix = tuple[tuple[float, ...], ...]

# The round trip (ms) from which on there is no connection between two sites: to open one takes a
# round trip at least, and libpq gives it up after so long (its connect_timeout, as our URLs have
# it). Galera gives up a peer after the same time (gmcast.peer_timeout).
ISOLATING_RTT_MS = 3000.0


def _no_number(name: str) -> str:
    if name[0].isdigit():
        raise refuse("begins like a delay in ms", allowed="a name that begins with a letter")
    return name


_NAME = "[a-z][a-z0-9]*(-[a-z0-9]+)*"
Name = Annotated[
    Slug,
    AfterValidator(_no_number),
    WithJsonSchema({"type": "string", "pattern": f"^{_NAME}$"}),
]


class DelayMatrix(Model):
    """A named matrix of one-way delays in ms: row = from site, column = to site, diagonal 0."""

    name: Name
    matrix: tuple[tuple[Milliseconds, ...], ...]

    @field_validator("matrix")
    @classmethod
    def _square(cls, matrix: Matrix) -> Matrix:
        size = len(matrix)
        if size < 2:
            raise refuse(
                f"is {size} x {size}", allowed="a row and a column for each of 2 sites or more"
            )
        for number, row in enumerate(matrix):
            if len(row) != size:
                found = f"has {len(row)} delays"
                raise refuse(found, key=(number,), allowed=f"{size} in every row, one per site")
            if row[number] != 0:
                raise refuse(
                    "delays a site from itself",
                    key=(number, number),
                    value=row[number],
                    allowed="0",
                )
        return matrix


class DelayGroups(Model):
    """Sites in ``groups`` groups, in their order: near within a group, far between two.

    ``within_ms`` and ``between_ms`` are one way. It fits any number of sites that gives every group
    one; which site is in which group is said by :func:`discovery.experiment.groups.group_of`.
    """

    name: Name
    groups: Count = Field(ge=2, le=99)
    within_ms: Milliseconds
    between_ms: Milliseconds


def _kind_of_delay(value: object) -> str:
    if isinstance(value, DelayMatrix) or (isinstance(value, dict) and "matrix" in value):
        return MATRIX_TAG
    return GROUPS_TAG if isinstance(value, dict | DelayGroups) else NUMBER_TAG


# Tagged, so that an error is about the member the user meant, and not about all of them.
DelayLevel = Annotated[
    Annotated[Milliseconds, Tag(NUMBER_TAG)]
    | Annotated[DelayMatrix, Tag(MATRIX_TAG)]
    | Annotated[DelayGroups, Tag(GROUPS_TAG)],
    Discriminator(_kind_of_delay),
]
Delay = float | DelayMatrix | DelayGroups


def delay_slug(delay: Delay) -> str:
    """How a delay level is written in a cell's id: ``50``, ``0.5`` or the level's name."""
    return f"{delay:g}" if isinstance(delay, int | float) else delay.name


def is_uniform(slug: str) -> bool:
    """Whether this is how a number is written: one delay between all sites."""
    return slug[0].isdigit()


def delay_matrix(delay: Delay, sites: int) -> Matrix:
    """The one-way delays (ms) between every pair of ``sites`` sites."""
    if isinstance(delay, DelayMatrix):
        return delay.matrix

    def between(source: int, destination: int) -> float:
        if source == destination:
            return 0.0
        if not isinstance(delay, DelayGroups):
            return float(delay)
        groups = {group_of(site, sites, delay.groups) for site in (source, destination)}
        return float(delay.within_ms if len(groups) == 1 else delay.between_ms)

    everyone = range(1, sites + 1)
    return tuple(
        tuple(between(source, destination) for destination in everyone) for source in everyone
    )


def longest_ms(delay: Delay) -> float:
    """The longest one-way delay of a level, on however many sites."""
    if isinstance(delay, DelayMatrix):
        return max(map(max, delay.matrix))
    if isinstance(delay, DelayGroups):
        return max(delay.within_ms, delay.between_ms)
    return delay


def mean_one_way_delay_ms(delay: Delay, sites: int) -> float:
    """The delay as one number for axes and models: the mean over the ordered pairs of sites."""
    if isinstance(delay, int | float):
        return float(delay)
    return math.fsum(map(math.fsum, delay_matrix(delay, sites))) / (sites * (sites - 1))


def misfit(delay: Delay, sites: int) -> tuple[str, str] | None:
    """Why a level cannot be had on ``sites`` sites, and what is allowed; ``None`` if it can."""
    if isinstance(delay, DelayMatrix) and len(delay.matrix) != sites:
        size = len(delay.matrix)
        return (
            f"is {size} x {size}, but a cell of this tier has {sites} sites",
            f"{sites} rows of {sites} delays",
        )
    if isinstance(delay, DelayGroups) and delay.groups > sites:
        return (
            f"has {delay.groups} groups, but a cell of this tier has {sites} sites",
            f"at most {sites} groups",
        )
    return None


def isolated(matrix: Matrix) -> tuple[list[int], float] | None:
    """Sites (from 0) that nobody else reaches in time, and the shortest round trip (ms) to them.

    Two sites may be far apart if others join them. Of several parts of the sites that are not
    joined it is the smallest; ``None`` if all are.
    """

    def rtt_ms(one: int, other: int) -> float:
        return matrix[one][other] + matrix[other][one]

    left, parts = set(range(len(matrix))), []
    while left:
        part = fresh = {min(left)}
        while fresh:
            fresh = {
                other
                for other in left - part
                if any(rtt_ms(one, other) < ISOLATING_RTT_MS for one in fresh)
            }
            part = part | fresh
        left -= part
        parts.append(part)
    if len(parts) == 1:
        return None
    smallest = min(parts, key=len)
    others = set(range(len(matrix))) - smallest
    return sorted(smallest), min(rtt_ms(one, other) for one in smallest for other in others)
