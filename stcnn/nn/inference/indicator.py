"""From voltages to the calcium of chosen neurons, in evaluation."""

from __future__ import annotations

import torch
from torch import Tensor

from stcnn.errors import ConfigError, nearest
from stcnn.nn.calcium import rectified
from stcnn.nn.filters.kind import Constants
from stcnn.nn.inference.stream_config import StreamConfig
from stcnn.nn.parts import Parts


class Indicator:
    """From voltages to the calcium of chosen neurons, with the state of the indicator's filter.

    Args:
        model: the network.
        config: rate, number of clips and chosen neurons.
    """

    @torch.no_grad()
    def __init__(self, model: Parts, config: StreamConfig) -> None:
        calcium = model.calcium
        self.rectifier = calcium.config.rectifier
        self.places: dict[str, int | slice] = {}
        """Where the calcium of each cell type stands among all."""
        gains: list[Tensor] = []
        offsets: list[Tensor] = []
        each: list[Constants] = []
        types: list[int] = []
        n = 0
        averages = torch.stack(calcium.average(), -1)
        usual = calcium.constants()
        for i, (name, neurons) in enumerate(chosen_neurons(model, config).items()):
            index = torch.tensor(neurons, dtype=torch.long, device=averages.device)
            cell_type = torch.full_like(index, i)
            gain, offset = calcium.neuron(cell_type, index) if neurons else averages[i].unbind()
            own = calcium.neuron_constants(cell_type, index) if neurons else usual.of(slice(i, i + 1))
            gains.append((gain * calcium.kernel_gain(own, config.rate_hz)).reshape(-1))
            offsets.append(offset.reshape(-1))
            each.append(own)
            self.places[name] = slice(n, n + len(neurons)) if neurons else n
            types += [i] * len(gains[-1])
            n += len(gains[-1])
        self.gain = torch.cat(gains)
        self.offset = torch.cat(offsets)
        self.types: Tensor | slice = torch.tensor(types, device=averages.device) if config.neurons else slice(None)
        """The filtered column that each neuron reads."""
        self.columns: Tensor | slice = slice(None)
        """The voltage that each filtered column is of: of each cell type once, or of each neuron where neurons of one
        type differ in their indicator."""
        constants = usual
        n_filters = len(calcium.types)
        if config.neurons and calcium.config.tau == "per_indicator":
            self.columns = self.types
            self.types = slice(None)
            constants = Constants.concatenated(each)
            n_filters = len(self.gain)
        zero = averages.new_zeros(n_filters)
        kernel = calcium.filter
        self.filter = kernel.stateful(constants.detached(), config.rate_hz, zero, places=1, clips=config.clips)

    @property
    def filters_each_type_once(self) -> bool:
        """Whether filtered columns are the cell types, as compiled code takes them to be."""
        return isinstance(self.columns, slice)

    def calcium(self, voltage: Tensor) -> Tensor:
        """Return calcium ``(B, T, M)`` after voltages ``(B, T, N)``."""
        rows = rectified(voltage, self.rectifier)[..., self.columns].transpose(0, 1).flatten(1)
        filtered = self.filter.filter(rows).view(voltage.shape[1], voltage.shape[0], -1)[..., self.types]
        return torch.addcmul(self.offset, self.gain, filtered).transpose(0, 1)

    def settle(self, voltage: Tensor) -> None:
        """Remember that the voltage has been ``(B, 1, N)`` forever."""
        self.filter.settle(rectified(voltage, self.rectifier)[..., self.columns].flatten())


def chosen_neurons(model: Parts, config: StreamConfig) -> dict[str, list[int]]:
    """Return the index of each neuron that ``config`` names, by cell type; an empty list is the average neuron."""
    known = model.population.neurons
    for name in config.neurons:
        if name not in known:
            raise ConfigError(f"there is no cell type '{name}' in the model", remedy=nearest(name, known))
    chosen: dict[str, list[int]] = {}
    for name, neurons in known.items():
        for neuron in config.neurons.get(name, ()):
            if neuron not in neurons:
                raise ConfigError(f"{name} has no neuron '{neuron}'", remedy=nearest(neuron, neurons))
        chosen[name] = [neurons.index(neuron) for neuron in config.neurons.get(name, ())]
    return chosen
