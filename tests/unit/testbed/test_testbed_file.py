from __future__ import annotations

from pathlib import Path

import pytest

from discovery.errors import ConfigError
from discovery.testbed import load_testbed

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
