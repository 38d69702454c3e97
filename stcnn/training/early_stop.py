"""An end of the training when the held-out loss has not fallen for a while."""

from __future__ import annotations

from collections.abc import Mapping

import lightning.pytorch as L
import pandas as pd
from lightning.pytorch.callbacks import Callback

from stcnn.training.callbacks import History


def held_out_losses(scores: pd.DataFrame, importance: Mapping[str, float]) -> pd.Series:
    """Return the held-out loss after every epoch of training, all cell types weighted as in training.

    Args:
        scores: of all epochs.
        importance: factor on the loss of each cell type.
    """
    trained = scores[scores.epoch > 0]
    if trained.empty or "loss" not in trained or trained.loss.isna().all():
        return pd.Series(dtype=float)
    weighted = trained.assign(loss=trained.loss * trained.cell_type.map(importance))
    return weighted.groupby("epoch").loss.sum()


class StopEarly(Callback):
    """Ends the training after an epoch.

    Args:
        history: the record, which must come before this in the list of callbacks.
        importance: factor on the loss of each cell type.
        patience: epochs without a new lowest held-out loss.
    """

    def __init__(self, history: History, importance: Mapping[str, float], patience: int) -> None:
        self.history = history
        self.importance = importance
        self.patience = patience
        self.stopped = ""
        """Why the training ended early; empty if it did not."""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Train no further where the training had ended already, and was killed before its model was finished."""
        self._look(trainer, trainer.current_epoch)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Look at the held-out losses so far."""
        self._look(trainer, trainer.current_epoch + 1)

    def _look(self, trainer: L.Trainer, n_epochs: int) -> None:
        losses = held_out_losses(pd.DataFrame(self.history.scores), self.importance)
        if losses.empty or n_epochs >= int(trainer.max_epochs or 0):
            return
        best = int(losses.index.to_numpy()[losses.to_numpy().argmin()])
        last = int(losses.index[-1])
        if last - best >= self.patience:
            trainer.should_stop = True
            self.stopped = (
                f"stopped after epoch {last} of {trainer.max_epochs}: the held-out loss has not fallen since epoch "
                f"{best} (training.patience={self.patience})"
            )
