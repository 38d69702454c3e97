"""The network: eye, hidden layers, readouts, calcium; built from a configuration and a population of neurons.

Convention: movies enter as contrast ``(B, T, Y, X)`` (zero is grey); inside, maps are ``(T, B, Y, X, C)``; what leaves
is ``(B, T, N)`` with one entry per cell type, in the order of :attr:`Network.cell_types`.
"""

from __future__ import annotations

import copy
from typing import Self

import torch
from torch import Tensor, nn

from stcnn.errors import ConfigError, ShapeError
from stcnn.nn.calcium import Calcium
from stcnn.nn.core import Core
from stcnn.nn.cores.hidden_layers import HiddenLayers
from stcnn.nn.eye import Eye
from stcnn.nn.frames import Frames, as_clips, as_source
from stcnn.nn.hidden_stack import HiddenStack
from stcnn.nn.inference.grey import GreyStates, evaluate
from stcnn.nn.lattices.map_lattice import MapLattice
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.past import require_past
from stcnn.nn.population import Population
from stcnn.nn.readout.readouts import Readouts
from stcnn.nn.response import NetworkOutput
from stcnn.nn.size import require_size
from stcnn.nn.stack.column_sampling import sample_columns
from stcnn.nn.stack.problem import Clips
from stcnn.nn.summary_table import n_trained


