"""Claims: what a study said, judged on what was measured."""

from discovery.claims.judge import judge, judge_folder
from discovery.claims.load import load_claims
from discovery.claims.verdicts import Verdicts, read_verdicts, write_verdicts

__all__ = [
    "Verdicts",
    "judge",
    "judge_folder",
    "load_claims",
    "read_verdicts",
    "write_verdicts",
]
