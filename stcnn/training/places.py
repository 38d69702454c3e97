"""Where the neurons of a training sit: a lattice that reaches them, and what is known of their places beforehand.

With ``batching.kind: movies`` every neuron reads where it sits (:mod:`stcnn.nn.sites`). A learned place is the recorded
one plus a displacement, whose prior is a Gaussian of ``model.readout.place_sd_deg`` in azimuth and in elevation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from stcnn.data.batching import recorded_places
from stcnn.data.dataset import Dataset
from stcnn.errors import ConfigError
from stcnn.metrics import reach_of_another
from stcnn.metrics.regression import CORRELATION_S
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.wide_lattice import wide_enough
from stcnn.nn.windows import Window
from stcnn.training.recipe import Recipe

STEP_DEG = 0.1
"""Step of Adam on a displacement where that of everything else is at the top of its schedule."""
REACH_SD = 2.0
"""Standard deviations of the prior around the outermost recorded place that the lattice holds."""


def network_for(dataset: Dataset, recipe: Recipe) -> ModelConfig:
    """Return the network of a recipe, its lattice as wide as the neurons of a data set need.

    Around every recorded place there are as many rows and columns as around the neuron of a shifted picture, so that
    what is around a neuron's window is seen alike.

    Raises:
        ConfigError: neurons of that network cannot read where they sit, or are asked to where clips are shifted.
    """
    learned = recipe.model.readout.place == "learned"
    if recipe.batching.kind != "movies":
        if learned:
            raise ConfigError(
                f"model.readout.place is 'learned' and batching.kind is '{recipe.batching.kind}'",
                expected="movies, in which every neuron reads where it sits",
                remedy="choose batching.kind=movies, or leave places as they were recorded",
            )
        return recipe.model
    place_deg = torch.from_numpy(recorded_places(dataset))
    rows, columns = recipe.model.eye.lattice
    row, column = recipe.model.readout.centre or (rows // 2, columns // 2)
    around = Window(-row, rows - row, -column, columns - column)
    model = wide_enough(recipe.model, place_deg, dataset.cell_types, around)
    if learned:
        reach_deg = REACH_SD * recipe.model.readout.place_sd_deg
        model = wide_enough(model, torch.cat([place_deg - reach_deg, place_deg + reach_deg]), dataset.cell_types)
    return model


class PlacePrior:
    """Minus the logarithm of the prior of all learned places, in units of the loss.

    The likelihood of a neuron whose errors have an unknown variance is ``n/2 log(mse)`` with ``n`` independent samples,
    one in each correlation time; its derivative is that of the mean squared error times ``n / (2 mse)``. So the prior
    ``|d|^2 / (2 sd^2)`` counts with ``mse / n``: what a type's loss is now, over its neurons, beside the loss.

    Args:
        model: whose places are learned.
        train: the recordings to learn from.
    """

    def __init__(self, model: STCNN, train: Dataset) -> None:
        self.model = model
        seconds = train.table.assign(s=train.table.end_s - train.table.start_s).groupby(["cell_type", "neuron"]).s.sum()
        self.weights = []
        for name, neurons in train.neurons.items():
            shown_s = [max(seconds.get((name, neuron), 0.0), CORRELATION_S) for neuron in neurons]
            self.weights.append(CORRELATION_S / torch.tensor(shown_s) / len(neurons))

    def penalty(self, losses: Mapping[int, float]) -> Tensor:
        """Return what is added to the loss of a step.

        Args:
            losses: loss of each cell type in the step by its index, as it counts; types without one are left out.
        """
        sd_deg = self.model.config.readout.place_sd_deg
        total = self.model.calcium.tau_s.new_zeros(())
        for i, loss in losses.items():
            distance = self.model.readouts.each[i].displacement_deg.square().sum(1) / sd_deg**2
            total = total + loss * (self.weights[i].to(distance) * distance).sum()
        return total


def displacements(model: STCNN) -> list[torch.nn.Parameter]:
    """Return the learned displacements of all cell types; none where places are fixed."""
    if model.config.readout.place == "fixed":
        return []
    return [readout.displacement_deg for readout in model.readouts.each]


def places_table(model: STCNN, dataset: Dataset) -> pd.DataFrame:
    """Return where every neuron was recorded and where it was found to sit, in degrees from the middle.

    Returns:
        ``cell_type``, ``neuron``, ``azimuth_deg`` and ``elevation_deg`` as learned, ``recorded_azimuth_deg`` and
        ``recorded_elevation_deg``, the mean where a neuron was recorded at several places.
    """
    recorded = _recorded([dataset], "mean")
    still = [torch.zeros(len(neurons), 2) for neurons in model.population.neurons.values()]
    moved: Sequence[Tensor] = displacements(model) or still
    rows = []
    for name, away in zip(model.cell_types, moved, strict=True):
        found = recorded[name] + away.detach().cpu().double()
        for neuron, place, before in zip(
            model.population.neurons[name], found.tolist(), recorded[name].tolist(), strict=True
        ):
            rows.append((name, neuron, *place, *before))
    names = ("azimuth_deg", "elevation_deg", "recorded_azimuth_deg", "recorded_elevation_deg")
    return pd.DataFrame(rows, columns=["cell_type", "neuron", *names])


def places_of_members(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return :func:`places_table` of an ensemble from those of its members: means, and how far the members agree.

    Returns:
        The columns of one member, with the mean of the members, and ``azimuth_low_deg``, ``azimuth_high_deg``,
        ``elevation_low_deg``, ``elevation_high_deg``: the 95 % interval (Student's t) of a further training.
    """
    together = tables[0].copy()
    for axis in ("azimuth", "elevation"):
        found = np.stack([table[f"{axis}_deg"] for table in tables])
        half = reach_of_another(found)
        together[f"{axis}_deg"] = found.mean(0)
        together[f"{axis}_low_deg"] = found.mean(0) - half
        together[f"{axis}_high_deg"] = found.mean(0) + half
    return together


