"""Whether the spread of an ensemble says how far its mean is off."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from stcnn.viz.theme import LIGHT, PALETTE, Margins, Theme, panels, themed


def spread_calibration(table: pd.DataFrame, ratio: float, theme: Theme = LIGHT) -> Figure:
    """Draw the error that was measured where the members' spread foretold so much.

    Args:
        table: as :func:`stcnn.evaluate.ensemble.calibration` makes it.
        ratio: foretold to measured error over all samples.
        theme: light or dark.
    """
    top = 1.08 * max(table.spread_dff.max(), table.error_dff.max())
    with themed(theme):
        figure, ((axes,),) = panels(1, 1, (2.3, 2.3), Margins(top=0.15))
        axes.plot([0, top], [0, top], color=theme.ink, lw=0.8, ls=":", label="calibrated")
        label = f"shares of the samples\nforetold / measured {ratio:.2f}"
        axes.plot(table.spread_dff, table.error_dff, "o-", color=PALETTE[0], ms=4, label=label)
        axes.set(xlabel="error foretold by the spread (dF/F)", ylabel="measured error (dF/F)")
        axes.set(xlim=(0, top), ylim=(0, top), aspect="equal")
        axes.legend(loc="lower right")
    return figure
