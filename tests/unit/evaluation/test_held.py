"""What a testbed cannot hold is said by the plan, as the lease would say it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from discovery import cli
from discovery.errors import ConfigError
from discovery.evaluation import plan as planning
from discovery.evaluation.needs import roles
from discovery.evaluation.plan import check_testbed, plan, summary
from discovery.experiment.load import load_cells
from discovery.experiment.run import Run
from discovery.testbed import lease
from discovery.testbed.load import load_testbed

EXPERIMENTS = Path("experiments")
NOVA, KEYSTONE = EXPERIMENTS / "nova-2017", EXPERIMENTS / "keystone-2018"
LOCAL, STATIC, GRID5000 = (
    EXPERIMENTS / "testbeds" / f"{name}.yaml" for name in ("local", "static", "grid5000")
)


@pytest.fixture(autouse=True)
def _large_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "memory_there_mb", lambda: 1_000_000)


def test_a_file_with_too_few_sites_and_other_nodes_holds_nothing_of_nova(tmp_path: Path) -> None:
    planned = plan(NOVA, "full", STATIC, tmp_path)
    assert planned.to_run == []
    assert planned.impossible
    said = summary(planned).splitlines()
    assert said[0] == "0 of 393 cells to run."
    assert (
        "needs 8 sites, 5 more than the 3 of the testbed, and 17 nodes (1 master, 8 compute, "
        "8 database) beside a control and a client that provider static has at a site."
    ) in "".join(said)
    assert len(said) < 10  # however many reasons there are


@pytest.mark.parametrize(
    ("testbed", "sites", "held"), [(STATIC, 3, {3}), (GRID5000, 9, {3, 9}), (LOCAL, 254, None)]
)
def test_of_keystone_those_sites_are_held_that_the_file_has(
    tmp_path: Path, testbed: Path, sites: int, held: set[int] | None
) -> None:
    planned = plan(KEYSTONE, "full", testbed, tmp_path)
    there = {one.cell.sites for one in planned.cells if one.cell.backend == "mariadb"}
    run = {one.cell.sites for one in planned.to_run}
    assert run == (there if held is None else there & held)
    assert not planned.impossible
    if held is not None:
        more = 45 - sites
        why = f"needs 45 sites, {more} more than the {sites} of the testbed."
        assert why in summary(planned)
        assert summary(planned).startswith(f"{len(planned.to_run)} of {len(planned.cells)} cells")


@pytest.mark.parametrize("testbed", [STATIC, GRID5000])
def test_grid5000_and_own_machines_hold_a_control_and_a_client_at_a_site(testbed: Path) -> None:
    (cell, *_) = load_cells(NOVA, "smoke")
    short = load_testbed(testbed).shortage(roles(cell))
    provider = testbed.stem
    assert short == (
        "needs 4 nodes (1 master, 2 compute, 1 database) beside a control and a client that "
        f"provider {provider} has at a site"
    )
    assert load_testbed(LOCAL).shortage(roles(cell)) is None


@pytest.mark.parametrize("testbed", [LOCAL, STATIC, GRID5000])
@pytest.mark.parametrize("experiment", [NOVA, KEYSTONE])
def test_the_plan_and_the_lease_say_the_same(experiment: Path, testbed: Path) -> None:
    held = load_testbed(testbed)
    for cell in load_cells(experiment, "full"):
        wanted = roles(cell)
        if held.shortage(wanted) is None:
            held.refuse_nodes(wanted)
        else:
            with pytest.raises(ConfigError):
                held.refuse_nodes(wanted)


def test_a_lease_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path / "home"))
    (cell, *_) = load_cells(NOVA, "smoke")
    refused = lease(load_testbed(STATIC), sites=2, purpose="test", roles=roles(cell))
    with pytest.raises(ConfigError) as caught, refused:
        pass
    assert str(caught.value) == (
        f"{STATIC}: provider = 'static': this needs 4 nodes (1 master, 2 compute, 1 database) "
        "beside a control and a client that provider static has at a site; allowed: another "
        "testbed, such as one with provider local"
    )
    assert not (tmp_path / "home").exists()


def test_a_run_is_refused_before_its_first_cell() -> None:
    run = Run(experiment="keystone-2018", tier="full", source="measure", testbed=STATIC)
    cells = [cell for cell in load_cells(KEYSTONE, "full") if cell.backend == "mariadb"]
    many = [cell for cell in cells if cell.sites > 3]
    with pytest.raises(ConfigError) as caught:
        check_testbed(cells, load_testbed(STATIC), run)
    assert f"cannot hold {len(many)} of the {len(cells)} cells of tier full: " in str(caught.value)
    assert caught.value.exit_code == 2
    check_testbed([cell for cell in cells if cell.sites == 3], load_testbed(STATIC), run)


def test_the_commands_end_with_what_they_found(tmp_path: Path) -> None:
    def code(*arguments: str) -> int:
        return CliRunner().invoke(cli.app, [*arguments, "--testbed", str(STATIC)]).exit_code

    assert code("plan", "--experiment", "nova-2017", "--tier", "smoke") == 3
    assert code("plan", "--experiment", "keystone-2018", "--tier", "smoke") == 0
    (cell, *_) = load_cells(NOVA, "smoke")
    arguments = ["--cell", cell.id, "--out", str(tmp_path / "raw"), "--testbed", str(STATIC)]
    done = CliRunner().invoke(
        cli.app, ["cell", "run", "--experiment", "nova-2017", "--tier", "smoke", *arguments]
    )
    assert isinstance(done.exception, ConfigError)
    assert done.output == ""
    assert not (tmp_path / "raw").exists()
