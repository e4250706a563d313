"""What a Keystone counted of replays is read as it is; one that counted nothing has nothing."""

import json

from discovery.results.manifest import Replays
from discovery.workload.replays import _END, counted

TOTALS = {"requests": 7, "replays": 3, "recovered": 2, "gave_up": 0, "committed": 0}
LINE = {
    "time": 1795369000.123,
    "method": "POST",
    "path": "/v3/users",
    "outcome": "ok",
    "replays": 2,
    "lost_s": 0.25,
    "errors": {"conflict": 2},
}


def test_totals_of_processes_are_added_up_and_requests_are_kept():
    totals = json.dumps(TOTALS).ljust(159) + "\n"
    text = f"{totals}{totals}{_END}\n{json.dumps(LINE)}\n{json.dumps(LINE)}"
    found = counted(text)
    assert found["totals"] == {name: 2 * count for name, count in TOTALS.items()}
    assert found["requests"] == [LINE, LINE]
    assert Replays.model_validate({"schema_version": 1, "sites": {"site-1": found}})


def test_a_keystone_that_nobody_asked_has_counted_nothing():
    assert counted(_END) == {"totals": {}, "requests": []}
