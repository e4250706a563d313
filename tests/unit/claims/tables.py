"""Tidy tables by hand, small enough that a verdict can be computed in the head."""

from itertools import product

import pandas as pd

SCENARIO = "authenticate-user-and-validate-token"


def tables(times, *, errors=None, failed_cells=(), tier="laptop", scenarios=(SCENARIO,)):
    """Tables of cells ``(backend, sites, delay, load) -> [duration_s of each iteration]``.

    Every cell has the same times in each of ``scenarios``.
    ``errors``: how many of a cell's first iterations failed. Each duration is split over two atomic
    actions. A cell in ``failed_cells`` broke before its first iteration.
    """
    cells, iterations, actions = [], [], []
    for (backend, sites, delay, load), durations in times.items():
        cell = f"{backend}-s{sites}-d{delay:g}-{load}-r1"
        key = (backend, sites, delay, load)
        factors = {
            "experiment": "keystone-2018",
            "tier": tier,
            "cell": cell,
            "variation": "study",
            "backend": backend,
            "sites": sites,
            "one_way_delay_ms": float(delay),
            "delay": f"{delay:g}",
            "load": load,
            "repetition": 1,
        }
        broken = key in failed_cells
        failure = "warm-up: no token from site-2" if broken else None
        cells.append(
            {
                **factors,
                "status": "failed" if broken else "ok",
                "failure": failure,
                "scenarios": ",".join(scenarios),
            }
        )
        for scenario, (number, duration) in product(
            scenarios, enumerate([] if broken else durations, 1)
        ):
            one = {
                **factors,
                "client_site": "site-2",
                "scenario": scenario,
                "iteration": number,
                "duration_s": duration + 1.0,  # what Rally does outside the actions
            }
            bad = number <= (errors or {}).get(key, 0)
            iterations.append({**one, "error": "InternalServerError" if bad else None})
            for action, part in (("fetch", 0.25), ("validate", 0.75)):
                actions.append({**one, "action": action, "duration_s": duration * part})
    queries = [
        {**cell, "scenario": SCENARIO, "queries_per_iteration": 11.0, "read_share": 0.9}
        for cell in cells
        if cell["status"] == "ok"
    ]
    found = {"cells": cells, "iterations": iterations, "actions": actions, "queries": queries}
    return {name: pd.DataFrame(rows) for name, rows in found.items()}


def around(centre, n=20, spread=0.02):
    """``n`` durations whose mean is ``centre``, within ± ``spread`` of it."""
    return [centre * (1 + spread * (2 * index / (n - 1) - 1)) for index in range(n)]


def grid(backends, delays, seconds, *, sites=(3,), loads=("light",)):
    """Durations around ``seconds(backend, delay)`` for every combination."""
    return {
        (backend, count, delay, load): around(seconds(backend, delay))
        for backend, count, delay, load in product(backends, sites, delays, loads)
    }
