"""What the log says once about the code that was chosen, however often it is chosen."""

from __future__ import annotations

import logging
from functools import cache

_log = logging.getLogger(__name__)


@cache
def say_once(sentence: str, level: int = logging.WARNING) -> None:
    """Write a sentence into the log, the first time."""
    _log.log(level, sentence)
