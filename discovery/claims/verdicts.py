"""What judging a claim yields, as written to ``results/<experiment>/<tier>/claims.json``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from discovery.claims.models import Origin, PublishedValue, Study, Where
from discovery.errors import ResultError
from discovery.experiment.base import Model
from discovery.reading import MOST_RESULT, read_text
from discovery.whole import write_whole

SCHEMA_VERSION: Literal[1] = 1

Verdict = Literal["supported", "contradicted", "inconclusive", "not run"]
VERDICTS: tuple[Verdict, ...] = ("supported", "contradicted", "inconclusive", "not run")


class Measured(Model):
    """A term's measured value with its 95 % interval; ``n`` iterations, ``failures`` of them.

    ``levels`` are all the levels that select it, ``label`` those that set it apart in its relation.
    There is no value where too many iterations failed.
    """

    label: str
    levels: Where
    value: float | None
    low: float | None
    high: float | None
    unit: str
    n: int
    failures: int


class PublishedTerm(Model):
    """The study's value of a term; none where its figure has no bar.

    ``failure_share`` is that of what the value is of, where the study has one; ``figure`` is the
    number of a figure, or the name of a table or figure.

    ``bound`` says how a bar was read: ``exact`` to the reading error, ``about`` (2 or 3 pixels),
    ``at most`` (1 pixel or less), or ``none``.
    """

    label: str
    value: float | None
    unit: str
    error: float | None
    failure_share: float | None
    bound: Literal["exact", "about", "at most", "none"]
    provenance: str
    figure: str


class Judged(Model):
    """One effect: its size, its interval, the bounds it was held against, the published size."""

    label: str
    unit: str
    effect: float
    low: float
    high: float
    bound_low: float | None
    bound_high: float | None
    published: float | None
    verdict: Verdict


class Part(Model):
    """A claim at one combination of the levels of its ``each``.

    ``left_out``: its scenario was not to be run in these cells, so it has no say in the verdict.
    """

    label: str = ""
    left_out: bool = False
    verdict: Verdict
    why: str
    effects: tuple[Judged, ...] = ()
    measured: tuple[Measured, ...] = ()
    published: tuple[PublishedTerm, ...] = ()


class Judgement(Model):
    """A claim with its verdict; ``why`` is one sentence.

    ``at`` says, in words, which of the levels it prefers it was judged at, and on how many of its
    scenarios if not on all; empty where neither is a question.
    """

    id: str
    title: str
    statement: str
    source: str
    origin: Origin
    verdict: Verdict
    why: str
    at: str = ""
    n: int
    failures: int
    parts: tuple[Part, ...] = ()
    published_values: tuple[PublishedValue, ...] = ()
    flaw: str | None = None
    difference: str | None = None


class Verdicts(Model):
    """The document ``claims.json``; ``stamp`` is that of the set of tidy tables it judges."""

    schema_version: Literal[1] = SCHEMA_VERSION
    experiment: str
    tier: str
    stamp: str | None = None
    study: Study
    confidence: float
    claims: tuple[Judgement, ...]

    def count(self, verdict: Verdict) -> int:
        """How many claims have this verdict."""
        return sum(claim.verdict == verdict for claim in self.claims)


def write_verdicts(verdicts: Verdicts, path: Path) -> None:
    """Write ``claims.json`` whole, or not at all."""
    write_whole(path, verdicts.model_dump_json(indent=1) + "\n", "the verdicts")


def read_verdicts(path: Path) -> Verdicts:
    """The verdicts in ``path``; a :class:`ResultError` if cut off or of another version."""
    try:
        return Verdicts.model_validate_json(read_text(path, MOST_RESULT))
    except FileNotFoundError:
        raise ResultError(f"{path}: no such file; `discovery claims` writes it") from None
    except OSError as error:
        raise ResultError(
            f"{path}: cannot be read ({error.strerror}); `discovery claims` writes it anew"
        ) from None
    except UnicodeDecodeError:
        raise ResultError(
            f"{path}: is not text in UTF-8; `discovery claims` writes it anew"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the document"
        raise ResultError(
            f"{path}: {where} cannot be read ({first['msg']}); `discovery claims` writes it anew"
        ) from None
