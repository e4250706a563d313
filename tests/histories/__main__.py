"""``python -m tests.histories``: long trials of many faults, one line of JSON for each."""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.histories.faults import FAULTS
from tests.histories.mariadb import OTHERS
from tests.histories.profile import WORKLOADS, Profile
from tests.histories.run import Trial, run, witnesses

WHOLE_LOG = 10**7
"""Entries: programs are checked against the log from its beginning."""


def main() -> int:
    """Run the trials; 1 if anything was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.histories", description=__doc__)
    parser.add_argument("--faults", nargs="+", default=list(FAULTS), choices=[*FAULTS, *OTHERS])
    parser.add_argument("--fresh", nargs="+", default=["sync", "push"], choices=["sync", "push"])
    parser.add_argument("--isolation", choices=["SERIALIZABLE"])
    parser.add_argument("--workloads", nargs="+", default=list(WORKLOADS), choices=WORKLOADS)
    parser.add_argument("--transactions", type=int, default=10_000, help="of each trial, at least")
    parser.add_argument("--strokes", type=int, default=5, help="of the fault, at least")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2, help="of each process")
    parser.add_argument("--think", type=float, default=1.0, help="longest pause, ms")
    parser.add_argument("--longest", type=float, default=1800.0, help="seconds of each trial")
    parser.add_argument("--keep", type=Path, help="folder for the histories; default: none kept")
    parser.add_argument("--out", type=Path, help="file for the lines; default: standard output")
    arguments = parser.parse_args()
    profile = Profile(
        seed=arguments.seed,
        workloads=tuple(arguments.workloads),
        processes=arguments.processes,
        threads=arguments.threads,
        think_ms=arguments.think,
    )
    violated = False
    for name in arguments.faults:
        for fresh in ["sync"] if name in OTHERS else arguments.fresh:
            trial = Trial(
                name,
                arguments.transactions,
                arguments.strokes,
                {"fresh": fresh} if name in OTHERS else {"fresh": fresh, "keep": WHOLE_LOG},
                arguments.isolation,
                profile,
                arguments.longest,
            )
            with tempfile.TemporaryDirectory() as scratch:
                folder = (arguments.keep or Path(scratch)) / f"{name}-{fresh}"
                report = run(trial, folder, kind=(FAULTS | OTHERS)[name])
            for witness in witnesses(report.violations):
                print(witness, file=sys.stderr)
            violated = violated or bool(report.violations)
            line = json.dumps(report.line())
            print(line, flush=True)
            if arguments.out:
                with arguments.out.open("a") as file:
                    file.write(line + "\n")
    return int(violated)


if __name__ == "__main__":
    sys.exit(main())
