"""Readouts: for each cell type one spatial weight around the neuron's column, a filter and a bias; the voltage."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stcnn.errors import ConfigError
from stcnn.nn.activation import Activation, activation
from stcnn.nn.filters.kind import Constants, FilterState
from stcnn.nn.lattices.map_lattice import MapLattice
from stcnn.nn.readout.config import CellTypeConfig, ReadoutConfig
from stcnn.nn.readout.kind import Field
from stcnn.nn.readout.reading import PlacedReading, Reading
from stcnn.nn.readout.readout import Readout
from stcnn.nn.sites import between_columns, require_on_lattice
from stcnn.nn.windows import Pair, Window


class Readouts(nn.ModuleDict):
    """The readouts of all cell types, computed together at one place of the lattice.

    Args:
        channels: channels of the last layer.
        lattice: on which its maps lie.
        config: what all cell types share.
        cell_types: what differs, by name.
        n_neurons: number of neurons of each.

    Raises:
        ConfigError: a cell type would read nothing of the lattice.
    """

    config: ReadoutConfig
    cell_types: dict[str, CellTypeConfig]
    activation: Activation
    map_lattice: MapLattice
    """Kind and spacing of the lattice their maps lie on, and the size it had at first."""
    lattice: Pair
    """Size of the maps they read."""
    places: dict[str, Window]
    """Window that each cell type reads; it may reach beyond the lattice, where maps are zero."""
    window: Window
    """Window of the lattice that holds all of theirs."""
    fraction: tuple[float, float] | None
    """Rows and columns by which all of them read between columns; None where they read whole ones."""

    def __init__(
        self,
        channels: int,
        lattice: MapLattice,
        config: ReadoutConfig,
        cell_types: dict[str, CellTypeConfig],
        n_neurons: Mapping[str, int],
    ) -> None:
        super().__init__()
        for name, cell_type in cell_types.items():
            window = cell_type.window
            field = Field(channels, lattice.window_deg(window), lattice.kind.kernel_mask(window))
            self[name] = Readout(field, config, n_neurons[name])
        self.config = config
        self.cell_types = cell_types
        self.map_lattice = lattice
        self.activation = activation(config.activation, config.slope)
        self.lie_on(lattice.shape)

    def lie_on(self, lattice: Pair) -> None:
        """Find the places on a lattice.

        Raises:
            ConfigError: a cell type would read nothing of it.
        """
        self.lattice = lattice
        centre = self.origin
        asked = any(cell_type.grid is None for cell_type in self.cell_types.values())
        if asked and not all(0 <= c < n for c, n in zip(centre, lattice, strict=True)):
            raise ConfigError(
                f"model.readout.centre is {centre}", expected=f"a row and column of the lattice {lattice}"
            )
        self.places = {name: cell_type.place(lattice, centre) for name, cell_type in self.cell_types.items()}
        seen = {name: place.within(lattice) for name, place in self.places.items()}
        if blind := [name for name, window in seen.items() if window.empty]:
            window = self.cell_types[blind[0]].window
            raise ConfigError(
                f"the window of {blind[0]}, {window} columns, lies beside the lattice {lattice}",
                expected="a window that reads at least one column",
                remedy=f"choose another window, stride or padding of model.cell_types.{blind[0]}",
            )
        tops, bottoms, lefts, rights = zip(*seen.values(), strict=True)
        self.window = Window(min(tops), max(bottoms), min(lefts), max(rights))
        self.fraction = None

    def at(self, down: float, right: float) -> Readouts:
        """Return the readouts so many rows further down and columns further to the right, all at one place.

        Raises:
            ShapeError: a window reaches beyond the lattice.
        """
        whole = math.floor(down), math.floor(right)
        top, bottom, left, right_end = self.around.moved(*self.origin).moved(*whole)
        other = copy.copy(self)
        other.window = Window(top, bottom + 1, left, right_end + 1)
        other.fraction = (down - whole[0], right - whole[1])
        window = torch.tensor([[other.window.top, other.window.bottom, other.window.left, other.window.right]])
        require_on_lattice(window, self.lattice)
        return other

    @property
    def centre(self) -> Pair:
        """Row and column around which all cell types read.

        Raises:
            ConfigError: they read around different ones, or in between two.
        """
        middles = {
            ((place.top + place.bottom - 1) / 2, (place.left + place.right - 1) / 2) for place in self.places.values()
        }
        row, column = min(middles)
        if len(middles) > 1 or row % 1 or column % 1:
            raise ConfigError(
                "the cell types of this model do not read around one and the same column",
                expected="readouts with one centre, as those of a network of ours",
            )
        return int(row), int(column)

    @property
    def each(self) -> list[Readout]:
        """The readouts in the order of the cell types."""
        return cast(list[Readout], list(self.values()))

    @property
    def constants(self) -> Constants:
        """The constants of their filters, one channel per cell type."""
        return Constants.concatenated([readout.filter.constants for readout in self.each])

    def weights(self, rate_hz: float) -> Tensor:
        """Return all spatial weights with their filter's gain, on the common window: ``(N, h, w, C)``.

        Filters with two drives have ``(2 N, h, w, C)``, excitation of all cell types first.
        """
        if self.fraction is None:
            return self._weights_on(self.window, rate_hz)
        weights = self._weights_on(self.around.moved(*self.origin), rate_hz)
        return between_columns(weights, weights.new_tensor([self.fraction]).expand(len(weights), 2))

    def _weights_on(self, window: Window, rate_hz: float) -> Tensor:
        """Return the weights of all types on a window of the lattice, zero beyond their own."""
        top, bottom, left, right = window
        stacked: list[list[Tensor]] = [[] for _ in range(self.config.filter.INPUTS)]
        for readout, place in zip(self.each, self.places.values(), strict=True):
            # Negative padding crops what would lie outside the lattice.
            margins = (place.left - left, right - place.right, place.top - top, bottom - place.bottom)
            gain = readout.filter.gain(rate_hz)
            for found, mine in zip(stacked, readout.weights, strict=True):
                weight = F.pad(mine, margins).permute(1, 2, 0)
                found.append(weight if gain is None else weight * gain)
        return torch.stack([weight for found in stacked for weight in found])

    def reading(self, rate_hz: float) -> Reading:
        """Return what all of them take from the last layer at this frame rate."""
        return Reading(self.window, self.weights(rate_hz), self.activation)

    @property
    def around(self) -> Window:
        """Window that holds all of theirs, in rows and columns from their centre."""
        row, column = self.origin
        tops, bottoms, lefts, rights = zip(*self.places.values(), strict=True)
        return Window(min(tops) - row, max(bottoms) - row, min(lefts) - column, max(rights) - column)

    @property
    def origin(self) -> Pair:
        """Row and column of the lattice from which places are counted."""
        return self.config.centre or self.map_lattice.kind.middle(self.lattice)

    def reading_at(
        self, columns: Tensor, cell_type: Tensor, site: Tensor, clip: Tensor, rate_hz: float
    ) -> PlacedReading:
        """Return what neurons take from the last layer at places of their own.

        Args:
            columns: rows down and columns right of each site from :attr:`origin`, ``(N, 2)``.
            cell_type: index of the cell type of each site, ``(N,)``.
            site: site of each reader, ``(P,)``.
            clip: clip of each reader, ``(P,)``, rising.
            rate_hz: frames per second.

        Raises:
            ShapeError: a window reaches beyond the lattice.
        """
        inputs = self.config.filter.INPUTS
        if inputs > 1:  # each drive is read by a reader of its own
            n_sites = len(cell_type)
            n_types = len(self.places)
            cell_type = torch.cat([cell_type + i * n_types for i in range(inputs)])
            order = _by_clip(clip, inputs)
            site = torch.cat([site + i * n_sites for i in range(inputs)])[order]
            clip = clip.repeat(inputs)[order]
            columns = columns.repeat(inputs, 1)
        whole = columns.detach().floor()
        weights = between_columns(
            self._weights_on(self.around.moved(*self.origin), rate_hz)[cell_type], columns - whole
        )
        corner = whole.long().cpu() + torch.tensor([self.around.top, self.around.left]) + torch.tensor(self.origin)
        top, left = corner.unbind(1)
        windows = torch.stack([top, top + weights.shape[1], left, left + weights.shape[2]], 1)
        require_on_lattice(windows, self.lattice)
        (low_row, _, low_column, _) = windows.amin(0).tolist()
        (_, high_row, _, high_column) = windows.amax(0).tolist()
        window = Window(low_row, high_row, low_column, high_column)
        inside = self._inside()[cell_type.cpu() % len(self.places)]
        return PlacedReading(window, weights, windows, inside, site, clip, self.activation)

    def _inside(self) -> Tensor:
        """Return what of :attr:`around`, a column wider, each cell type reads, ``(N, 4)``."""
        top = self.around.top + self.origin[0]
        left = self.around.left + self.origin[1]
        return torch.tensor(
            [[p.top - top, p.bottom - top + 1, p.left - left, p.right - left + 1] for p in self.places.values()]
        )

    def forward(
        self, drives: Sequence[Tensor], rate_hz: float, state: FilterState | None = None
    ) -> tuple[Tensor, FilterState]:
        """Filter what was read.

        Args:
            drives: ``(T, B, N)`` of :meth:`Reading.drive`, ``2 N`` where the filter has two drives, in consecutive
                pieces; a piece with B = 1 serves all clips.
            rate_hz: frames per second.
            state: state of the filters, None at the start.

        Returns:
            Voltages ``(T, B, N)`` of the N cell types, and the state.
        """
        drive = torch.cat([piece.expand(-1, drives[-1].shape[1], -1) for piece in drives])
        bias = torch.cat([readout.bias for readout in self.each])
        voltage, state = self.config.filter.filtered(drive, self.constants, rate_hz, state)
        return voltage + bias, state

    def voltage_at(
        self, drive: Tensor, cell_type: Tensor, clip: Tensor, rate_hz: float, state: FilterState | None = None
    ) -> tuple[Tensor, FilterState]:
        """Filter what neurons read, and return their voltages ``(T, P)`` and the state.

        Args:
            drive: of :meth:`reading_at`, ``(T, P)`` or, where the filter has two drives, ``(T, 2 P)``.
            cell_type: index of the cell type of each neuron, ``(P,)``.
            clip: clip of each neuron, ``(P,)``, rising.
            rate_hz: frames per second.
            state: state of the filters, None at the start.
        """
        if self.config.filter.INPUTS > 1:
            drive = drive[:, _by_clip(clip, self.config.filter.INPUTS).argsort()]
        bias = torch.cat([readout.bias for readout in self.each])[cell_type]
        voltage, state = self.config.filter.filtered(drive, self.constants.of(cell_type), rate_hz, state)
        return voltage + bias, state


def _by_clip(clip: Tensor, inputs: int) -> Tensor:
    """Return the order in which the drives of all neurons, one drive after the other, are sorted by clip."""
    return clip.repeat(inputs).argsort(stable=True)
