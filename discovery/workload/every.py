"""Something that is done again and again beside the main thread, such as looking at the testbed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Ansible forks the main thread at any moment, and a fork keeps locks as they were: that of standard
# output would never be free in it if another thread was writing then. So forks wait.
_writing = threading.Lock()
os.register_at_fork(
    before=_writing.acquire, after_in_parent=_writing.release, after_in_child=_writing.release
)


@contextmanager
def unforked() -> Iterator[None]:
    """Let no other thread fork this process while the body runs, which must be short."""
    with _writing:
        yield


@contextmanager
def every(seconds: float, action: Callable[[], bool]) -> Iterator[None]:
    """Do ``action`` every ``seconds`` in a thread while the body runs, until it returns false."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(seconds) and action():
            pass

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
