"""The JSON Schema that editors check ``experiment.yaml`` with."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from discovery.experiment.load import read_yaml
from discovery.experiment.schema import experiment_schema, main

EXPORTED = Path("workflow/schemas/experiment.schema.json")
EXPERIMENTS = sorted(Path("experiments").glob("*/experiment.yaml"))


def test_the_exported_schema_is_that_of_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    assert EXPORTED.read_text(encoding="utf-8") == capsys.readouterr().out, (
        f"run: python -m discovery.experiment.schema > {EXPORTED}"
    )


@pytest.mark.parametrize("path", EXPERIMENTS, ids=str)
def test_every_experiment_fits_it_and_names_it_for_editors(path: Path) -> None:
    jsonschema.Draft202012Validator(experiment_schema()).validate(read_yaml(path))
    first = path.read_text(encoding="utf-8").splitlines()[0]
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / named).resolve() == EXPORTED.resolve()


def nodes(schema: Any) -> Any:
    if isinstance(schema, dict):
        yield schema
        for inside in schema.values():
            yield from nodes(inside)
    elif isinstance(schema, list):
        for inside in schema:
            yield from nodes(inside)


def test_it_refuses_unknown_keys_in_every_object() -> None:
    objects = [node for node in nodes(experiment_schema()) if "properties" in node]
    assert len(objects) >= 5
    assert all(node["additionalProperties"] is False for node in objects)


def test_it_knows_the_names_of_back_ends_and_scenarios() -> None:
    validator = jsonschema.Draft202012Validator(json.loads(EXPORTED.read_text(encoding="utf-8")))
    document = read_yaml(EXPERIMENTS[0])
    for key in ("backends", "scenarios"):
        wrong = copy.deepcopy(document)
        wrong["tiers"]["smoke"][key] = ["nonsense"]
        assert not validator.is_valid(wrong)
    assert validator.is_valid(document)
