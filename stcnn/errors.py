"""Faults of the user's input: one sentence that says what was found, where, what was expected and what to do.

Code that meets a faulty file, configuration or recording raises a subclass of :class:`StcnnError`. The
command line prints the sentence without a traceback and exits with status 2. A fault of the program itself
raises the ordinary built-in exceptions and shows its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class StcnnError(Exception):
    """A fault in what the user supplied.

    Args:
        found: what was found and where, as a clause without a final stop.
        expected: what was expected, as a clause; left out where it goes without saying.
        remedy: what to do about it, as a clause in the imperative.
    """

    exit_code = 2

    def __init__(self, found: str, *, expected: str = "", remedy: str = "") -> None:
        self.found, self.expected, self.remedy = found, expected, remedy
        sentence = f"{found}, expected {expected}." if expected else f"{found}."
        if remedy:
            sentence += f" {remedy[0].upper()}{remedy[1:]}" + ("" if remedy.endswith("?") else ".")
        super().__init__(sentence)


class ConfigError(StcnnError):
    """A key or value of the configuration is unknown or out of range."""


class DataError(StcnnError):
    """A recording, stimulus or data set cannot be used as it is."""


class FileError(StcnnError):
    """A file or folder is missing, truncated, of an unknown version, or cannot be written."""


class ShapeError(StcnnError):
    """An array has the wrong shape, type, or holds values that are not finite."""


class RateError(StcnnError):
    """Two sampling rates or resolutions that must agree do not."""


class TrainingError(StcnnError):
    """Training had to stop, for instance at a loss that is not finite."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return a clause that names the valid name closest to ``name``, or all of them when none is close."""
    names = sorted(map(str, valid))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"valid names are {', '.join(names)}" if names else "no name is valid here"
