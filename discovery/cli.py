"""The `discovery` command: thin, every verb is a function elsewhere.

Rooms are imported inside the verbs, so that the analysis half starts without the testbed's
libraries, and `--help` without any.
"""

# ruff: noqa: PLC0415  (the docstring says why)

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TextIO

import click
import typer
from typer.core import TyperGroup

from discovery import terminal
from discovery.errors import (
    DiscoveryError,
    Interrupted,
    MachineError,
    UsageError,
    sentence,
    shortened,
)
from discovery.machine import ready
from discovery.reading import is_there


class _Verbs(TyperGroup):
    """All verbs: what typer would tell in its own way, and in many lines, is an error of ours."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        with _told():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> object:
        with _told():
            return super().invoke(ctx)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "discovery"
        what = shortened(error.format_message(), 400)
        raise UsageError(f"{what} See {path} --help.") from None
    except KeyboardInterrupt:
        raise Interrupted("interrupted") from None


# What was meant is said by click already.
_group = partial(typer.Typer, no_args_is_help=True, suggest_commands=False)
app = _group(
    cls=_Verbs,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Re-run, on today's OpenStack, evaluations of decentralised control planes.",
)
testbed_app = _group(help="Lease nodes, look at them, release them.")
cell_app = _group(help="Run one cell of an experiment.")
image_app = _group(help="The node image of the local testbed.")
archive_app = _group(help="Keep tidy tables with an experiment.")


class _Rome(TyperGroup):
    """The ROME verbs: the driver has an error tree of its own, which knows no exit codes."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            from discovery.rome.errors import Error
        except ModuleNotFoundError as error:
            raise MachineError(
                f"ROME needs {error.name}: pip install 'discovery-workbench[rome]'"
            ) from error
        try:
            return super().invoke(ctx)
        except Error as error:
            typer.echo(f"discovery: {sentence(error)}", err=True)
            raise typer.Exit(ROME_ERROR) from error


rome_app = _group(
    cls=_Rome,
    help="Look at a ROME database, check it, dump it, load one.",
)
GROUPS = {
    "rome": rome_app,
    "testbed": testbed_app,
    "cell": cell_app,
    "image": image_app,
    "archive": archive_app,
}
for _name, _verbs in GROUPS.items():
    app.add_typer(_verbs, name=_name)


def _path(text: str | Path) -> Path:
    """The path meant: an empty text, as of a variable that is not set, is not this folder."""
    if text == "":
        raise click.BadParameter("it is empty; allowed: the path of a file or folder.")
    return Path(text)


_option = partial(typer.Option, parser=_path, metavar="PATH")
_argument = partial(typer.Argument, parser=_path)


def _experiment(text: str | Path) -> Path:
    """The folder meant: a name alone that is no folder is an experiment of ours."""
    folder = _path(text)
    return folder if is_there(folder) or len(folder.parts) > 1 else EXPERIMENTS / folder


ExperimentOption = Annotated[
    Path,
    typer.Option(help="Folder of the experiment, or its name.", parser=_experiment, metavar="PATH"),
]
TierOption = Annotated[str, typer.Option(help="smoke, laptop, full or scale.")]
TestbedOption = Annotated[Path, _option(help="Testbed file.")]
UrlArgument = Annotated[
    str, typer.Argument(help="Such as rome://127.0.0.1:6379/nova.", envvar="ROME_URL")
]
ResultsOption = Annotated[
    Path, _option(help="A tier's results, such as results/keystone-2018/smoke.")
]

ROME_ERROR = 9
EXPERIMENTS = Path("experiments")
KEYSTONE_2018 = EXPERIMENTS / "keystone-2018"
LOCAL = EXPERIMENTS / "testbeds" / "local.yaml"


@app.command()
def doctor() -> None:
    """Say what is here, what is missing, why it matters, and how to get it."""
    from discovery.evaluation.doctor import examine, render

    findings = examine()
    render(findings)
    if any(finding.blocks for finding in findings):
        raise typer.Exit(1)


