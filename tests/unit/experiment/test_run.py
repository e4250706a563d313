"""What one run of the workflow may be asked for."""

from pathlib import Path
from typing import Any

import pytest

from discovery.errors import ConfigError
from discovery.experiment.load import read_yaml
from discovery.experiment.run import read_run

CONFIG = Path("workflow/config/config.yaml")


def asked(**changes: object) -> dict[str, Any]:
    return {**read_yaml(CONFIG), **changes}


def test_the_configuration_as_it_is_measures_smoke_here() -> None:
    run = read_run(asked(), CONFIG)
    assert (run.name, run.folder) == ("keystone-2018/smoke", Path("experiments/keystone-2018"))
    assert run.testbed.is_file()


def test_a_run_from_the_archive_has_a_results_folder_of_its_own() -> None:
    run = read_run(asked(source="archive", tier="laptop"), CONFIG)
    assert run.name == "keystone-2018/archive/laptop"
    assert (run.archive / "manifest.json").is_file()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"tier": "tiny"}, "tier = 'tiny': unknown; allowed: smoke, laptop, full or scale"),
        ({"source": "archiv"}, "source = 'archiv': unknown, did you mean archive?; allowed: "),
        (
            {"experiment": "keystone-2017"},
            "experiment = 'keystone-2017': no such experiment; allowed: one of keystone-2018",
        ),
        (
            {"testbd": "x"},
            "testbd = 'x': unknown key, did you mean testbed?; allowed: experiment, ",
        ),
        ({"testbed": 3}, "testbed = 3; allowed: "),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(
    change: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read_run(asked(**change), CONFIG)
    assert str(caught.value).startswith(f"{CONFIG}: {sentence}")
