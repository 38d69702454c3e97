"""The network for neurons that read where they sit, :mod:`stcnn.nn.sites`: each movie passes once for all of them."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from stcnn.nn.filters.kind import FilterState
from stcnn.nn.frames import Frames, as_source
from stcnn.nn.network import Network
from stcnn.nn.past import require_past
from stcnn.nn.pieces import Carried
from stcnn.nn.sites import Neurons
from stcnn.nn.stack.problem import Clips
from stcnn.nn.wide_lattice import require_direction, require_places, wide_enough

NOTHING = FilterState(torch.empty(0))


class PlacedNetwork(Network):
    """A network whose readouts can be asked at other places than the one they are trained for."""

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
        clips = self.clips_of(source, rate_hz, multiplicity, min(n_grey, source.n_frames - 1))
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
        clips = self.clips_of(source, rate_hz, multiplicity, min(n_grey, source.n_frames - 1))
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
        require_past(self, rate_hz, source.contrast(0, 1).shape[0])
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
        self.require_alike_places()
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

    def reaching(self, place_deg: Tensor) -> Self:
        """Return the network with a lattice wide enough for neurons at these places ``(N, 2)``; itself where it is.

        What is returned shares all parameters and running statistics with this network.

        Raises:
            ConfigError: there is no place between columns in this network.
        """
        self.require_alike_places()
        config = wide_enough(self.config, place_deg, self.cell_types)
        return self if config == self.config else self._with(config)

    def at(self, place_deg: tuple[float, float] | None) -> Self:
        """Return the network whose readouts sit at a place: azimuth and elevation from where they sit now.

        What is returned shares all parameters and running statistics with this network, and can be asked and streamed
        as any; its lattice is wide enough for that place.

        Raises:
            ConfigError: there is no place between columns in this network.
        """
        if place_deg is None:
            return self
        require_direction(place_deg)
        place = torch.tensor(place_deg, dtype=torch.float64)
        wide = self.reaching(place[None])
        other = wide._with(wide.config)
        other.readouts = wide.readouts.at(*self.config.eye.in_columns(place).tolist())
        return other