@app.command()
def check(
    tier: Annotated[str | None, typer.Option(help="Also check that this tier exists.")] = None,
) -> None:
    """Validate every experiment, testbed, variant and claim file; lease nothing."""
    from discovery.evaluation.check import check_everything

    for line in check_everything(EXPERIMENTS, tier):
        _say(line)


@app.command()
def plan(
    experiment: ExperimentOption = KEYSTONE_2018,
    tier: TierOption = "laptop",
    testbed: TestbedOption = LOCAL,
) -> None:
    """Show the cells of a tier, their nodes, and how long they will take, before any is leased.

    Exits with 3 if none of them can be run.
    """
    from discovery.evaluation.plan import plan as make_plan
    from discovery.evaluation.plan import render

    planned = make_plan(experiment, tier, testbed, Path("results"))
    render(planned)
    if planned.impossible:
        raise typer.Exit(MachineError.exit_code)


@cell_app.command("run")
def cell_run(
    cell: Annotated[str, typer.Option(help="The cell's id, such as galera-s3-d50-high-r1.")],
    out: Annotated[Path, _option(help="Folder that gets the raw results.")],
    experiment: ExperimentOption = KEYSTONE_2018,
    tier: TierOption = "laptop",
    testbed: TestbedOption = LOCAL,
) -> None:
    """Lease, deploy, shape, load, collect, release: one cell, written whole or not at all."""
    from discovery.evaluation.needs import roles
    from discovery.evaluation.plan import plan as make_plan
    from discovery.evaluation.plan import progress
    from discovery.experiment.load import load_cell
    from discovery.testbed import load_testbed
    from discovery.workload.cell import run_cell
    from discovery.workload.workflow import end_with_workflow

    end_with_workflow()
    chosen, held = load_cell(experiment, tier, cell), load_testbed(testbed)
    held.refuse_nodes(roles(chosen))
    _say(progress(make_plan(experiment, tier, testbed, Path("results")), cell))
    run_cell(chosen, held, out, _tell(cell))


@app.command()
def tidy(
    raw: Annotated[Path, _option(help="Folder of the cells' raw folders.")],
    out: Annotated[Path, _option(help="Folder that gets the tables.")],
    experiment: ExperimentOption = KEYSTONE_2018,
    tier: TierOption = "laptop",
    partial: Annotated[
        bool, typer.Option("--partial", help="Leave out the cells that were not measured yet.")
    ] = False,
) -> None:
    """Turn the raw results of a tier's cells into tidy tables with a checked schema."""
    from discovery.evaluation.needs import lacks, missing_parts
    from discovery.experiment.load import load_cells
    from discovery.results.tidy import tidy as make_tidy

    cells = load_cells(experiment, tier)
    missing = missing_parts(cells)
    # Of a back end that is not here now, an earlier run may have left cells. A cell that is at work
    # has a folder, made by Snakemake.
    wanted = [
        raw / cell.id
        for cell in cells
        if is_there(raw / cell.id / "cell.json") or not (partial or lacks(cell, missing))
    ]
    make_tidy(wanted, out, cells)


@app.command()
def claims(
    tidy: Annotated[Path, _option(help="Folder of the tidy tables.")],
    out: Annotated[Path, _option(help="The claims.json to write.")],
    experiment: ExperimentOption = KEYSTONE_2018,
) -> None:
    """Judge every claim of an experiment on tidy tables."""
    from discovery.claims.judge import judge_folder
    from discovery.claims.verdicts import write_verdicts

    write_verdicts(judge_folder(experiment, tidy), out)


@app.command()
def verdicts(results: ResultsOption) -> None:
    """Show the verdicts that were reached, in the terminal."""
    from discovery.evaluation.verdicts import render

    render(results / "claims.json")


@app.command()
def paper(
    results: ResultsOption,
    out: Annotated[Path, _option(help="The PDF to write.")],
) -> None:
    """Build the paper from a tier's figures, tables and verdicts."""
    from discovery.evaluation.paper import build_paper

    build_paper(results, out)


