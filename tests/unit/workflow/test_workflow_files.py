"""The workflow's files follow the standard of snakemake-workflows, and say what they do."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from discovery.experiment.load import read_yaml
from discovery.experiment.run import Run

WORKFLOW = Path("workflow")
RULES = {
    match["name"]: match["body"]
    for path in sorted((WORKFLOW / "rules").glob("*.smk"))
    for match in re.finditer(
        r"^rule (?P<name>\w+):\n(?P<body>(?:    .*\n|\n)+)", path.read_text("utf-8"), re.MULTILINE
    )
}


def run(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [str(Path(sys.executable).with_name(program)), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_snakefile_is_short() -> None:
    assert len((WORKFLOW / "Snakefile").read_text("utf-8").splitlines()) <= 45


def test_the_files_are_formatted() -> None:
    run("snakefmt", "--check", str(WORKFLOW))


def test_snakemakes_lint_finds_nothing() -> None:
    assert "in a good condition" in run("snakemake", "--lint")


def test_every_rule_is_known_to_this_test() -> None:
    assert set(RULES) == {"cell", "tidy", "unpack", "notebook", "claims", "paper", "report"}


@pytest.mark.parametrize("name", RULES)
def test_every_rule_logs_and_says_what_it_does(name: str) -> None:
    for directive in ("output:", "log:", "message:", "shell:"):
        assert f"    {directive}\n" in RULES[name]
    assert "{log}" in RULES[name].partition("shell:")[2]


def test_captions_of_the_report_are_there() -> None:
    named = {
        caption
        for path in WORKFLOW.rglob("*")
        if path.suffix == ".smk" or path.name == "Snakefile"
        for caption in re.findall(r"report/(\w+\.rst)", path.read_text("utf-8"))
    }
    assert named == {path.name for path in (WORKFLOW / "report").glob("*.rst")}


def test_every_key_of_the_configuration_is_set_and_documented() -> None:
    keys = set(Run.model_fields)
    assert set(read_yaml(WORKFLOW / "config" / "config.yaml")) == keys
    page = (WORKFLOW / "config" / "README.md").read_text("utf-8")
    assert all(f"| `{key}` |" in page for key in keys)


def test_no_profile_lets_code_measure_cells_again() -> None:
    default = read_yaml(WORKFLOW / "profiles" / "default" / "config.yaml")
    assert set(default["rerun-triggers"]) == {"mtime", "params", "input"}
    for name in ("local", "slurm"):
        profile = read_yaml(WORKFLOW / "profiles" / name / "config.yaml")
        assert "rerun-triggers" not in profile
        assert profile["resources"] == ["testbed=1"]
