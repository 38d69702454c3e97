"""Signals and exit statuses with which work is stopped from outside, so that it can go on."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM, *([signal.SIGUSR1, signal.SIGUSR2] if os.name == "posix" else []))
"""Ctrl-C, and what schedulers send before they end a job."""
TIME_LIMIT_EXIT_CODE = 75
"""Exit status at the time limit: EX_TEMPFAIL of sysexits.h, to be tried again."""


def may_be_taken() -> bool:
    """Whether handlers may be set here: only the main thread may."""
    return threading.current_thread() is threading.main_thread()


@contextmanager
def given_back() -> Iterator[None]:
    """Give :data:`SIGNALS` back to whoever had them, when the block ends."""
    former = {number: signal.getsignal(number) for number in SIGNALS} if may_be_taken() else {}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