class Network(nn.Module):
    """A spatiotemporal convolutional network: from movies to the voltages and calcium of every cell type.

    Args:
        config: the network.
        population: the recorded neurons, which have their own gain and offset.
        deg_per_px: resolution of the movies unless a call says otherwise.
        core: what stands between photoreceptors and readouts; None is that of ``config``.
    """

    def __init__(
        self, config: ModelConfig, population: Population, deg_per_px: float = 1.0, core: Core | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.population = population
        self.deg_per_px = deg_per_px
        self.cell_types = tuple(population.neurons)
        types = {name: config.cell_types.get(name, config.cell_types["default"]) for name in self.cell_types}
        columns = MapLattice(config.eye.arrangement, config.eye.lattice, config.eye.spacing_deg)
        made: HiddenStack | Core | None = core
        if core is None and not isinstance(config.core, HiddenLayers):
            made = config.core.build(config.hidden, columns)
        channels = config.hidden.channels[-1] if made is None else made.channels
        require_size(config.eye, config.hidden if made is None else None, config.readout, types, channels)
        self.eye = Eye(config.eye)
        self.hidden = config.core.build(config.hidden, columns) if made is None else made
        shape = self.hidden.lattices(config.eye.lattice)[-1]
        lattice = columns.behind(self.hidden.stride)._replace(shape=shape)
        counts = {name: len(neurons) for name, neurons in population.neurons.items()}
        self.readouts = Readouts(self.hidden.channels, lattice, config.readout, types, counts)
        self.calcium = Calcium(config.calcium, counts, population.indicators)
        for tau_s in self.calcium.unused:
            tau_s.requires_grad_(False)
        self.grey_states = GreyStates()

    @property
    def n_trained(self) -> int:
        """Number of values that are trained, without those outside the windows of a lattice's kernels."""
        return n_trained(self)

    def for_picture(self, shape_px: tuple[int, int], deg_per_px: float | None = None) -> Self:
        """Return the network as it sees pictures of a size: itself, unless its lattice follows the picture.

        What is returned shares all parameters and running statistics with this network.

        Args:
            shape_px: rows and columns of the pictures.
            deg_per_px: their resolution; None is that of the model.

        Raises:
            ShapeError: there is no room for a column of the eye.
            ConfigError: there is no place left for a layer or a readout.
        """
        eye = self.config.eye.on_picture(shape_px, self.deg_per_px if deg_per_px is None else deg_per_px)
        return self if eye == self.config.eye else self._with(self.config.model_copy(update={"eye": eye}))

    def for_columns(self) -> Self:
        """Return the network as one whose frames hold what each column sees, ``(T, rows, columns)`` of its lattice.

        Such frames are those of a display around the fly, seen by columns that look anywhere
        (:class:`~stcnn.stimuli.displays.Optics`). What is returned shares all parameters with this network.
        """
        other = self._with(self.config)
        other.eye = Eye(self.config.eye, sees_columns=True).to(self.eye.tau_s)
        return other

    def _fitting(self, frames: Frames) -> Self:
        """Return the network for the size of some frames, :meth:`for_picture`."""
        if self.config.eye.first_column_deg is None or self.eye.sees_columns:
            return self
        rows, columns = frames.contrast(0, 1).shape[2:]
        return self.for_picture((rows, columns))

    def _with(self, config: ModelConfig) -> Self:
        """Return the network with another eye and centre of its readouts, its parameters shared."""
        other = copy.copy(self)
        other._modules = dict(self._modules)
        other.config = config
        other.eye = Eye(config.eye, sees_columns=self.eye.sees_columns).to(self.eye.tau_s)
        other.readouts = copy.copy(self.readouts)
        other.readouts.config = config.readout
        other.readouts.lie_on(self.hidden.lattices(config.eye.lattice)[-1])
        other.grey_states = GreyStates()
        return other

    def voltage_of(
        self, frames: Tensor | Frames, rate_hz: float, multiplicity: Tensor | None = None, n_grey: int = 0
    ) -> Tensor:
        """Return voltages ``(B, T, N)``; in evaluation without gradients by the folded form.

        Args:
            frames: contrast ``(B, T, Y, X)``, or a batch that expands itself to contrast.
            rate_hz: frames per second.
            multiplicity: how often each clip counts in the normalisation statistics, ``(B,)``; None is once.
            n_grey: number of leading frames that are grey in all clips, which are then computed once.

        Raises:
            ShapeError: contrast or multiplicity of another shape, or complex.
        """
        source = as_source(frames)
        if (fitting := self._fitting(source)) is not self:
            return fitting.voltage_of(source, rate_hz, multiplicity, n_grey)
        n_grey = min(n_grey, source.n_frames - 1)
        if self.hidden.compute != "reference" and not self.training and not torch.is_grad_enabled():
            return evaluate(self, self.grey_states, source, rate_hz, n_grey)
        clips = self.clips_of(source, rate_hz, multiplicity, n_grey)
        drives = self.hidden(clips, rate_hz, self.readouts.reading(rate_hz))
        return self.readouts(drives, rate_hz)[0].transpose(0, 1)

    def clips_of(self, source: Frames, rate_hz: float, multiplicity: Tensor | None, n_grey: int) -> Clips:
        """Return what the hidden layers are shown.

        Raises:
            ShapeError: a multiplicity of another shape.
            ConfigError: the filters would keep more of the past than there may be.
        """
        require_past(self, rate_hz, source.contrast(0, 1).shape[0])
        eye = self._sample_columns(source, rate_hz, n_grey)
        prefix = eye.new_zeros(n_grey, 1, *eye.shape[2:]) if n_grey else None
        if multiplicity is None:
            multiplicity = eye.new_ones(eye.shape[1])
        elif multiplicity.shape != eye.shape[1:2]:
            raise ShapeError(
                f"the multiplicity has shape {tuple(multiplicity.shape)}",
                expected=f"one number for each of {eye.shape[1]} clips",
            )
        return Clips(prefix, eye, multiplicity)

    def _sample_columns(self, frames: Frames, rate_hz: float, start: int) -> Tensor:
        """Return photoreceptor maps from frame ``start`` on, in compiled code where the hidden layers run there."""
        if self.hidden.compute not in ("auto", "native"):
            return self.eye.sample_columns(frames, rate_hz, self.deg_per_px, start)
        rows, columns = self.eye.config.lattice
        n_clips = frames.contrast(start, start + 1).shape[0]
        n_values = (frames.n_frames - start) * n_clips * rows * columns
        compiled = self.hidden.is_worth_compiling(n_values)
        return sample_columns(self.eye, frames, rate_hz, self.deg_per_px, start, compiled=compiled)

    def forward(
        self, frames: Tensor | Frames, rate_hz: float, multiplicity: Tensor | None = None, n_grey: int = 0
    ) -> NetworkOutput:
        """Return voltage and average calcium of every cell type; arguments as in :meth:`voltage_of`."""
        voltage = self.voltage_of(frames, rate_hz, multiplicity, n_grey)
        gain, offset = self.calcium.average()
        filtered, _ = self.calcium(voltage.transpose(0, 1), rate_hz)
        return NetworkOutput(voltage, (offset + gain * filtered).transpose(0, 1))

    def calcium_of(self, voltage: Tensor, clip: Tensor, cell_type: Tensor, neuron: Tensor, rate_hz: float) -> Tensor:
        """Return dF/F of single neurons, ``(R, T)``.

        Args:
            voltage: ``(B, T, N)``.
            clip: clip that each of the R neurons saw, ``(R,)``.
            cell_type: index of its cell type, ``(R,)``.
            neuron: index within its cell type, ``(R,)``.
            rate_hz: frames per second.
        """
        return self.calcium.of_neurons(voltage, clip, cell_type, neuron, rate_hz)

    def maps(self, contrast: Tensor, rate_hz: float) -> dict[str, Tensor]:
        """Return every intermediate map, named, for contrast ``(B, T, Y, X)``.

        ``eye`` is ``(T, B, Y, X)``; ``hidden.i`` (before) and ``norm.i`` (after normalisation) are ``(T, B, Y, X, C)``,
        those of another core are ``core``; ``voltage`` and ``calcium`` (average neuron) are ``(T, B, N)``. In training
        mode maps are normalised by the statistics of ``contrast``; the running ones stay as they are.
        """
        if (fitting := self._fitting(as_clips(contrast))) is not self:
            return fitting.maps(contrast, rate_hz)
        found = {"eye": self.eye(contrast, rate_hz, self.deg_per_px)[0]}
        x = found["eye"].unsqueeze(-1)
        if isinstance(self.hidden, Core):
            x = found["core"] = self.hidden.maps(found["eye"], rate_hz)
        for i, layer in enumerate(self.hidden):
            found[f"hidden.{i}"] = layer.linear(x, rate_hz)[0]
            x = found[f"norm.{i}"] = layer.normalise(found[f"hidden.{i}"], observe=False)
        reading = self.readouts.reading(rate_hz)
        found["voltage"] = self.readouts([reading.drive(reading.window.crop(x))], rate_hz)[0]
        gain, offset = self.calcium.average()
        found["calcium"] = offset + gain * self.calcium(found["voltage"], rate_hz)[0]
        return found

    def last_maps(self, frames: Frames, rate_hz: float, multiplicity: Tensor | None = None) -> Tensor:
        """Return the maps in front of the readouts on the whole lattice, ``(T, B, Y, X, C)``.

        Args:
            frames: the clips.
            rate_hz: frames per second.
            multiplicity: as of :meth:`voltage_of`; running statistics stay as they are.

        Raises:
            ConfigError: a core may do something else at every place.
        """
        self.require_alike_places()
        seen = self.eye.sample_columns(frames, rate_hz, self.deg_per_px)
        if isinstance(self.hidden, Core):
            return self.hidden.maps(seen, rate_hz)
        maps = seen.unsqueeze(-1)
        for layer in self.hidden:
            maps = layer.normalise(layer.linear(maps, rate_hz)[0], multiplicity, observe=False)
        return maps

    def require_alike_places(self) -> None:
        """Raise a ConfigError where a core may do something else at every place."""
        if isinstance(self.hidden, Core) and self.hidden.reach is None:
            raise ConfigError(
                "the core of this model may do something else at every column",
                expected="a core with a reach, or hidden layers, where neurons read at other columns",
            )
