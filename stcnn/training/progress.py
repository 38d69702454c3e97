"""Progress of a training in the terminal: a bar with the time left, and one line per epoch."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as L
import pandas as pd
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from stcnn.training.callbacks import History


class ProgressBar(Callback):
    """One bar over the whole training, validation included; without a terminal only the lines remain.

    Args:
        history: the record, which must come before this in the list of callbacks.
        console: where to write.
    """

    def __init__(self, history: History, console: Console | None = None) -> None:
        self.history = history
        self.console = console or Console()
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
            speed_estimate_period=300,
        )
        self.task = self.bar.add_task("untrained", total=None)

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show the bar."""
        self.bar.start()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Count the batches of the whole training and those already done."""
        per_epoch = int(trainer.num_training_batches) + sum(map(int, trainer.num_val_batches))
        done = trainer.current_epoch * per_epoch
        if trainer.fit_loop.restarted_mid_epoch:
            done += trainer.fit_loop.epoch_loop.batch_progress.current.ready
        self.bar.reset(self.task, total=int(trainer.max_epochs or 0) * per_epoch, completed=done)
        self._describe(trainer)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Name the epoch."""
        self._describe(trainer)

    def _describe(self, trainer: L.Trainer) -> None:
        self.bar.update(self.task, description=f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}")

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        """Advance by a batch."""
        self.bar.advance(self.task)

    def on_validation_batch_end(self, trainer: L.Trainer, *_: Any, **__: Any) -> None:
        """Advance by a batch."""
        if not trainer.sanity_checking:
            self.bar.advance(self.task)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the line of the epoch."""
        epoch = trainer.current_epoch + 1
        scores = pd.DataFrame([row for row in self.history.scores if row["epoch"] == epoch])
        line = f"epoch {epoch}/{trainer.max_epochs}  training loss {scores.training_loss.sum():.4g}"
        if "loss" in scores:
            correlations = "  ".join(f"{row.cell_type} {row.correlation:.3f}" for row in scores.itertuples())
            line += f"  held-out loss {scores.loss.sum():.4g}  held-out correlation {correlations}"
        self.console.print(line, highlight=False, soft_wrap=True)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take the bar away."""
        self.bar.stop()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Take the bar away."""
        self.bar.stop()
