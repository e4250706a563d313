"""How long a request waits before it is run again.

Whoever lost a conflict lost it to somebody who is likely to come again, too: the waits are drawn
from all of an interval that doubles (full jitter), so that those who met do not meet again.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """Waits of up to ``base_s``, twice that, four times that, … and never more than ``cap_s``."""

    base_s: float
    cap_s: float

    def longest(self, failures: int) -> float:
        """The longest wait (s) after so many failures in a row, one or more."""
        # 2**1023 is the largest power of two that a float has.
        return min(self.cap_s, self.base_s * 2.0 ** min(failures - 1, 1000))

    def wait(self, failures: int) -> float:
        """A wait (s), drawn anew."""
        return random.uniform(0, self.longest(failures))
