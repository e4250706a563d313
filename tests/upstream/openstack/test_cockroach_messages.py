"""Every recorded message of CockroachDB, PostgreSQL and libpq is the right error of oslo.db's."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.upstream.openstack.cockroach.rules import rules

FOLDER = Path(__file__).parent / "cockroach"
MESSAGES = yaml.safe_load((FOLDER / "messages.yaml").read_text())
CASES = [
    pytest.param(number, dialect, id=f"{number}-{dialect}-{message['becomes']}")
    for number, message in enumerate(MESSAGES)
    for dialect in message.get("dialects", ["cockroachdb"])
]


@pytest.fixture(scope="module")
def mapped(openstack):
    done = subprocess.run(
        [openstack / "python", FOLDER / "map_messages.py", FOLDER / "messages.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(("number", "dialect"), CASES)
def test_message_becomes(mapped, number, dialect):
    message = MESSAGES[number]
    found = mapped["all"][f"{number} {dialect}"]
    assert found["becomes"] == message["becomes"], message["said"]
    assert found["lost"] == message.get("lost", False)
    wanted = message.get("attributes", {})
    assert {name: found["attributes"].get(name) for name in wanted} == wanted


RULES = [name for name, *_ in rules()]
# Nothing that a server was recorded to say has them: the tests of the states themselves do.
UNRECORDED = {
    *(f"LOST {state}" for state in ("08000", "08001", "08003", "08004", "08006")),
    *(f"LOST {state}" for state in ("57P02", "57P03")),
    *(f"UNKNOWN {state}" for state in ("08007", "XXA00")),
}


@pytest.mark.parametrize("rule", sorted(set(RULES) - UNRECORDED))
def test_no_rule_can_go(mapped, rule):
    """Without it, a message is not what it was."""
    assert mapped[rule] != mapped["all"]


def test_every_rule_was_taken_away(mapped):
    assert set(mapped) == {"all", "serializers", *RULES}
    assert len(RULES) == len(set(RULES))


def test_serializers_are_passed_on(mapped):
    assert mapped["serializers"] == {"json_serializer": "s", "json_deserializer": "d"}


def test_every_message_has_a_source():
    assert all(message["source"].strip() for message in MESSAGES)