class PlaceBounds:
    """How far every neuron may move so that it reads on the lattice.

    Args:
        model: whose places are learned.
        parts: recordings, which say where neurons were recorded.
    """

    def __init__(self, model: STCNN, parts: Sequence[Dataset]) -> None:
        self.model = model
        self.ends = _bounds(model, parts)

    @torch.no_grad()
    def project(self) -> None:
        """Move learned places that left the lattice back onto it, in place."""
        eye = self.model.config.eye
        for readout, (low, high) in zip(self.model.readouts.each, self.ends, strict=True):
            moved = readout.displacement_deg
            columns = eye.in_columns(moved.double())
            nearest = columns.clamp(low.to(columns), high.to(columns))
            left = (nearest != columns).any(1)
            moved[left] = eye.in_degrees(nearest[left]).to(moved)


def _bounds(model: STCNN, parts: Sequence[Dataset]) -> list[tuple[Tensor, Tensor]]:
    """Return lowest and highest displacement ``(n, 2)``, in rows and columns, of every neuron of each type."""
    rows, columns = model.readouts.lattice
    row, column = model.readouts.origin
    around = model.readouts.around
    # The window is one column wider between columns.
    low = torch.tensor([-(row + around.top), -(column + around.left)])
    high = torch.tensor([rows - 1 - row - around.bottom, columns - 1 - column - around.right])
    rounding = 1e-4
    in_columns = model.config.eye.in_columns
    lowest, highest = (_recorded(parts, end, in_columns) for end in ("min", "max"))
    return [(low - lowest[name] + rounding, high - highest[name] - rounding) for name in parts[0].neurons]


def _recorded(
    parts: Sequence[Dataset], which: str, of_place: Callable[[Tensor], Tensor] | None = None
) -> dict[str, Tensor]:
    """Return ``min``, ``max`` or ``mean`` of where the neurons of each type were recorded, ``(n, 2)``.

    Args:
        parts: the recordings.
        which: of several places of a neuron.
        of_place: what is taken of azimuth and elevation ``(R, 2)``; None is themselves.
    """
    tables = []
    for part in parts:
        places = recorded_places(part)
        if of_place is not None:
            places = of_place(torch.from_numpy(places)).numpy()
        tables.append(part.table[["cell_type", "neuron"]].assign(first=places[:, 0], second=places[:, 1]))
    by_neuron = pd.concat(tables).groupby(["cell_type", "neuron"])[["first", "second"]].agg(which)
    found = {}
    for name, neurons in parts[0].neurons.items():
        mine = by_neuron.reindex(pd.MultiIndex.from_tuples([(name, neuron) for neuron in neurons])).fillna(0.0)
        found[name] = torch.from_numpy(mine.to_numpy(dtype="float64", copy=True))
    return found
