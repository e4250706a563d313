from __future__ import annotations

from pathlib import Path

import pytest

from discovery.errors import ConfigError, TestbedError
from discovery.testbed import load_testbed
from discovery.testbed.factory import keep, lease

SHIPPED = Path(__file__).parents[3] / "experiments" / "testbeds" / "local.yaml"


def test_the_shipped_local_file_is_whole():
    testbed = load_testbed(SHIPPED)
    assert testbed.provider == "local"
    assert testbed.prefix == "10.77"
    assert testbed.image is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("provider: locl\n", r"local\.yaml: provider = 'locl': no such provider; allowed: .*local"),
        ("prefix: '10.77'\n", r"provider: this key is missing; allowed: .*local"),
        ("- local\n", "is not a mapping"),
        (
            "provider: local\nprefx: '10.7'\n",
            r"prefx = '10\.7': unknown key, did you mean prefix\?",
        ),
        (
            "provider: local\nprefix: '10.300'\n",
            r"prefix = '10\.300': is no private range; allowed: two numbers",
        ),
        (
            "provider: local\nprefix: '8.8'\n",
            "prefix = '8.8': is no private range; allowed: two numbers",
        ),
        (
            "provider: local\nprefix: '127.0'\n",
            "prefix = '127.0': is no private range; allowed: two numbers",
        ),
        ("provider: local\nprefix: 10.77\n", r"prefix = 10\.77.*allowed: .*text"),
        (
            "provider: local\nprefix: 10.70\n",
            r'10\.70 at line 2 is not text to YAML; allowed: text; write it in quotes: "10\.70"',
        ),
        ("provider: local\nprefix: '0.0'\n", "is no private range"),
        ("provider: local\nprefix: '169.254'\n", "is no private range"),
        ("provider: local\nprefix: '240.0'\n", "is no private range"),
        ("provider: on\n", "provider = True: no such provider"),
        ("", "is not a mapping"),
        ("provider: [local\n", "not valid YAML"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(tmp_path, text, message):
    path = tmp_path / "local.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_testbed(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        load_testbed(tmp_path / "none.yaml")


@pytest.mark.parametrize("sites", [255, 256, 10**9, 10**30])
def test_more_sites_than_addresses_are_refused_before_anything_is_made(
    tmp_path, monkeypatch, sites
):
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path / "home"))
    with pytest.raises(ConfigError, match=r"local\.yaml: this needs .* allowed: at most 254 sites"):
        keep(load_testbed(SHIPPED), sites=sites, purpose="a test")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("sites", [1, 0, -1, -(10**30)])
def test_less_than_two_sites_are_refused_before_anything_is_made(tmp_path, monkeypatch, sites):
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path / "home"))
    with pytest.raises(TestbedError, match="at least two sites, not"):
        keep(load_testbed(SHIPPED), sites=sites, purpose="a test")
    with pytest.raises(TestbedError), lease(load_testbed(SHIPPED), sites=sites, purpose="a test"):
        raise AssertionError("leased")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("name", ["static", "grid5000"])
def test_more_sites_than_a_file_names_are_refused_before_anything_is_made(
    tmp_path, monkeypatch, name
):
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path / "home"))
    testbed = load_testbed(SHIPPED.with_name(f"{name}.yaml"))
    with pytest.raises(ConfigError, match=rf"{name}\.yaml: sites: this needs 100 sites and the"):
        keep(testbed, sites=100, purpose="a test")
    assert not (tmp_path / "home").exists()
