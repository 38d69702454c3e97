"""Sentences in the log that are written once, however often their occasion comes back."""

from __future__ import annotations

import logging
from functools import cache

_log = logging.getLogger(__name__)


@cache
def log_once(sentence: str, level: int = logging.WARNING) -> None:
    """Write a sentence into the log, the first time."""
    _log.log(level, sentence)
