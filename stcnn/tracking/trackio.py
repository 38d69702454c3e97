"""Trackio: a run of that name in the project ``stcnn``, on this machine unless its own settings say otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import trackio

from stcnn.tracking.tracker import Tracker, settings


class _Trackio:
    def __init__(self, run: Path) -> None:
        trackio.init(project="stcnn", name=run.name, config=settings(run))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        trackio.log(dict(values), step=step)

    def end(self) -> None:
        trackio.finish()


def begin(run: Path) -> Tracker:
    """Begin a run of Trackio."""
    return _Trackio(run)
