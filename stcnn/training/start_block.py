"""Start block of a training: data, network, device, engine, length and run folder."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from stcnn.data.batching import ClipBatches
from stcnn.data.dataset import Dataset
from stcnn.nn.hidden_stack import HiddenStack
from stcnn.nn.stack.problem import Clips
from stcnn.ranks import ranks
from stcnn.run_folder import Run
from stcnn.training.module import TrainingModule

FEW_STEPS = 200
"""A training of fewer steps has hardly begun."""


def start_block(module: TrainingModule, run: Run, goes_on: bool = False) -> list[str]:
    """Return the lines to print.

    Args:
        module: what is trained.
        run: where it is recorded.
        goes_on: whether the training was begun before.
    """
    config = module.recipe.training
    rows = {
        "training": _data(module.train_data),
        "validation": _data(module.validation_data) if len(module.validation_data) else "no recordings",
        "network": f"{module.model.n_trained:,} trained parameters, loss {config.loss}",
        "device": _device(module),
        "engine": _engine(module),
        "length": _length(module),
        "run": f"{run.path}{', which goes on' if goes_on else ''}",
    }
    return [*(f"{name:<12}{text}" for name, text in rows.items()), *_cautions(module)]


def _data(data: Dataset) -> str:
    table = data.table
    n_neurons = len(table[["cell_type", "neuron"]].drop_duplicates())
    return (
        f"{len(data):,} recordings of {n_neurons:,} neurons of {table.cell_type.nunique()} cell types, "
        f"{table.stimulus.nunique():,} movies"
    )


def _device(module: TrainingModule) -> str:
    config = module.recipe.training
    gpu = config.device != "cpu" and torch.cuda.is_available()
    where = torch.cuda.get_device_name() if gpu else f"CPU, {torch.get_num_threads()} threads"
    together = f"{ranks().number} processes, each on " if ranks().number > 1 else ""
    return f"{together}{where}, {config.precision}"


def _length(module: TrainingModule) -> str:
    length = module.length
    passes = f"{length.n_passes:.3g} passes over the recordings"
    every = f"validation every {length.epoch_steps:,}" if len(module.validation_data) else "no validation"
    return f"{length.n_steps:,} steps, which are {passes}; {every}, {length.n_epochs} epochs"


def _engine(module: TrainingModule) -> str:
    """Name the engine of the hidden layers for a batch of the longest clips."""
    config = module.recipe.training
    if config.device != "cpu" and torch.cuda.is_available():
        return f"{config.compute}, on the GPU"
    batches = module.train_loader.dataset
    assert isinstance(batches, ClipBatches)
    longest = max(batches.clips, key=lambda clip: clip.n_frames)
    n_clips = min(module.recipe.batching.batch_size, len(batches.clips))
    model = module.model.for_picture(module.train_data.shape_px, module.train_data.deg_per_px)
    parameter = next(model.parameters())
    seen = parameter.new_zeros(1, n_clips, *model.eye.config.lattice).expand(longest.n_frames, -1, -1, -1)
    clips = Clips(None, seen, parameter.new_ones(n_clips))
    if not isinstance(model.hidden, HiddenStack):
        return "PyTorch"  # a core of one's own
    return model.hidden.engine(clips, longest.rate_hz, model.readouts.reading(longest.rate_hz))


def _cautions(module: TrainingModule) -> Iterator[str]:
    length = module.length
    warmup_steps = module.recipe.training.warmup_steps
    if warmup_steps > length.n_steps // 10:
        yield (
            f"the learning rate rises over {length.n_steps // 10} steps, a tenth of the training, instead of "
            f"training.warmup_steps={warmup_steps}"
        )
    if length.n_steps < FEW_STEPS:
        yield (
            f"{length.n_steps} steps are few: a network has hardly left its first weights; leave training.epochs and "
            "training.steps out, or give training.steps=600"
        )
