"""Weights & Biases: a run of that name in the project ``stcnn``, or ``WANDB_PROJECT``.

``WANDB_MODE=offline`` sends nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import wandb

from stcnn.tracking.tracker import Tracker, settings


class _Wandb:
    def __init__(self, run: Path) -> None:
        project = os.environ.get("WANDB_PROJECT", "stcnn")
        self.run = wandb.init(project=project, name=run.name, dir=str(run), config=settings(run))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.run.log(dict(values), step=step)

    def end(self) -> None:
        self.run.finish()


def begin(run: Path) -> Tracker:
    """Begin a run of Weights & Biases."""
    return _Wandb(run)
