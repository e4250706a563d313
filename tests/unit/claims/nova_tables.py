"""Tables of cells on Nova by hand, as small as a verdict can be computed from."""

import pandas as pd

FUNCTIONS = ("db.main.api.instance_create", "db.main.api.instance_get")
KINDS = ("master", "control", "compute", "database")


def cell(variant, sites=3, delay=10.0, *, zones="flat", repetition=1, servers=10):
    """The levels of a cell."""
    zoned = "-zoned" if zones == "per-site" else ""
    return {
        "cell": f"{variant}-s{sites}-d{delay:g}{zoned}-burst{servers}-f6-w1-r{repetition}",
        "variant": variant,
        "sites": sites,
        "one_way_delay_ms": delay,
        "zones": zones,
        "repetition": repetition,
        "servers": servers,
    }


def tables(cells):
    """Tables of ``[(levels, what was measured)]``.

    Measured are ``calls`` (durations in s, in their order), ``completion_s`` of the burst,
    ``volume_mb`` from every kind of node to every other, ``failed`` servers, and ``hosts``, the
    sites that the servers are on (else each is on the site that was asked).
    """
    found = {name: [] for name in ("cells", "control_planes", "calls", "servers", "traffic")}
    for levels, measured in cells:
        key = {name: levels[name] for name in ("cell", "sites", "one_way_delay_ms", "repetition")}
        factors = {
            **key,
            "experiment": "nova-2017",
            "tier": "laptop",
            "variation": "study",
            "backend": "mariadb",
            "delay": f"{levels['one_way_delay_ms']:g}",
        }
        found["cells"].append({**factors, "status": "ok", "failure": None})
        plane = {"workload": "burst", "fake_nodes": 6, "workers": 1}
        plane |= {name: levels[name] for name in ("cell", "variant", "zones", "servers")}
        found["control_planes"].append(plane)
        for number, duration in enumerate(measured.get("calls", [])):
            found["calls"].append(
                {
                    **factors,
                    "site": "site-1",
                    "process": "nova-api",
                    "function": ("db.main.api.instance_create", "db.main.api.instance_get")[
                        number % 2
                    ],
                    "start": 1e9 + number,
                    "duration_s": duration,
                    "round_trips": 3,
                    "error": None,
                }
            )
        found["servers"] += _servers(factors, levels, measured)
        for source in KINDS:
            for destination in KINDS:
                mb = measured.get("volume_mb", 0.0)
                found["traffic"].append(
                    {**factors, "source": source, "destination": destination, "mb": mb}
                )
    return {name: pd.DataFrame(rows) for name, rows in found.items()}


def _servers(factors, levels, measured):
    count, sites = levels["servers"], levels["sites"]
    last = measured.get("completion_s", 10.0)
    for number in range(count):
        asked = f"site-{1 + number % sites}"
        hosts = measured.get("hosts") or [asked]
        failed = number < measured.get("failed", 0)
        yield {
            **factors,
            "asked_on": asked,
            "asked_at": 1e9 + number / 1000,
            "active_at": None if failed else 1e9 + last * (number + 1) / count,
            "host_site": None if failed else hosts[number % len(hosts)],
            "error": "error" if failed else None,
        }
