"""The JSON Schemas that editors check ``experiment.yaml`` with."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from discovery.experiment.load import read_yaml
from discovery.experiment.schema import FILES, experiment_schema, main

SCHEMAS = Path("workflow/schemas")
EXPORTED = {service: SCHEMAS / name for service, name in FILES.items()}
EXPERIMENTS = sorted(Path("experiments").glob("*/experiment.yaml"))


@pytest.mark.parametrize("service", FILES)
def test_the_exported_schema_is_that_of_the_model(
    service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(service)
    assert EXPORTED[service].read_text(encoding="utf-8") == capsys.readouterr().out, (
        f"run: python -m discovery.experiment.schema {service} > {EXPORTED[service]}"
    )


def test_there_is_one_for_each_service() -> None:
    assert {path.name for path in SCHEMAS.glob("*.json")} == set(FILES.values())
    assert {read_yaml(path)["service"] for path in EXPERIMENTS} == set(FILES)


@pytest.mark.parametrize("path", EXPERIMENTS, ids=str)
def test_every_experiment_fits_it_and_names_it_for_editors(path: Path) -> None:
    document = read_yaml(path)
    schema = experiment_schema(document["service"])
    jsonschema.Draft202012Validator(schema).validate(document)
    first = path.read_text(encoding="utf-8").splitlines()[0]
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / named).resolve() == EXPORTED[document["service"]].resolve()


def nodes(schema: Any) -> Any:
    if isinstance(schema, dict):
        yield schema
        for inside in schema.values():
            yield from nodes(inside)
    elif isinstance(schema, list):
        for inside in schema:
            yield from nodes(inside)


@pytest.mark.parametrize("service", FILES)
def test_it_refuses_unknown_keys_in_every_object(service: str) -> None:
    objects = [node for node in nodes(experiment_schema(service)) if "properties" in node]
    assert len(objects) >= 5
    assert all(node["additionalProperties"] is False for node in objects)


def test_it_knows_the_names_of_back_ends_and_scenarios() -> None:
    schema = json.loads(EXPORTED["keystone"].read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    document = read_yaml(next(path for path in EXPERIMENTS if "keystone" in str(path)))
    for key in ("backends", "scenarios"):
        wrong = copy.deepcopy(document)
        wrong["tiers"]["smoke"][key] = ["nonsense"]
        assert not validator.is_valid(wrong)
    assert validator.is_valid(document)
