"""Whether all that know of servers know the same."""

import pandas as pd

from discovery.analysis.nova_agreement import agreement, agreement_numbers
from discovery.results.tables import read_tables
from tests.unit.claims.nova_tables import cell, tables, write


def test_agreement_has_what_became_of_all_servers_and_what_each_knew(tmp_path):
    made = tables([(cell("vanilla"), {"calls": [0.1], "failed": 2})])
    measured = read_tables(write(made, tmp_path))
    name = cell("vanilla")["cell"]
    row = measured["known"].reindex([0]).assign(cell=name, by="servers", servers=8)
    more = {"cell": name, "kind": "lost", "what": "id-1", "detail": "the API has none"}
    found = pd.concat([measured["findings"], pd.DataFrame([more, more])])
    known, findings = agreement({**measured, "known": row, "findings": found})
    (only,) = known.to_dict("records")
    assert only["cell"] == name
    assert [only[key] for key in ("asked", "active", "failed", "API")] == [10, 8, 2, 8]
    assert only["findings"] == 2
    assert findings["kind"].tolist() == ["lost", "lost"]
    numbers = agreement_numbers(known)
    assert {name: number["value"] for name, number in numbers.items()} == {
        "nova-bursts": 1,
        "nova-servers-asked": 10,
        "nova-servers-active": 8,
        "nova-findings": 2,
    }
