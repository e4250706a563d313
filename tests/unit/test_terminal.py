"""Whatever the terminal and the pipe behind it: no traceback, and an exit code that is known."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from discovery.errors import ConfigError, MachineError, sentence, shortened

# The entry point's own line: a verb that prints what it is told to, for as long as it is asked.
PROGRAM = """
import sys, time, typer
from discovery import cli
@cli.app.command("print")
def print_(text: str, times: int = 1, patience: float = 0) -> None:
    typer.echo(text * times)
    print("waiting \\u2192", flush=True)
    time.sleep(patience)
cli.main()
"""


def command(*arguments: str | bytes, **options: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stderr=subprocess.PIPE,
        **options,  # type: ignore[call-overload]
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
)
def test_what_a_terminal_cannot_show_is_an_escape(changes: dict[str, str]) -> None:
    environment = {**os.environ, **changes}
    done = command("print", "→ 10 € …", stdout=subprocess.PIPE, env=environment)
    out, err = done.communicate()
    assert (done.returncode, err) == (0, b"")
    assert out.endswith(b"waiting \\u2192\n")
    wrong = command("plan", "--experiment", b"caf\xe9\n\x1b[31m", env=environment)
    _, err = wrong.communicate()
    assert wrong.returncode == ConfigError.exit_code
    assert err.count(b"\n") == 1
    assert err.startswith(b"discovery: ")
    assert b"\x1b" not in err


def test_a_reader_that_had_enough_is_no_error() -> None:
    with command("print", "x" * 100, "--times", "10000", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 128 + signal.SIGPIPE


def test_a_full_disk_behind_the_output_is_one_sentence() -> None:
    with Path("/dev/full").open("wb") as full:
        for arguments in (["print", "x"], ["plan", "--help"]):
            process = command(*arguments, stdout=full)
            _, err = process.communicate()
            assert process.returncode == MachineError.exit_code
            assert err == (
                b"discovery: Standard output cannot be written: No space left on device.\n"
            )


def test_closed_streams_are_the_null_device() -> None:
    line = f'exec "{sys.executable}" -c "$PROGRAM" print x <&- >&- 2>&-'
    done = subprocess.run(["sh", "-c", line], env={**os.environ, "PROGRAM": PROGRAM}, check=False)
    assert done.returncode == 0


def test_an_interrupt_is_one_line() -> None:
    with command("print", "x", "--patience", "60", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b"discovery: interrupted\n"
    assert process.returncode == 128 + signal.SIGINT


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["plam"], "No such command 'plam'. (Did you mean one of: 'claims', 'plan'?)"),
        (["plan", "--nope"], "No such option '--nope'. See discovery plan --help."),
        (["--nope"], "No such option '--nope'. See discovery --help."),
        (["testbed", "up", "--sites", "9" * 5000], "Invalid value for '--sites': '999"),
        (["cell", "run"], "Missing option '--cell'. See discovery cell run --help."),
        (["\x1b[31m\n"], r"No such command '\x1b[31m\n'."),
    ],
)
def test_a_wrong_command_line_is_one_sentence(
    arguments: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    from discovery import cli  # noqa: PLC0415  (not where the others are run)

    monkeypatch.setattr(sys, "argv", ["discovery", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == ConfigError.exit_code
    said = capsys.readouterr().err
    assert said.startswith(f"discovery: {told}")
    assert said.count("\n") == 1
    assert len(said) < 700


def test_a_sentence_is_one_line_that_no_terminal_obeys() -> None:
    error = ConfigError("is odd", file="a\x1b[2J\nb\udcff\u202e", key="k" * 5000, value="v" * 10**7)
    said = sentence(error)
    assert said.isprintable()
    assert said.startswith(r"a\x1b[2J b\udcff\u202e: kkk")
    assert "… (5,000 characters) = 'vvv" in said
    assert len(said) < 1000
    assert shortened("short") == "short"
