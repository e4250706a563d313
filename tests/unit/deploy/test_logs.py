"""What an error points to is still there when somebody looks, and does not fill the disk."""

import stat

from discovery.deploy import logs


def test_the_next_deployment_leaves_the_log_of_the_last(tmp_path, monkeypatch):
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path))
    first = logs.new_log("deploy", "aaaaaa")
    first.write_text('{"task": "that failed"}\n')
    second = logs.new_log("deploy", "bbbbbb")
    assert second != first
    assert first.read_text() == '{"task": "that failed"}\n'
    assert stat.S_IMODE(second.stat().st_mode) == 0o600


def test_another_deployment_of_the_same_lease_goes_on_in_it_or_beside_it(tmp_path, monkeypatch):
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path))
    logs.new_log("deploy", "aaaaaa").write_text("kept")
    logs.new_log("deploy", "aaaaaa")
    assert "kept" in {path.read_text() for path in (tmp_path / "logs").iterdir()}


def test_only_so_many_are_kept_of_each_kind(tmp_path, monkeypatch):
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path))
    bake = logs.new_log("install", "c0ffee")
    (tmp_path / "logs" / "deploy-20200101T000000Z-oldest.jsonl").touch()
    made = [logs.new_log("deploy", f"{number:06x}") for number in range(logs.KEPT)]
    found = set((tmp_path / "logs").iterdir())
    assert found == {bake, *made}
