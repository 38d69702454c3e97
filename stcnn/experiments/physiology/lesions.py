"""Lesions: what a channel, a type's own readout, or half of the input is worth on recordings that were held out."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import torch

from stcnn.errors import ConfigError
from stcnn.experiments.physiology.bench import Bench
from stcnn.experiments.physiology.curves import Axis, Map, Number, Result, Values
from stcnn.experiments.physiology.held_out import HeldOut, without_brightness, without_darkness
from stcnn.experiments.physiology.subject import Models
from stcnn.nn.core import Core
from stcnn.nn.model import STCNN
from stcnn.nn.norms.batch import WeightedBatchNorm

REST_S = 2.0
"""Grey after which a channel is at rest."""
HALVES = {"on": ("ON half of the input", without_brightness), "off": ("OFF half of the input", without_darkness)}


def lesions(bench: Bench) -> Result:
    """Change of the held-out correlation when a part is taken away, without training anew.

    A channel is held at its value in grey, so that its signal is gone and what reads it stays at its working point (a
    mean ablation; Meyes et al. 2019, arXiv:1901.08644). The change is the correlation of predicted with measured dF/F
    of all held-out recordings of a cell type, joined, less that of the intact model: below zero where the part was of
    use. In the last layer it is the channel as the type's own readout takes it. A type's readout is replaced by that of
    another type, weights, filter and bias: what is lost is what its own readout adds to features that both share (none
    at all would leave a constant, and no correlation). The ON (OFF) half of the input is removed by showing nothing
    brighter (darker) than grey. What other parts make up for costs little.
    """
    subject = bench.subject
    if bench.held_out is None or not isinstance(subject, Models):
        what = "no recordings are at hand that were held out" if isinstance(subject, Models) else "it is no network"
        return Result("lesions", left_out=[f"Lesions: {what}."])
    held_out = bench.held_out
    intact = np.stack([held_out.correlation(model) for model in subject.members])
    numbers = [Number("held_out_correlation", "held-out correlation, intact", "", intact)]
    for key, (title, change) in HALVES.items():
        seen = held_out.seen_through(change)
        lost = np.stack([seen.correlation(model) for model in subject.members]) - intact
        numbers.append(Number(f"without_{key}_change", f"change without the {title}", "", np.nan_to_num(lost)))
    numbers += _readout_changes(subject, held_out, intact)
    if any(isinstance(model.hidden, Core) for model in subject.members):
        return Result("lesions", numbers=numbers, left_out=["Channels: the core is not made of hidden layers."])
    norms = [layer.norm for model in subject.members for layer in model.hidden]
    if any(norm is not None and norm.affine() is None for norm in norms):
        return Result("lesions", numbers=numbers, left_out=["Channels: each is divided by the activity of others."])
    changes = np.stack([_changes(model, held_out) for model in subject.members]) - intact[:, :, None, None]
    layers = Axis("layer", "hidden layer", "", np.arange(1.0, changes.shape[2] + 1))
    channels = Axis("channel", "channel held at rest", "", np.arange(1.0, changes.shape[3] + 1))
    cost = Map("", channels, layers, changes, "change of held-out correlation (r)", signed=True)
    return Result("lesions", maps=[cost], numbers=numbers)


def _readout_changes(subject: Models, held_out: HeldOut, intact: Values) -> list[Number]:
    """Return what it costs each type to be read out as each of the others is."""
    names = subject.cell_types
    found = []
    for place, name in enumerate(names if len(names) > 1 else ()):
        lost = np.stack([held_out.correlation(read_as(model, name)) for model in subject.members]) - intact
        lost = np.nan_to_num(lost)
        lost[:, place] = np.nan  # its own readout is no lesion
        found.append(Number(f"readout_of_{name}_change", f"change with the readout of {name}", "", lost))
    return found


@torch.no_grad()
def read_as(model: STCNN, cell_type: str) -> STCNN:
    """Return a copy of a model in which every type has the readout of one of them: window, weights, filter and bias.

    Args:
        model: the model.
        cell_type: whose readout all have; places, gains and offsets of the neurons stay.
    """
    settings = model.config.cell_types
    one = settings.get(cell_type, settings["default"])
    config = model.config.model_copy(update={"cell_types": {"default": one}})
    core = copy.deepcopy(model.hidden) if isinstance(model.hidden, Core) else None
    changed = STCNN(config, model.population, model.deg_per_px, core)
    state = model.state_dict()
    for name in model.cell_types:
        mine, theirs = (f"readouts.{each}." for each in (name, cell_type))
        taken = {key for key in state if key.startswith(theirs) and not key.endswith("displacement_deg")}
        state |= {mine + key.removeprefix(theirs): state[key] for key in taken}
    changed.load_state_dict(state)
    return changed.eval()


def _changes(model: STCNN, held_out: HeldOut) -> Values:
    """Return the correlation with each channel held at rest, ``(N, layers, channels)``; NaN where there is none."""
    channels = [len(layer.weight) for layer in model.hidden]
    found = np.full((len(model.cell_types), len(channels), max(channels)), np.nan)
    for layer, channel, lesioned in _lesioned(model, held_out.dataset.shape_px, held_out.dataset.rate_hz):
        # what no longer varies at all has no correlation: all that was there is lost
        found[:, layer, channel] = np.nan_to_num(held_out.correlation(lesioned))
    return found


@torch.no_grad()
def _lesioned(model: STCNN, shape_px: tuple[int, int], rate_hz: float) -> Iterator[tuple[int, int, STCNN]]:
    grey = torch.zeros(1, round(REST_S * rate_hz), *shape_px, dtype=model.calcium.tau_s.dtype)
    maps = model.maps(grey, rate_hz)
    for number, layer in enumerate(model.hidden):
        rest = maps[f"norm.{number}"][-1, 0]
        middle = rest[rest.shape[0] // 2, rest.shape[1] // 2]
        for channel in range(len(layer.weight)):
            yield number, channel, held_at_rest(model, number, channel, float(middle[channel]))


@torch.no_grad()
def held_at_rest(model: STCNN, layer: int, channel: int, value: float) -> STCNN:
    """Return a copy of a model in which a channel of a hidden layer has one value everywhere and always.

    Args:
        model: the model, whose hidden layers add a bias or are normalised.
        layer: number of the layer, from zero.
        channel: number of the channel, from zero.
        value: what it is held at.
    """
    copy = STCNN(model.config, model.population, model.deg_per_px)
    copy.load_state_dict(model.state_dict())
    lesioned = list(copy.hidden)[layer]
    lesioned.weight[channel] = 0
    norm = lesioned.norm
    if norm is not None and not isinstance(norm, WeightedBatchNorm):
        raise ConfigError(
            f"channels behind a normalisation of kind '{model.config.hidden.norm.kind}' depend on others, so that none "
            "can be held at a value",
            expected="model.hidden.norm.kind none or batch",
        )
    for shift in (lesioned.bias, None if norm is None else norm.bias):
        if shift is not None:
            shift[channel] = value
    if norm is not None:
        norm.weight[channel] = 0
    return copy.eval()
