"""Grid'5000's jobs through its REST API: found by name, watched, deleted; errors as sentences.

The client is EnOSlib's (python-grid5000), configured by ``~/.python-grid5000.yaml``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import requests
from enoslib.errors import (
    EnosError,
    InvalidReservationCritical,
    InvalidReservationTime,
    InvalidReservationTooOld,
    NoSlotError,
)
from enoslib.infra.enos_g5k.g5k_api_utils import get_api_client, get_api_username, job_delete
from enoslib.infra.enos_g5k.utils import inside_g5k
from grid5000.exceptions import Grid5000AuthenticationError, Grid5000Error

from discovery.errors import ConfigError, MachineError, TestbedError
from discovery.experiment.load import read_yaml
from discovery.testbed.grid5000.credentials import credentials_path

ENDED = ("finishing", "terminated", "error")
NOT_ENDED = "waiting,launching,running,hold,toLaunch,toAckReservation,suspended,resuming"
REQUEST_TIMEOUT_S = 60.0
POLL_S = 5.0


def require_credentials() -> None:
    """A :class:`MachineError` unless the API can be asked as somebody.

    Only inside Grid'5000 does the API know its user without a password.
    """
    path = credentials_path()
    if not path.exists() and inside_g5k():
        return
    found: object = None
    problem = f"{path} has no username and password"
    if not path.exists():
        problem = "There are no Grid'5000 credentials"
    else:
        try:
            found = read_yaml(path)
        except ConfigError as error:
            problem = str(error)
    # python-grid5000 would go on as nobody, and be refused much later.
    names = [found.get(key) for key in ("username", "password")] if isinstance(found, dict) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise MachineError(
            f"{problem}: write `username: …` and `password: …`, in quotes what else is a number, "
            f"into {path} and make it readable by you alone (chmod 600)."
        )


@contextmanager
def api_errors(doing: str) -> Iterator[None]:
    """Turn what goes wrong at the API while ``doing`` something into a one-sentence error."""
    try:
        yield
    except Grid5000AuthenticationError:
        raise TestbedError(
            f"Grid'5000 does not accept the user and password in {credentials_path()}; "
            "correct them, they are those of https://api.grid5000.fr."
        ) from None
    except requests.exceptions.RequestException as error:
        raise TestbedError(
            f"The Grid'5000 API did not answer while {doing} ({_reason(error)}); "
            f"try again later, or check the uri in {credentials_path()}."
        ) from None
    except InvalidReservationTime as error:
        raise TestbedError(
            f"Grid'5000 could not start the job at the time asked for while {doing}; "
            f"it offers {error.datetime:%Y-%m-%d %H:%M:%S} (Paris): write that as `reservation`."
        ) from None
    except InvalidReservationTooOld:
        raise TestbedError(
            f"Grid'5000 found the start to be in the past while {doing}; "
            "leave out `reservation`, or write a later one."
        ) from None
    except (InvalidReservationCritical, NoSlotError) as error:
        raise TestbedError(
            f"Grid'5000 refused while {doing}: {_line(error) or 'no slot is free'}; "
            "ask for fewer sites, another cluster or a later `reservation`."
        ) from None
    except (Grid5000Error, EnosError) as error:
        raise TestbedError(f"Grid'5000 failed while {doing}: {_line(error)}.") from None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")


def _reason(error: BaseException) -> str:
    """The innermost cause: requests wraps the operating system's sentence four times."""
    while (inner := getattr(error, "reason", None) or (error.args or (None,))[0]) is not None:
        if not isinstance(inner, BaseException):
            break
        error = inner
    return _line(error).rsplit("object at ", 1)[-1].split(": ", 1)[-1]


def client() -> Any:
    """EnOSlib's one client of the API, which never waits longer than a minute for an answer."""
    api = get_api_client()
    if api.timeout is None:
        api.timeout = REQUEST_TIMEOUT_S  # python-grid5000 would wait for ever
    return api


def jobs_named(name: str, sites: Iterable[str]) -> list[Any]:
    """The user's jobs called ``name`` at the Grid'5000 ``sites`` that have not ended."""
    api = client()
    found = []
    for site in sites:
        listed = api.sites[site].jobs.list(name=name, user=get_api_username())
        found += [job for job in listed if job.state not in ENDED]
    return found


def all_jobs() -> list[tuple[str, str]]:
    """The user's jobs that have not ended, at every site, as (name, site)."""
    api = client()
    sites = [site.uid for site in api.sites.list()]
    with ThreadPoolExecutor(max_workers=8) as pool:
        listed = pool.map(
            lambda site: api.sites[site].jobs.list(user=get_api_username(), state=NOT_ENDED), sites
        )
        found = list(zip(sites, listed, strict=True))
    return [
        (job.name, site)
        for site, jobs in found
        for job in jobs
        if job.state not in ENDED and isinstance(job.name, str)
    ]


def delete_jobs(name: str, sites: Iterable[str]) -> list[tuple[str, int]]:
    """Delete every job called ``name`` at ``sites``; which they were, as (site, id)."""
    deleted = []
    for job in jobs_named(name, sites):
        job_delete(job)
        deleted.append((job.site, job.uid))
    return deleted


def wait_for_jobs(jobs: Iterable[tuple[str, int]], tell: Callable[[str], None]) -> None:
    """Wait until every job (site, id) runs; a :class:`TestbedError` if one ends before."""
    api = client()
    told: dict[int, str] = {}
    waiting = [api.sites[site].jobs[str(uid)] for site, uid in jobs]
    while waiting:
        for job in waiting:
            if job.state in ENDED:
                raise TestbedError(
                    f"Job {job.uid} of {job.site} ended ({job.state}) before it ran; "
                    f"ask `oarstat -j {job.uid}` on the {job.site} frontend why, and try again."
                )
            if told.get(job.uid) != job.state:
                told[job.uid] = job.state
                tell(f"job {job.uid} of {job.site}: {job.state}{_start(job)}")
        waiting = [job for job in waiting if job.state != "running"]
        if waiting:
            time.sleep(POLL_S)
        for job in waiting:
            job.refresh()


def _start(job: Any) -> str:
    scheduled = getattr(job, "scheduled_at", None)
    if job.state == "running" or scheduled is None:
        return ""
    return time.strftime(", to start at %Y-%m-%d %H:%M:%S", time.localtime(scheduled))


def ended(jobs: Iterable[tuple[str, int]]) -> list[str]:
    """Those of the jobs (site, id) that have ended, as words for a sentence."""
    api = client()
    found = [api.sites[site].jobs[str(uid)] for site, uid in jobs]
    over = [job for job in found if job.state in ENDED]
    return [f"job {job.uid} of {job.site} ({job.state})" for job in over]
