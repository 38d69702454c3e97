"""The network: eye, hidden layers, readouts, calcium; built from a :class:`ModelConfig` and a :class:`Population`.

Convention: movies enter as contrast ``(B, T, Y, X)`` (zero is grey); inside, maps are ``(T, B, Y, X, C)``; what leaves
is ``(B, T, N)`` with one entry per cell type, in the order of :attr:`STCNN.cell_types`.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from stcnn.errors import ConfigError, ShapeError
from stcnn.movie import Movie
from stcnn.nn.calcium import Calcium
from stcnn.nn.core import Core
from stcnn.nn.eye import Eye
from stcnn.nn.filters.kind import FilterState
from stcnn.nn.frames import Frames, Whole, as_clips, as_movie, as_source
from stcnn.nn.hidden_stack import HiddenStack
from stcnn.nn.inference.grey import GreyStates, evaluate
from stcnn.nn.inference.reused import ReusedStreams
from stcnn.nn.inference.stream import Stream
from stcnn.nn.inference.stream_config import START, Start, stream_config
from stcnn.nn.lattices.lattice import within
from stcnn.nn.lattices.map_lattice import MapLattice
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.pieces import Carried
from stcnn.nn.population import Population
from stcnn.nn.readout.readouts import Readouts
from stcnn.nn.response import NetworkOutput, Response, Traces
from stcnn.nn.sites import Neurons
from stcnn.nn.size import require_size
from stcnn.nn.stack.column_sampling import sample_columns
from stcnn.nn.stack.problem import Clips
from stcnn.nn.wide_lattice import require_places, wide_enough

PUBLISHED_RATE_HZ = 180.0
NOTHING = FilterState(torch.empty(0))


class STCNN(nn.Module):
    """A spatiotemporal convolutional network with a unit on every number.

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
        channels = config.hidden.channels[-1] if core is None else core.channels
        require_size(config.eye, config.hidden if core is None else None, config.readout, types, channels)
        self.eye = Eye(config.eye)
        columns = MapLattice(config.eye.arrangement, config.eye.lattice, config.eye.spacing_deg)
        self.hidden: HiddenStack | Core = config.core.build(config.hidden, columns) if core is None else core
        shape = self.hidden.lattices(config.eye.lattice)[-1]
        lattice = columns.behind(self.hidden.stride)._replace(shape=shape)
        counts = {name: len(neurons) for name, neurons in population.neurons.items()}
        self.readouts = Readouts(self.hidden.channels, lattice, config.readout, types, counts)
        self.calcium = Calcium(config.calcium, counts, population.indicators)
        for tau_s in self.calcium.unused:
            tau_s.requires_grad_(False)
        self.grey_states = GreyStates()
        self.reused_streams = ReusedStreams()

    @property
    def n_trained(self) -> int:
        """Number of values that are trained, without those outside the windows of a lattice's kernels."""
        found = 0
        for part in self.modules():
            mask = getattr(part, "mask", None)
            for values in part.parameters(recurse=False):
                if values.requires_grad:
                    found += values.numel() if mask is None else int(within(mask, torch.ones_like(values)).sum())
        return found

    def for_picture(self, shape_px: tuple[int, int], deg_per_px: float | None = None) -> STCNN:
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

    def _fitting(self, frames: Frames) -> STCNN:
        """Return the network for the size of some frames, :meth:`for_picture`."""
        if self.config.eye.first_column_deg is None:
            return self
        rows, columns = frames.contrast(0, 1).shape[2:]
        return self.for_picture((rows, columns))

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
        clips = self._clips(source, rate_hz, multiplicity, n_grey)
        drives = self.hidden(clips, rate_hz, self.readouts.reading(rate_hz))
        return self.readouts(drives, rate_hz)[0].transpose(0, 1)

    def voltage_at(
        self,
        frames: Tensor | Frames,
        neurons: Neurons,
        rate_hz: float,
        multiplicity: Tensor | None = None,
        n_grey: int = 0,
    ) -> Tensor:
        """Return voltages ``(R, T)`` of neurons that read where they sit; each clip passes once.

        Args:
            frames: contrast ``(B, T, Y, X)``, or a batch that expands itself to contrast.
            neurons: who looks at which clip, and from where.
            rate_hz: frames per second.
            multiplicity: how often each clip counts in the normalisation statistics, ``(B,)``; None is once.
            n_grey: number of leading frames that are grey in all clips, which are then computed once.

        Raises:
            ShapeError: as :meth:`voltage_of`; or a neuron reads beyond the lattice, see :meth:`reaching`.
            ConfigError: there is no place between columns in this network.
        """
        distinct, found = neurons.distinct()
        source = as_source(frames)
        clips = self._clips(source, rate_hz, multiplicity, min(n_grey, source.n_frames - 1))
        return self._distinct_voltages(clips, distinct, rate_hz)[0].T[found]

    def dff_at(
        self,
        frames: Tensor | Frames,
        neurons: Neurons,
        rate_hz: float,
        multiplicity: Tensor | None = None,
        n_grey: int = 0,
    ) -> Tensor:
        """Return dF/F ``(R, T)`` of neurons that read where they sit; arguments as in :meth:`voltage_at`."""
        source = as_source(frames)
        clips = self._clips(source, rate_hz, multiplicity, min(n_grey, source.n_frames - 1))
        return self._distinct_dff(clips, neurons, rate_hz)[0]

    def piece_at(
        self, frames: Tensor | Frames, neurons: Neurons, rate_hz: float, before: Carried | None = None, n_grey: int = 0
    ) -> tuple[Tensor, Carried]:
        """Return dF/F ``(R, T)`` to the next piece of some movies, and the state that the piece after it starts from.

        The pieces of a movie one after the other give what :meth:`dff_at` gives of the whole. Gradients end at the
        start of the piece.

        Args:
            frames: contrast ``(B, T, Y, X)``, or a batch that expands itself to contrast.
            neurons: who looks at which clip, and from where: the same in all pieces.
            rate_hz: frames per second.
            before: what the piece before returned; None where the movies start.
            n_grey: number of leading frames that are grey in all clips, in the first piece.

        Raises:
            ShapeError, ConfigError: as :meth:`voltage_at`.
        """
        source = as_source(frames)
        n_grey = min(n_grey, source.n_frames - 1) if before is None else 0
        sampled = self.eye.sample_frames(source, self.deg_per_px, n_grey)
        eye, eye_state = self.eye.low_pass(sampled, rate_hz, before and before.eye)
        prefix = eye.new_zeros(n_grey, 1, *eye.shape[2:]) if n_grey else None
        clips = Clips(prefix, eye, eye.new_ones(eye.shape[1]), before and before.hidden, goes_on=True)
        dff, state = self._distinct_dff(clips, neurons, rate_hz, before)
        return dff, state._replace(eye=eye_state.detached())

    def _distinct_dff(
        self, clips: Clips, neurons: Neurons, rate_hz: float, before: Carried | None = None
    ) -> tuple[Tensor, Carried]:
        """Return dF/F ``(R, T)`` of neurons in any order, and the state but for the eye's."""
        distinct, found = neurons.distinct()
        voltage, state = self._distinct_voltages(clips, distinct, rate_hz, before)
        constants = self.calcium.neuron_constants(distinct.cell_type, distinct.neuron)
        filtered, calcium = self.calcium.filtered(voltage, constants, rate_hz, before and before.calcium)
        gain, offset = self.calcium.neuron(distinct.cell_type, distinct.neuron)
        return (offset + gain * filtered).T[found], state._replace(calcium=calcium.detached())

    def _distinct_voltages(
        self, clips: Clips, neurons: Neurons, rate_hz: float, before: Carried | None = None
    ) -> tuple[Tensor, Carried]:
        """Return voltages ``(T, P)`` of neurons sorted by clip, and the state of hidden layers and readouts."""
        require_places(self.config)
        self._require_alike_places()
        columns = self.config.eye.in_columns(self.place_deg(neurons))
        own = neurons.neuron if self.config.readout.place == "learned" else torch.zeros_like(neurons.neuron)
        named = torch.stack([neurons.cell_type.double(), own.double(), *columns.detach().double().T], 1)
        _, site = named.unique(dim=0, return_inverse=True)
        first = torch.full((int(site.max()) + 1,), len(site), device=site.device)
        first = first.scatter_reduce(0, site, torch.arange(len(site), device=site.device), "amin")
        reading = self.readouts.reading_at(columns[first], neurons.cell_type[first], site, neurons.clip, rate_hz)
        drives, hidden = self.hidden.go_on(clips, rate_hz, reading)
        voltage, readout = self.readouts.voltage_at(
            torch.cat(drives), neurons.cell_type, neurons.clip, rate_hz, before and before.readout
        )
        return voltage, Carried(NOTHING, hidden, readout.detached(), NOTHING)

    def place_deg(self, neurons: Neurons) -> Tensor:
        """Return azimuth and elevation ``(R, 2)`` of the places where neurons read, as learned where they are."""
        recorded = neurons.place_deg.to(self.calcium.tau_s)
        if self.config.readout.place == "fixed":
            return recorded
        moved = torch.cat([readout.displacement_deg for readout in self.readouts.each])
        counts = [len(readout.displacement_deg) for readout in self.readouts.each]
        first = torch.tensor([0, *counts[:-1]], device=moved.device).cumsum(0)
        return recorded + moved[first[neurons.cell_type] + neurons.neuron]

    def reaching(self, place_deg: Tensor) -> STCNN:
        """Return the network with a lattice wide enough for neurons at these places ``(N, 2)``; itself where it is.

        What is returned shares all parameters and running statistics with this network.

        Raises:
            ConfigError: there is no place between columns in this network.
        """
        self._require_alike_places()
        config = wide_enough(self.config, place_deg, self.cell_types)
        return self if config == self.config else self._with(config)

    def at(self, place_deg: tuple[float, float] | None) -> STCNN:
        """Return the network whose readouts sit at a place: azimuth and elevation from where they sit now.

        What is returned shares all parameters and running statistics with this network, and can be asked and streamed
        as any; its lattice is wide enough for that place.

        Raises:
            ConfigError: there is no place between columns in this network.
        """
        if place_deg is None:
            return self
        place = torch.tensor(place_deg, dtype=torch.float64)
        wide = self.reaching(place[None])
        other = wide._with(wide.config)
        other.readouts = wide.readouts.at(*self.config.eye.in_columns(place).tolist())
        return other

    def _with(self, config: ModelConfig) -> STCNN:
        """Return the network with another eye and centre of its readouts, its parameters shared."""
        other = copy.copy(self)
        other._modules = dict(self._modules)
        other.config = config
        other.eye = Eye(config.eye).to(self.eye.tau_s)
        other.readouts = copy.copy(self.readouts)
        other.readouts.config = config.readout
        other.readouts.lie_on(self.hidden.lattices(config.eye.lattice)[-1])
        other.grey_states = GreyStates()
        other.reused_streams = ReusedStreams()
        return other

    def _clips(self, source: Frames, rate_hz: float, multiplicity: Tensor | None, n_grey: int) -> Clips:
        """Return what the hidden layers are shown.

        Raises:
            ShapeError: a multiplicity of another shape.
        """
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
            return self.eye.see(frames, rate_hz, self.deg_per_px, start)
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
        self._require_alike_places()
        seen = self.eye.see(frames, rate_hz, self.deg_per_px)
        if isinstance(self.hidden, Core):
            return self.hidden.maps(seen, rate_hz)
        maps = seen.unsqueeze(-1)
        for layer in self.hidden:
            maps = layer.normalise(layer.linear(maps, rate_hz)[0], multiplicity, observe=False)
        return maps

    def _require_alike_places(self) -> None:
        if isinstance(self.hidden, Core) and self.hidden.reach is None:
            raise ConfigError(
                "the core of this model may do something else at every column",
                expected="a core with a reach, or hidden layers, where neurons read at other columns",
            )

    def stream(self, at: tuple[float, float] | None = None, **options: Any) -> Stream:
        """Open the model for frames that come one at a time: ``stream.step(frame)``.

        Args:
            at: azimuth and elevation of the neuron's place in degrees, of which the middle is (0, 0); None is there.
            options: fields of :class:`~stcnn.nn.inference.stream_config.StreamConfig`, such as ``rate_hz``.

        Raises:
            ConfigError: an option is unknown or out of range.
        """
        there = self.at(at)
        return Stream(there, stream_config(options), there.grey_states)

    def respond(
        self,
        frames: Movie | ArrayLike | Tensor,
        rate_hz: float | None = None,
        start: Start = START,
        at: tuple[float, float] | None = None,
    ) -> Response:
        """Return voltage and dF/F of every cell type to a movie: the one question to a model.

        Args:
            frames: a :class:`~stcnn.movie.Movie`, which knows its rate and background, or luminance 0..1 ``(T, Y, X)``.
            rate_hz: frames per second of plain frames; a movie's own rate is used instead.
            start: what was shown before: two seconds of ``grey``, as in training, grey forever (``steady``), or nothing
                at all (``rest``), as the published program predicts.
            at: azimuth and elevation of the neuron's place in degrees, of which the middle is (0, 0); None is there.

        Raises:
            ShapeError: frames of the wrong shape, not finite or outside 0..1.
            RateError: plain frames without their rate.
        """
        movie = as_movie(frames, rate_hz, self.deg_per_px)
        if movie.deg_per_px != self.deg_per_px:
            raise ShapeError(
                f"the movie has {movie.deg_per_px} degrees per pixel",
                expected=f"{self.deg_per_px} as in the recordings the model was trained on",
                remedy="render or resample the movie at that resolution",
            )
        contrast = torch.as_tensor(movie.contrast()).to(self.calcium.tau_s).unsqueeze(0)
        fitting = self.at(at)._fitting(Whole(contrast))
        config = stream_config({"rate_hz": movie.rate_hz, "start": start})
        stream = fitting.reused_streams.at_start(fitting, config, fitting.grey_states)
        voltage, calcium = stream.advance(contrast)
        return Response(self._by_cell_type(voltage), self._by_cell_type(calcium), movie.time_s)

    def _by_cell_type(self, traces: Tensor) -> Traces:
        """Return traces ``(1, T, N)`` as arrays ``(T,)``."""
        return dict(zip(self.cell_types, traces[0].T.cpu().numpy(), strict=True))

    def predict(
        self,
        frames: Movie | ArrayLike | Tensor,
        rate_hz: float | None = None,
        start: Start = START,
        at: tuple[float, float] | None = None,
    ) -> Traces:
        """Return dF/F ``(T,)`` of the average neuron of each cell type; arguments as in :meth:`respond`."""
        return self.respond(frames, rate_hz, start, at).calcium

    def voltages(
        self, frames: Movie | ArrayLike | Tensor, rate_hz: float | None = None, start: Start = START
    ) -> Traces:
        """Return the voltage ``(T,)`` of each cell type; arguments as in :meth:`respond`."""
        return self.respond(frames, rate_hz, start).voltage