@app.command()
def report(
    results: ResultsOption,
    out: Annotated[Path, _option(help="The HTML page to write.")],
    experiment: ExperimentOption = KEYSTONE_2018,
) -> None:
    """Write the report: one self-contained page, verdicts first."""
    from discovery.evaluation.report import write_report

    write_report(experiment, results, out)


@archive_app.command("pack")
def archive_pack(
    tidy: Annotated[Path, _argument(help="Folder of the tidy tables.")],
    archive: Annotated[Path, _argument(help="Folder that becomes the archive.")],
) -> None:
    """Keep a run's tidy tables, with their checksums, as an experiment's archive."""
    from discovery.evaluation.archive import write_archive

    write_archive(tidy, archive)


@archive_app.command("add")
def archive_add(
    tidy: Annotated[Path, _argument(help="Folder of the tidy tables.")],
    archive: Annotated[Path, _argument(help="Folder of the archive.")],
) -> None:
    """Add cells of the same tier that an archive lacks; one that it has is refused."""
    from discovery.evaluation.archive import extend_archive

    extend_archive(tidy, archive)


@archive_app.command("unpack")
def archive_unpack(
    archive: Annotated[Path, _argument(help="Folder of the archive.")],
    tidy: Annotated[Path, _argument(help="Folder that gets the tidy tables.")],
) -> None:
    """Verify an archive and lay its tidy tables out for analysis."""
    from discovery.evaluation.archive import unpack_archive

    unpack_archive(archive, tidy)


@rome_app.command("status")
def rome_status(url: UrlArgument) -> None:
    """Show a database's log, tables and counters, the server's replicas, and who is connected."""
    from discovery.evaluation.rome import render_status
    from discovery.rome.status import status
    from discovery.rome.urls import settings_of

    render_status(status(settings_of(url)))


@rome_app.command("check")
def rome_check(url: UrlArgument) -> None:
    """Check that log, index, rows and counters agree; each violation is shown, and exit code 1."""
    from discovery.evaluation.rome import render_report
    from discovery.rome.integrity import check as check_integrity
    from discovery.rome.urls import settings_of

    report = check_integrity(settings_of(url))
    render_report(report)
    if report.violations:
        raise typer.Exit(1)


@rome_app.command("repair")
def rome_repair(
    url: UrlArgument,
    apply: Annotated[bool, typer.Option("--apply", help="Do it; without, only say it.")] = False,
    aside: Annotated[
        Path | None, _option(help="File that gets what is left out, as comments of SQL.")
    ] = None,
) -> None:
    """Say what puts a damaged database right, by its log where that tells, and do it if asked."""
    from discovery.evaluation.rome import render_plan, render_report
    from discovery.rome.integrity import check as check_integrity
    from discovery.rome.repair import left_out, repair
    from discovery.rome.urls import settings_of
    from discovery.whole import whole_file

    settings = settings_of(url)
    plan = repair(settings, apply=False)
    for does in (False, True) if apply else (False,):
        plan = repair(settings, apply=True) if does else plan
        if aside is not None:  # before it goes, and as it went
            with whole_file(aside, mode=0o600) as partial:
                partial.write_text("".join(left_out(plan)), encoding="utf-8")
    render_plan(plan, done=apply)
    if apply:
        report = check_integrity(settings)
        render_report(report)
        if report.violations:
            raise typer.Exit(1)
    elif plan.does or plan.leaves:
        raise typer.Exit(1)


@rome_app.command("dump")
def rome_dump(
    url: UrlArgument,
    output: Annotated[
        Path | None, _option(help="File to write, whole; standard output if not given.")
    ] = None,
) -> None:
    """Write a database as plain SQL, which sqlite3 reads, too."""
    from discovery.rome.dump import dump
    from discovery.rome.urls import settings_of
    from discovery.whole import whole_file

    statements = dump(settings_of(url), lambda text: _say(text, err=True))
    if output is None:
        _as_it_is(sys.stdout)
        sys.stdout.writelines(statements)
        return
    with (  # it may hold password hashes
        whole_file(output, mode=0o600) as partial,
        partial.open("w", encoding="utf-8", newline="\n") as file,
    ):
        file.writelines(statements)


