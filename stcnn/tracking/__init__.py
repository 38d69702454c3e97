"""Trackers: programs that show trainings side by side while they run. They mirror the tables of a run and never decide.

A tracker is a file here and its line below. It runs in a process of its own (:mod:`stcnn.tracking.follow`), so that
one that hangs, raises or is slow costs a training nothing; what it did not get, ``stcnn track RUN`` hands it later.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from stcnn.errors import ConfigError
from stcnn.tracking.tracker import Tracker

TrackerName = Literal["none", "tensorboard", "wandb", "mlflow", "trackio"]
"""Each but ``none`` is a module here, and an extra of the package that brings the library of that name."""
TRACKERS = tuple(name for name in get_args(TrackerName) if name != "none")


def require_installed(name: str) -> None:
    """Refuse a tracker whose library is not installed.

    Raises:
        ConfigError: it is not.
    """
    if name != "none" and find_spec(name) is None:
        raise ConfigError(
            f"tracking={name} needs {name}, which is not installed", remedy=f"pip install 'stcnn[{name}]'"
        )


def opened(name: str, run: Path) -> Tracker:
    """Begin to show a run.

    Args:
        name: of the tracker.
        run: the run folder.

    Raises:
        ConfigError: its library is not installed.
    """
    require_installed(name)
    found: Tracker = import_module(f"stcnn.tracking.{name}").begin(run)
    return found
