"""``python -m tests.fuzz [WORD…]``: run all cases whose name has the words; show each fault.

A word that begins with ``^`` may not be in the name.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.fuzz.cases import all_cases
from tests.fuzz.contract import Runner, check, counts
from tests.fuzz.world import make_world

if __name__ == "__main__":
    words = sys.argv[1:]
    chosen = [case for case in all_cases() if all(map(case.has, words))]
    faults, done = [], 0
    with tempfile.TemporaryDirectory(prefix="fuzz-") as text:
        base, scratch = Path(text) / "base", Path(text) / "scratch"
        base.mkdir()
        make_world(base)
        scratch.mkdir()
        runner = Runner()
        for case in chosen:
            found = check(case, base, scratch, runner)
            if found is None:
                continue
            done += 1
            if done % 50 == 0:
                print(f"… {done} of {len(chosen)} cases", flush=True)
            for fault in found:
                faults.append(fault)
                print(f"{fault.kind:10} {fault.case}: {fault.why}", flush=True)
        runner.close()
    print(f"{done} cases: {counts(faults)}")
    sys.exit(bool(faults))
