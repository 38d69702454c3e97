"""How a training went: losses and scores by epoch."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stcnn.viz.theme import LIGHT, Margins, Theme, colours, legend_right, panels, themed


def loss_history(losses: pd.DataFrame, scores: pd.DataFrame, finished_epoch: int, theme: Theme = LIGHT) -> Figure:
    """Draw how training loss, held-out loss and held-out correlation went, one colour per cell type.

    Args:
        losses: training loss of each step: ``epoch``, ``step``, ``cell_type``, ``loss``.
        scores: per epoch: ``epoch``, ``cell_type``, ``loss``, ``correlation`` (both of held-out recordings), and
            ``training_loss`` (mean over the steps of the epoch) where it is known.
        finished_epoch: the epoch that was kept; marked.
        theme: light or dark.
    """
    names = sorted(set(losses.cell_type) | set(scores.cell_type))
    steps_per_epoch = losses.step.max() / losses.epoch.max() if len(losses) else 1
    with themed(theme):
        figure, ((training, averaged, correlation),) = panels(1, 3, (2.3, 2.3), Margins(right=0.9, across=0.75))
        for name, colour in colours(names).items():
            raw = losses[losses.cell_type == name]
            smooth = raw.loss.rolling(max(1, len(raw) // 40), center=True, min_periods=1).median()
            training.plot(raw.step / steps_per_epoch, raw.loss, color=colour, alpha=0.25, lw=0.6)
            training.plot(raw.step / steps_per_epoch, smooth, color=colour)
            mine = scores[scores.cell_type == name]
            if "training_loss" in mine:
                averaged.plot(mine.epoch, mine.training_loss, color=colour, lw=0.9, ls="--")
            averaged.plot(mine.epoch, mine.loss, color=colour)
            correlation.plot(mine.epoch, mine.correlation, color=colour, label=name)
        training.set(title="training, every step", ylabel="mean squared error (dF/F)²", yscale="log")
        averaged.set(title="held out (dashed: training)", ylabel="mean squared error (dF/F)²", yscale="log")
        correlation.set(title="held out", ylabel="correlation", ylim=(min(0, correlation.get_ylim()[0]), 1))
        for axes in (training, averaged, correlation):
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid(axis="y", lw=0.5)
        for axes in (averaged, correlation):
            axes.axvline(finished_epoch, color=theme.ink, lw=0.8, ls=":")
        kept = {"ha": "right", "va": "top", "rotation": "vertical", "fontsize": 7}
        averaged.text(finished_epoch, 1, "kept ", transform=averaged.get_xaxis_transform(), **kept)
        legend_right(correlation)
    return figure
