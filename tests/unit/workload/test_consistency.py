"""Each way in which those who know of servers can disagree is found, and named once."""

import copy

import pytest

from discovery.workload.consistency import counts, findings, placed

NODE = "site-1-compute-node-001"


def quiet(count=3):
    """What a Nova with so many active servers says, everywhere the same; and the burst's record."""
    ids = [f"id-{n}" for n in range(count)]
    survey = {
        "servers": [
            {"id": key, "name": f"burst-{n}", "status": "ACTIVE", "project": "p1",
             "host": "site-1-compute", "vcpus": 1, "memory_mb": 512}
            for n, key in enumerate(ids)
        ],
        "quotas": {"p1": {"instances": count, "cores": count, "ram": 512 * count}},
    }  # fmt: skip
    stored = {
        "instances": {
            "nova_cell0": [],
            "nova_cell1": [
                {"uuid": key, "display_name": f"burst-{n}", "vm_state": "active",
                 "task_state": None, "host": "site-1-compute", "node": NODE, "project_id": "p1",
                 "vcpus": 1, "memory_mb": 512}
                for n, key in enumerate(ids)
            ],
        },
        "mappings": [
            {"instance_uuid": key, "project_id": "p1", "queued_for_delete": False, "cell": "cell1"}
            for key in ids
        ],
        "build_requests": [],
        "allocations": [
            {"consumer_id": key, "node": NODE, "resource_class_id": resource, "used": used}
            for key in ids for resource, used in ((0, 1), (1, 512), (2, 1))
        ],
    }  # fmt: skip
    asked = [{"id": key, "name": f"burst-{n}"} for n, key in enumerate(ids)]
    return survey, stored, asked


def test_a_quiet_nova_has_no_findings():
    survey, stored, asked = quiet()
    assert findings(survey, stored, asked) == []
    assert counts(survey, stored) == {
        "servers": 3, "nova_cell0": 0, "nova_cell1": 3, "build_requests": 0, "mappings": 3,
        "consumers": 3, "quota_instances": 3,
    }  # fmt: skip


def test_where_servers_are_is_what_the_cell_says():
    _, stored, _ = quiet(2)
    here = {"host": "site-1-compute", "node": NODE}
    assert placed(stored) == {"id-0": here, "id-1": here}


def test_an_empty_one_has_none_either():
    assert findings(*quiet(0)) == []


def test_a_server_that_failed_to_be_scheduled_is_in_cell0_without_allocation():
    survey, stored, asked = quiet()
    (failed,) = [row for row in stored["instances"]["nova_cell1"] if row["uuid"] == "id-2"]
    stored["instances"]["nova_cell1"].remove(failed)
    stored["instances"]["nova_cell0"].append({**failed, "vm_state": "error", "node": None})
    stored["mappings"][2]["cell"] = "cell0"
    stored["allocations"] = [a for a in stored["allocations"] if a["consumer_id"] != "id-2"]
    assert findings(survey, stored, asked) == []


def lose(survey, stored, asked):
    """From the API, but not from what was asked."""
    del survey["servers"][2]
    stored["instances"]["nova_cell1"].pop()
    stored["mappings"].pop()
    del stored["allocations"][-3:]
    survey["quotas"]["p1"] = {"instances": 2, "cores": 2, "ram": 1024}


def double(survey, stored, asked):
    survey["servers"].append({**survey["servers"][0], "id": "id-9"})
    stored["instances"]["nova_cell1"].append(
        {**stored["instances"]["nova_cell1"][0], "uuid": "id-9"}
    )
    stored["mappings"].append({**stored["mappings"][0], "instance_uuid": "id-9"})
    stored["allocations"] += [{**a, "consumer_id": "id-9"} for a in stored["allocations"][:3]]
    survey["quotas"]["p1"] = {"instances": 4, "cores": 4, "ram": 2048}


def leave_an_allocation(survey, stored, asked):
    stored["allocations"].append(
        {"consumer_id": "gone", "node": NODE, "resource_class_id": 0, "used": 1}
    )


def lose_an_allocation(survey, stored, asked):
    del stored["allocations"][:3]


def hold_two_nodes(survey, stored, asked):
    stored["allocations"].append({**stored["allocations"][0], "node": "other-node"})


def hold_too_much(survey, stored, asked):
    stored["allocations"][0]["used"] = 2


def leave_an_instance(survey, stored, asked):
    row = stored["instances"]["nova_cell1"][0]
    stored["instances"]["nova_cell1"].append({**row, "uuid": "gone", "vm_state": "building"})


def lose_an_instance(survey, stored, asked):
    stored["instances"]["nova_cell1"].pop(0)
    del stored["allocations"][:3]


def be_in_both_cells(survey, stored, asked):
    row = stored["instances"]["nova_cell1"][0]
    stored["instances"]["nova_cell0"].insert(0, {**row, "vm_state": "error"})


def be_requested_still(survey, stored, asked):
    stored["build_requests"].append({"instance_uuid": "id-0", "project_id": "p1"})


def be_mapped_elsewhere(survey, stored, asked):
    stored["mappings"][0]["cell"] = "cell0"


def be_mapped_twice(survey, stored, asked):
    stored["mappings"].append(dict(stored["mappings"][0]))


def lose_a_mapping(survey, stored, asked):
    stored["mappings"].pop()


def leave_a_mapping(survey, stored, asked):
    stored["mappings"].append({**stored["mappings"][0], "instance_uuid": "gone"})


def count_too_many(survey, stored, asked):
    survey["quotas"]["p1"]["instances"] = 4


def count_what_is_gone(survey, stored, asked):
    survey["quotas"]["p2"] = {"instances": 0, "cores": 0, "ram": 512}


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lose, [("lost", "id-2")]),
        (double, [("doubled", "burst-0")]),
        (leave_an_allocation, [("allocation-without-instance", "gone")]),
        (lose_an_allocation, [("instance-without-allocation", "id-0")]),
        (hold_two_nodes, [("allocated-elsewhere", "id-0")]),
        (hold_too_much, [("allocated-otherwise", "id-0")]),
        (leave_an_instance, [("instance-without-server", "gone")]),
        (lose_an_instance, [("server-without-instance", "id-0")]),
        (be_in_both_cells, [("in-several-cells", "id-0")]),
        (be_requested_still, [("built-and-requested", "id-0")]),
        (be_mapped_elsewhere, [("mapped-elsewhere", "id-0")]),
        (be_mapped_twice, [("mapped-twice", "id-0")]),
        (lose_a_mapping, [("server-without-mapping", "id-2")]),
        (leave_a_mapping, [("mapping-without-server", "gone")]),
        (count_too_many, [("quota", "p1")]),
        (count_what_is_gone, [("quota", "p2")]),
    ],
)
def test_what_does_not_agree_is_found(spoil, expected):
    facts = copy.deepcopy(quiet())
    spoil(*facts)
    assert [(one.kind, one.what) for one in findings(*facts)] == expected


def test_a_mapping_of_what_is_being_deleted_is_none():
    survey, stored, asked = quiet()
    stored["mappings"].append(
        {**stored["mappings"][0], "instance_uuid": "deleted", "queued_for_delete": True}
    )
    assert findings(survey, stored, asked) == []