@rome_app.command("load")
def rome_load(url: UrlArgument) -> None:
    """Load plain SQL from standard input into an empty database, in one transaction."""
    from discovery.rome.dump import load
    from discovery.rome.urls import settings_of
    from discovery.words import counted

    loaded = load(settings_of(url), getattr(sys.stdin, "buffer", sys.stdin))
    typer.echo(f"loaded {counted(loaded.tables, 'table')} with {counted(loaded.rows, 'row')}")


def _as_it_is(stream: TextIO) -> None:
    """Let SQL through as it is: a carriage return in a string is no end of a line."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8", newline="\n")


@image_app.command("bake")
def image_bake() -> None:
    """Make the node image, if one with the same inputs has not been made before."""
    from discovery.deploy import image

    _say(str(image.bake(_tell("image"))))


@testbed_app.command("up")
def testbed_up(
    sites: Annotated[int, typer.Option(help="How many sites.")] = 3,
    testbed: TestbedOption = LOCAL,
) -> None:
    """Lease nodes and keep them until `discovery testbed down`."""
    from discovery.testbed import commands, load_testbed

    for line in commands.up(load_testbed(testbed), sites):
        _say(line)


@testbed_app.command("list")
def testbed_list() -> None:
    """Show what is held: leases, their nodes, and whether their run and their WAN still live."""
    from discovery.testbed import commands

    for line in commands.list_held():
        _say(line)


@testbed_app.command("ssh")
def testbed_ssh(node: Annotated[str, typer.Argument(help="Such as site-1-control.")]) -> None:
    """Open a shell on a node."""
    from discovery.testbed import commands

    commands.ssh(node)


@testbed_app.command("run")
def testbed_run(
    command: Annotated[str, typer.Argument(help="A shell command.")],
    on: Annotated[str, typer.Option(help="A node, a site or a role; all if not given.")] = "all",
) -> None:
    """Run a command on nodes and show what each one prints."""
    from discovery.testbed import commands

    for line in commands.run(command, on):
        _say(line)


@testbed_app.command("cut")
def testbed_cut(sites: Annotated[list[str], typer.Argument(help="Such as site-3.")]) -> None:
    """Cut sites off from all others; `heal` undoes it."""
    from discovery.testbed import commands

    _say(commands.cut(sites))


@testbed_app.command("heal")
def testbed_heal() -> None:
    """Undo every cut."""
    from discovery.testbed import commands

    _say(commands.heal())


@testbed_app.command("down")
def testbed_down(
    every: Annotated[bool, typer.Option("--all", help="Every lease, also of living runs.")] = False,
    stale: Annotated[
        bool, typer.Option("--stale", help="Only what dead runs left behind.")
    ] = False,
) -> None:
    """Release leases and everything that was made for them."""
    from discovery.testbed import commands

    if every and stale:
        raise UsageError(
            "--all and --stale are both given; allowed: one of them. See discovery testbed down "
            "--help."
        )
    for line in commands.down(every=every, stale=stale):
        _say(line)


def _say(text: str, *, err: bool = False) -> None:
    """Print ``text``, which may quote files and nodes: nothing in it acts on the terminal."""
    from discovery.outside import visible

    typer.echo(visible(text), err=err)


def _tell(subject: str):  # type: ignore[no-untyped-def]
    """A function that prints one line of progress about ``subject``."""

    def tell(line: str) -> None:
        _say(f"{subject}: {line}")
        sys.stdout.flush()

    return tell


def _verb(arguments: list[str]) -> str:
    """The command as a person calls it: ``discovery archive pack``."""
    words = arguments[1:3] if arguments[1:2] and arguments[1] in GROUPS else arguments[1:2]
    return " ".join(["discovery", *words])


def main() -> None:
    """Run the command; an error of ours is one sentence and its exit code."""
    terminal.prepare()
    try:
        with ready(_verb(sys.argv)):
            try:
                app()
            finally:
                sys.stdout.flush()
    except terminal.Unread as ended:
        sys.exit(ended.exit_code)
    except DiscoveryError as error:
        typer.echo(f"discovery: {sentence(error)}", err=True)
        sys.exit(error.exit_code)
