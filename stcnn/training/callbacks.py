"""Callbacks around the training steps: checkpoints, the record of losses and scores, a stop that can be resumed."""

from __future__ import annotations

import signal
import time
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType
from typing import Any

import lightning.pytorch as L
import pandas as pd
from lightning.pytorch.callbacks import Callback

from stcnn.data.batch import Batch
from stcnn.errors import FileError, StcnnError
from stcnn.invocation import train_command
from stcnn.ranks import largest, ranks
from stcnn.run_folder import INTERRUPTED, Run
from stcnn.stop_signals import SIGNALS, TIME_LIMIT_EXIT_CODE, given_back, may_be_taken
from stcnn.training.module import TrainingModule

LOSS_COLUMNS = ["epoch", "step", "cell_type", "n_recordings", "loss"]
SCORE_COLUMNS = ["epoch", "cell_type", "training_loss", "loss", "correlation", "neuron_correlation"]
SCORE_COLUMNS += ["n_neurons", "n_recordings"]
AT_THE_LIMIT = 1
"""Stands for the deadline among the numbers of signals, which are larger and count more."""


class TrainingStopped(StcnnError):
    """The training was stopped from outside and can be resumed; not a fault, but the run is not finished."""

    def __init__(self, stopped: str, remedy: str, exit_code: int) -> None:
        super().__init__(stopped, remedy=remedy)
        self.exit_code = exit_code


class Checkpoints(Callback):
    """Saves weights, optimiser and random state before the first and after every epoch; one process does."""

    def __init__(self, run: Run) -> None:
        self.folder = run.path / "checkpoints"

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save the untrained model."""
        if trainer.global_step == 0 and ranks().is_first:
            trainer.save_checkpoint(self.folder / "epoch_0.ckpt")

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save the model after an epoch, which makes the checkpoint of an interruption within it obsolete."""
        if not ranks().is_first:
            return
        trainer.save_checkpoint(self.folder / f"epoch_{trainer.current_epoch + 1}.ckpt")
        (self.folder / INTERRUPTED).unlink(missing_ok=True)


def _first(table: pd.DataFrame, n_rows: int, path: Path) -> list[dict[Any, Any]]:
    """The rows that were written when a checkpoint was saved."""
    if len(table) < n_rows:
        raise FileError(
            f"{path} has {len(table)} rows", expected=f"the {n_rows} that were written before the checkpoint"
        )
    return table[:n_rows].to_dict("records")


class History(Callback):
    """Writes ``losses.csv`` and ``scores.csv``; a resumed training drops what was recorded after its checkpoint.

    Args:
        run: the run folder.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.losses: list[dict[Any, Any]] = []
        self.scores: list[dict[Any, Any]] = []

    def state_dict(self) -> dict[str, int]:
        """Return how many rows were recorded when a checkpoint was saved."""
        return {"n_losses": len(self.losses), "n_scores": len(self.scores)}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Take up the record where the checkpoint was saved."""
        if state_dict["n_losses"]:
            self.losses = _first(self.run.losses(), state_dict["n_losses"], self.run.path / "losses.csv")
        if state_dict["n_scores"]:
            self.scores = _first(self.run.scores(), state_dict["n_scores"], self.run.path / "scores.csv")

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: object, batch: Batch, batch_idx: int
    ) -> None:
        """Record the loss of a step."""
        assert isinstance(pl_module, TrainingModule)
        self.losses += [
            {
                "epoch": trainer.current_epoch + 1,
                "step": trainer.global_step,
                "cell_type": name,
                "n_recordings": n,
                "loss": x,
            }
            for name, (x, n) in pl_module.step_losses.items()
        ]

    def on_sanity_check_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Record how the untrained model scores."""
        self._record_scores(pl_module, epoch=0)
        self.write()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Record the scores of an epoch."""
        self._record_scores(pl_module, epoch=trainer.current_epoch + 1)
        self.write()

    def _record_scores(self, module: L.LightningModule, epoch: int) -> None:
        assert isinstance(module, TrainingModule)
        steps = pd.DataFrame([row for row in self.losses if row["epoch"] == epoch], columns=LOSS_COLUMNS)
        weighted = steps.assign(loss=steps.loss * steps.n_recordings).groupby("cell_type", as_index=False).sum()
        training = weighted.assign(training_loss=weighted.loss / weighted.n_recordings)[["cell_type", "training_loss"]]
        table = training if module.held_out is None else training.merge(module.held_out, on="cell_type", how="outer")
        table.insert(0, "epoch", epoch)
        self.scores += table.to_dict("records")

    def write(self) -> None:
        """Write both files, of several processes the first one."""
        if not ranks().is_first:
            return
        self.run.write_table("losses.csv", pd.DataFrame(self.losses, columns=LOSS_COLUMNS))
        self.run.write_table("scores.csv", pd.DataFrame(self.scores, columns=SCORE_COLUMNS))


class Stop(Callback):
    """Ends the training after the running step on a signal or at a deadline, leaving a checkpoint to go on from.

    A second Ctrl-C ends it at once; then it goes on from the last whole epoch. A scheduler may repeat its signals.

    Args:
        run: the run folder.
        history: the record to write before the end.
        deadline_s: time, as of ``time.monotonic()``; None is none.
    """

    def __init__(self, run: Run, history: History, deadline_s: float | None = None) -> None:
        self.run = run
        self.history = history
        self.deadline_s = deadline_s
        self.received: int | None = None

    def is_due(self) -> bool:
        """Tell whether to stop; several processes stop together, by whatever stops one of them."""
        late = self.deadline_s is not None and time.monotonic() >= self.deadline_s
        reason = largest(self.received or (AT_THE_LIMIT if late else 0))
        if reason not in (0, AT_THE_LIMIT):
            self.received = reason
        return reason != 0

    def listening(self) -> AbstractContextManager[None]:
        """Give the signals back to whoever had them, when the block ends."""
        return given_back()

    def on_sanity_check_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take the signals, which Lightning has set its own handlers for by now."""
        if may_be_taken():
            for number in SIGNALS:
                signal.signal(number, self._note)

    on_train_start = on_sanity_check_start

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: object, batch: Batch, batch_idx: int
    ) -> None:
        """Stop within an epoch; the end of its last batch waits for the checkpoint of the epoch."""
        if batch_idx + 1 < int(trainer.num_training_batches) and self.is_due():
            self.history.write()  # first: a checkpoint counts on the rows that were recorded before it
            if ranks().is_first:
                trainer.save_checkpoint(self.run.path / "checkpoints" / INTERRUPTED)
            self._stop(f"epoch {trainer.current_epoch + 1}, batch {batch_idx + 1}")

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop between epochs."""
        goes_on = trainer.current_epoch + 1 < int(trainer.max_epochs or 0) and not trainer.should_stop
        if goes_on and self.is_due():
            self._stop(f"epoch {trainer.current_epoch + 1}")

    def _stop(self, place: str) -> None:
        by = "its time limit" if self.received is None else signal.Signals(self.received).name
        raise TrainingStopped(
            f"training stopped by {by} after {place}",
            f"go on with: {train_command(f'resume={self.run.path}')}",
            TIME_LIMIT_EXIT_CODE if self.received is None else 128 + self.received,  # as a shell reports a signal
        )
