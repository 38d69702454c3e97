"""A small recurrent network without structure in space: a gated recurrent unit on what photoreceptors see.

Trained by Adam on whole clips; a fold of whole stimuli of the training set says after which epoch to stop.
Axes: T frame, B clip, C signal, H hidden unit, N cell type.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
from torch import Tensor, nn

from stcnn.baselines.design import Design, Part, Signals, centred
from stcnn.baselines.fitting import squared_deviation
from stcnn.data.batch import Batch
from stcnn.data.batching import BatchingConfig, loader
from stcnn.data.dataset import Dataset
from stcnn.errors import TrainingError
from stcnn.evaluate import Predictions
from stcnn.gradients import backward

HIDDEN = 16
"""Units of the recurrent layer."""
INPUTS = 16
"""Principal components of the signals that it reads."""
LEARNING_RATE = 1e-2
FRAMES = 250_000
"""Frames that training steps through, the clips of a step side by side; what this takes is a minute or two."""
STEPS_PER_EPOCH = 8
"""The clips are dealt into at least so many steps where there are enough."""
PATIENCE = 8
"""Epochs without a better error on what is held back after which training stops."""


class Recurrent(nn.Module):
    """Gated recurrent unit, a weighted sum per cell type, gain and offset per neuron.

    Args:
        design: signals and neurons.
    """

    def __init__(self, design: Design) -> None:
        super().__init__()
        n_inputs = min(INPUTS, design.signals.components.shape[1])
        self.signals = Signals(design.signals.features, design.signals.components[:, :n_inputs], None)
        self.deg_per_px = design.deg_per_px
        n_types = len(design.neurons)
        self.first = torch.tensor([0, *design.neurons.values()][:n_types]).cumsum(0)
        self.unit = nn.GRU(n_inputs, HIDDEN)
        self.readout = nn.Linear(HIDDEN, n_types)
        self.gain = nn.Parameter(torch.ones(sum(design.neurons.values())))
        self.offset = nn.Parameter(torch.zeros(sum(design.neurons.values())))

    def traces(self, batch: Batch, signals: Tensor) -> Tensor:
        """Return dF/F at the samples of each recording, ``(R, S)``, from signals ``(T - n_grey, B, C)``."""
        grey = signals.new_zeros(batch.n_grey, *signals.shape[1:])
        output = self.readout(self.unit(torch.cat([grey, signals]))[0])
        traces = batch.at_samples(output[:, batch.clip, batch.cell_type].T)
        neuron = self.first[batch.cell_type] + batch.neuron
        return self.offset[neuron, None] + self.gain[neuron, None] * traces

    def predict(self, dataset: Dataset, batching: BatchingConfig) -> Predictions:
        """Predict every recording of a data set."""
        found = []
        with torch.no_grad():
            for batch in loader(dataset, centred(batching)):
                found.append(Predictions.of(self.traces(batch, self.signals.of(batch, self.deg_per_px)), batch))
        return Predictions.concatenated(found)


def fit_recurrent(design: Design) -> Recurrent:
    """Train on a design; the same design gives the same network.

    Raises:
        TrainingError: the error is not finite.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Recurrent(design)
    _start(model, design)
    steps = _steps(design)
    n_epochs = max(PATIENCE, FRAMES // max(1, sum(step.batch.target.shape[1] for step in steps)))
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, n_epochs)
    unit = squared_deviation(design)
    order = torch.Generator().manual_seed(0)
    best = float("inf")
    best_state = copy.deepcopy(model.state_dict())
    since = 0
    for _ in range(n_epochs):
        held_back = 0.0
        for place in torch.randperm(len(steps), generator=order).tolist():
            held_back += _step(model, steps[place], unit, optimiser)
        schedule.step()
        since += 1
        if held_back < best:
            best = held_back
            best_state = copy.deepcopy(model.state_dict())
            since = 0
        if since >= PATIENCE:
            break
    if not best < float("inf"):
        raise TrainingError("the squared error of the recurrent network is not finite")
    model.load_state_dict(best_state)
    return model.eval()


def _start(model: Recurrent, design: Design) -> None:
    """Start offsets at the mean and gains at the spread of all traces."""
    values = torch.cat([part.batch.target[part.batch.weight > 0] for part in design.parts])
    with torch.no_grad():
        model.offset.fill_(values.mean())
        model.gain.fill_(values.std().clamp(min=1e-6))


def _step(model: Recurrent, part: Part, unit: Tensor, optimiser: torch.optim.Optimizer) -> float:
    """Take a step on the folds that are fitted; returns the error on the fold that is not, before the step."""
    batch = part.batch
    n_inputs = model.unit.input_size
    squares = batch.weight * (model.traces(batch, part.signals[..., :n_inputs]) - batch.target).square()
    share = squares / unit[batch.cell_type, None]
    loss = (share * (part.folds > 0)).sum()
    optimiser.zero_grad()
    backward(loss)
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    return float((share.detach() * (part.folds == 0)).sum())


def _steps(design: Design) -> list[Part]:
    """The parts of a design, cut so that an epoch has :data:`STEPS_PER_EPOCH` steps where it has enough clips."""
    found = []
    pieces = -(-STEPS_PER_EPOCH // len(design.parts))
    for part in design.parts:
        for clips in torch.arange(part.signals.shape[1]).tensor_split(pieces):
            if len(clips):
                found.append(_of_clips(part, clips))
    return [part for part in found if len(part.batch.item)]


def _of_clips(part: Part, clips: Tensor) -> Part:
    batch = part.batch
    mine = torch.isin(batch.clip, clips)
    chosen = replace(
        batch,
        clip=batch.clip[mine] - clips[0],
        cell_type=batch.cell_type[mine],
        neuron=batch.neuron[mine],
        target=batch.target[mine],
        weight=batch.weight[mine],
        item=batch.item[mine],
        exposure=None if batch.exposure is None else batch.exposure[:, mine],
    )
    return Part(chosen, part.signals[:, clips], part.folds[mine])
