from __future__ import annotations

import enoslib as en
import pytest

from discovery.deploy import playbook
from discovery.deploy.credentials import Secrets
from discovery.errors import DeployError

TRACEBACK = """\
2026-11-22 18:29:14.698 263 CRITICAL keystone [-] Unhandled error: ConfigFileValueError: x
2026-11-22 18:29:14.698 263 ERROR keystone Traceback (most recent call last):
2026-11-22 18:29:14.698 263 ERROR keystone   File "/opt/x.py", line 5, in f
2026-11-22 18:29:14.698 263 ERROR keystone     raise ValueError(
2026-11-22 18:29:14.698 263 ERROR keystone oslo_config.cfg.ConfigFileValueError: 99 is too many
2026-11-22 18:29:14.698 263 ERROR keystone
"""


def test_the_last_words_of_a_traceback_are_its_error():
    words = playbook.last_words(TRACEBACK, lines=2)
    assert words == (
        "Traceback (most recent call last): | oslo_config.cfg.ConfigFileValueError: 99 is too many"
    )


def test_an_error_before_the_last_words_stands_first():
    after = "KeyboardInterrupt\nno app loaded\ngoodbye to uWSGI.\n"
    assert playbook.last_words(TRACEBACK + after) == (
        "oslo_config.cfg.ConfigFileValueError: 99 is too many | … | KeyboardInterrupt |"
        " no app loaded | goodbye to uWSGI."
    )


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"stderr": "one\n\ntwo\n", "msg": "non-zero return code"}, "one | two"),
        ({"stderr": "", "stdout": "on the other stream"}, "on the other stream"),
        ({"msg": "No package\n  matching"}, "No package matching"),
        ({}, "no message"),
        (
            {"msg": "items", "results": [{"failed": False}, {"failed": True, "msg": "this one"}]},
            "this one",
        ),
    ],
)
def test_what_a_failed_task_has_to_say(payload, expected):
    assert playbook.told(payload) == expected


@pytest.fixture
def here():
    """This machine, as Ansible sees it without SSH."""
    return en.Host("localhost", alias="here", extra={"ansible_connection": "local"})


# Ansible never closes the file that it locks while it connects.
@pytest.mark.filterwarnings("ignore:unclosed file <_io.BufferedRandom:ResourceWarning")
def test_a_playbook_that_works_returns_what_its_tasks_did(tmp_path, here):
    play = tmp_path / "works.yml"
    play.write_text(
        "- hosts: nodes\n  gather_facts: false\n  tasks:\n"
        "    - name: Say it\n      ansible.builtin.command: echo {{ word }}\n"
    )
    log = tmp_path / "logs" / "log.jsonl"
    (result,) = playbook.run(play, {"nodes": [here]}, {"word": "seen"}, log)
    assert result.payload["stdout"] == "seen"
    assert '"node": "here"' in log.read_text()


@pytest.mark.filterwarnings("ignore:unclosed file <_io.BufferedRandom:ResourceWarning")
def test_a_task_that_fails_names_node_task_message_and_log(tmp_path, here):
    play = tmp_path / "breaks.yml"
    play.write_text(
        "- hosts: nodes\n  gather_facts: false\n  tasks:\n"
        "    - name: Break\n      ansible.builtin.shell: echo no such thing >&2; exit 3\n"
    )
    log = tmp_path / "log.jsonl"
    with pytest.raises(DeployError) as raised:
        playbook.run(play, {"nodes": [here]}, {}, log)
    assert str(raised.value) == (
        f"here: task 'Break' of breaks failed: no such thing; every task's result is in {log}"
    )


@pytest.mark.filterwarnings("ignore:unclosed file <_io.BufferedRandom:ResourceWarning")
def test_a_secret_is_in_no_log_and_in_no_sentence(tmp_path, here):
    play = tmp_path / "leaks.yml"
    play.write_text(
        "- hosts: nodes\n  gather_facts: false\n  tasks:\n"
        "    - name: Take it\n      ansible.builtin.command: {cmd: wc -c, stdin: '{{ word }}'}\n"
        "    - name: Tell it\n"
        "      ansible.builtin.command: {cmd: sh -s, stdin: 'echo no {{ word }} >&2; exit 3'}\n"
    )
    log = tmp_path / "log.jsonl"
    with pytest.raises(DeployError, match=r"failed: no \*\*\*;"):
        secret = Secrets.fresh()
        playbook.run(play, {"nodes": [here]}, {"word": secret.store}, log, secret.hide)
    assert "Take it" in log.read_text()
    assert secret.store not in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_what_a_module_was_given_is_in_no_log():
    payload = {
        "stdout": "x",
        "invocation": {"module_args": {"stdin": "secret"}},
        "results": [{"rc": 0, "invocation": {"module_args": {"content": "secret"}}}],
    }
    assert playbook.without_input(payload) == {"stdout": "x", "results": [{"rc": 0}]}
