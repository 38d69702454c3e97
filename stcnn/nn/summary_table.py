"""A network at a glance: its parts, how many columns and channels each has, and how many values are trained."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import torch
from torch import nn

from stcnn.nn.lattices.lattice import within
from stcnn.nn.parts import Parts


def n_trained(part: nn.Module) -> int:
    """Return how many values of a part are trained, without those outside the windows of a lattice's kernels."""
    found = 0
    for module in part.modules():
        mask = getattr(module, "mask", None)
        for values in module.parameters(recurse=False):
            if values.requires_grad:
                found += values.numel() if mask is None else int(within(mask, torch.ones_like(values)).sum())
    return found


def summary_table(model: Parts) -> pd.DataFrame:
    """Return a row per part, in the order in which a movie passes them, and their sum.

    Columns of the table are the rows and columns of the lattice that a part answers on (of a readout, those it reads),
    its channels (of a readout its voltage, of calcium the cell types) and the trained values. Where a lattice follows
    the picture, it is that of the picture the model was made for.
    """
    rows = list(_rows(model))
    rows.append(("all", None, None, None, sum(row[-1] for row in rows)))
    return (
        pd.DataFrame(rows, columns=["part", "rows", "columns", "channels", "trained"]).set_index("part").astype("Int64")
    )


def _rows(model: Parts) -> Iterator[tuple[str, int | None, int | None, int | None, int]]:
    sizes = model.hidden.lattices(model.eye.config.lattice)
    yield "eye", *sizes[0], 1, n_trained(model.eye)
    layers = list(model.hidden)
    for number, layer in enumerate(layers, 1):
        yield f"hidden layer {number}", *sizes[number], len(layer.weight), n_trained(layer)
    if not layers:
        yield "core", *sizes[-1], model.hidden.channels, n_trained(model.hidden)
    for cell_type, readout in model.readouts.items():
        window = model.readouts.places[cell_type]
        yield f"readout {cell_type}", window.bottom - window.top, window.right - window.left, 1, n_trained(readout)
    yield "calcium", None, None, len(model.population.neurons), n_trained(model.calcium)
