"""The cause of a failed iteration stands beside it, from its service's journal."""

import json

from discovery.results.causes import MARK, explained, read_causes

ONE = "req-0a1b2c3d-0000-4000-8000-000000000001"
OTHER = "req-0a1b2c3d-0000-4000-8000-000000000002"
BEFORE = "2026-11-30T14:00:00.123456+00:00 site-2-control uwsgi[99]: "


def line(request, kind, state):
    return BEFORE + MARK + json.dumps({"request": request, "class": kind, "state": state}) + "\n"


def journal(tmp_path, *lines, node="site-2-control"):
    (tmp_path / "logs").mkdir(exist_ok=True)
    (tmp_path / "logs" / f"{node}.log").write_text("".join(lines), encoding="utf-8")
    return f"logs/{node}.log"


def test_the_last_error_of_a_request_is_its_cause(tmp_path):
    names = [
        journal(
            tmp_path,
            f"{BEFORE}Keystone is up\n",
            line(ONE, "UniqueViolation", "23505"),
            line(ONE, "SerializationFailure", "40001"),
        ),
        journal(tmp_path, line(OTHER, "Deadlock", None), node="site-3-control"),
    ]
    assert read_causes(tmp_path, names) == {
        ONE: "SerializationFailure 40001 on site-2-control",
        OTHER: "Deadlock on site-3-control",
    }


def test_what_is_no_cause_is_passed_over(tmp_path):
    name = journal(
        tmp_path,
        line("req-of-a-stranger", "Deadlock", None),
        line(ONE, "<b>bold</b>", None),
        line(ONE, "Deadlock", 7),
        line(ONE, None, None),
        f"{MARK}5\n{MARK}[]\n{MARK}null\n{MARK}{{\n{MARK}{'[' * 5000}\n",
        line(ONE, "Deadlock", None)[:-9],
    )
    with (tmp_path / name).open("ab") as file:
        file.write(b"\xff\x00 no text\n")
    assert read_causes(tmp_path, [name]) == {}


def test_an_error_loses_its_names_and_gains_its_cause():
    causes = {ONE: "SerializationFailure 40001 on site-2-control"}
    closed = "ConnectFailure: Remote end closed connection without response"
    assert explained(f"{closed} [{ONE}]", causes) == (
        f"{closed} [SerializationFailure 40001 on site-2-control]"
    )
    refused = "InternalServerError: An error (HTTP 500)"
    assert explained(f"{refused} (Request-ID: {OTHER}) [{ONE}]", causes) == (
        f"{refused} [SerializationFailure 40001 on site-2-control]"
    )
    assert explained(f"{refused} (Request-ID: {OTHER})", causes) == refused
    assert explained(f"to http://n/v3/users/{'0af' * 10}01: ('Aborted')", causes) == (
        "to http://n/v3/users/…: ('Aborted')"
    )
    assert explained("TimeoutException: Rally", causes) == "TimeoutException: Rally"
