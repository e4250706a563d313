"""Every command and every option is documented, and a user's mistake is one sentence."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
import typer.main
from typer.testing import CliRunner

from discovery import cli
from discovery.errors import ConfigError, ResultError, UsageError
from discovery.experiment.cells import Cell
from discovery.experiment.load import load_cells, load_experiment
from discovery.results.tables import read_tables
from tests.raw.cells import write_cell

DOCUMENT = Path(__file__).parents[2] / "docs" / "commands.md"


def commands(group: click.Group, prefix: str = "discovery") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        path = f"{prefix} {name}"
        if hasattr(command, "commands"):
            yield from commands(command, path)
        else:
            yield path, command


COMMANDS = dict(commands(typer.main.get_command(cli.app)))


def sections() -> dict[str, str]:
    parts = DOCUMENT.read_text(encoding="utf-8").split("\n### ")[1:]
    return {part.partition("\n")[0].strip("`"): part for part in parts}


def test_the_document_has_a_section_for_every_command_and_no_other():
    assert list(sections()) == list(COMMANDS)


@pytest.mark.parametrize("path", COMMANDS)
def test_a_section_says_what_help_says_and_names_every_parameter(path):
    section, command = sections()[path], COMMANDS[path]
    assert command.help
    assert command.help.splitlines()[0] in section
    for parameter in command.params:
        name = parameter.opts[0] if parameter.opts[0].startswith("-") else parameter.name.upper()
        assert f"`{name}`" in section, f"{path} {name} is not documented"


def test_an_error_of_ours_is_one_sentence_with_its_exit_code(monkeypatch, capsys):
    def refuse() -> None:
        raise ConfigError("unknown key", file="experiment.yaml", key="tier", allowed=["smoke"])

    refuse.registered_groups = []
    monkeypatch.setattr(cli, "app", refuse)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == ConfigError.exit_code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "discovery: experiment.yaml: tier: unknown key; allowed: one of smoke\n"
    )


def test_an_experiment_is_named_by_its_folder_or_by_its_name(tmp_path, monkeypatch):
    (tmp_path / "beside").mkdir()
    monkeypatch.chdir(tmp_path)
    asked = []

    def planned(*told):
        asked.append(told[0])
        return SimpleNamespace(impossible=False)

    monkeypatch.setattr("discovery.evaluation.plan.plan", planned)
    monkeypatch.setattr("discovery.evaluation.plan.render", lambda _: None)
    for text in ("name", "experiments/name", "beside", "other/name"):
        CliRunner().invoke(cli.app, ["plan", "--experiment", text], catch_exceptions=False)
    assert [str(each) for each in asked] == [
        "experiments/name",
        "experiments/name",
        "beside",
        "other/name",
    ]


def test_an_experiment_that_is_not_there_is_told_which_are(tmp_path):
    for known in ("one", "two"):
        (tmp_path / known).mkdir()
        (tmp_path / known / "experiment.yaml").touch()
    with pytest.raises(ConfigError, match=r"no such file; allowed: one of one, two$"):
        load_experiment(tmp_path / "three")


def test_tables_of_a_part_of_a_tier_are_made_when_that_is_asked_for(tmp_path):
    experiment = Path(__file__).parents[2] / "experiments" / "keystone-2018"
    cell, at_work, *_ = load_cells(experiment, "smoke")
    assert isinstance(cell, Cell)
    write_cell(tmp_path / "raw", cell)
    (tmp_path / "raw" / at_work.id).mkdir()
    out = tmp_path / "tidy"
    asked = ["tidy", "--raw", str(tmp_path / "raw"), "--out", str(out), "--tier", "smoke"]
    asked += ["--experiment", str(experiment)]
    assert isinstance(CliRunner().invoke(cli.app, asked).exception, ResultError)
    assert not out.exists()
    CliRunner().invoke(cli.app, [*asked, "--partial"], catch_exceptions=False)
    assert read_tables(out)["cells"]["cell"].tolist() == [cell.id]


def test_the_command_starts_without_the_testbeds_libraries():
    code = (
        "import sys, discovery.cli; sys.exit('enoslib' in sys.modules or 'pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "words",
    [
        ["tidy", "--raw", "", "--out", "x"],
        ["tidy", "--raw", "x", "--out", ""],
        ["plan", "--experiment", ""],
        ["plan", "--testbed", ""],
        ["claims", "--tidy", "x", "--out", ""],
        ["report", "--results", "", "--out", "x"],
        ["paper", "--results", "x", "--out", ""],
        ["archive", "pack", "", "x"],
        ["archive", "unpack", "x", ""],
        ["cell", "run", "--cell", "x", "--out", ""],
    ],
)
def test_an_empty_path_is_not_this_folder(words):
    result = CliRunner().invoke(cli.app, words)
    assert isinstance(result.exception, UsageError)
    assert "it is empty; allowed: the path of a file or folder" in str(result.exception)


def test_options_in_conflict_are_refused():
    result = CliRunner().invoke(cli.app, ["testbed", "down", "--all", "--stale"])
    assert isinstance(result.exception, UsageError)
    assert "--all and --stale are both given; allowed: one of them" in str(result.exception)
