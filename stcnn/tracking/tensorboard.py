"""TensorBoard: event files in ``tensorboard/`` of the run folder; ``tensorboard --logdir experiments`` shows all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from shutil import rmtree

from torch.utils.tensorboard import SummaryWriter

from stcnn.tracking.tracker import Tracker, settings


class _TensorBoard:
    def __init__(self, run: Path) -> None:
        folder = run / "tensorboard"
        rmtree(folder, ignore_errors=True)  # whoever begins hands over everything
        self.writer = SummaryWriter(str(folder))
        rows = "\n".join(f"| {key} | {value} |" for key, value in settings(run).items())
        self.writer.add_text("configuration", f"| key | value |\n|---|---|\n{rows}")

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def end(self) -> None:
        self.writer.close()


def begin(run: Path) -> Tracker:
    """Begin event files of a run."""
    return _TensorBoard(run)
