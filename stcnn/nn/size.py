"""The size of a network, judged from its configuration before a weight is drawn or a map is made.

A published network has some 30,000 weights and makes maps of 18,000 values in a frame. What is a thousand times larger
was slipped into a key, and would take the memory of a machine before anything is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stcnn.nn.eye import EyeConfig
from stcnn.nn.hidden import HiddenConfig
from stcnn.nn.readout.config import CellTypeConfig, ReadoutConfig
from stcnn.nn.shares import Share, require_at_most
from stcnn.nn.windows import Pair

MOST_WEIGHTS = 30_000_000
"""Weights of a network; with their gradients and Adam's two moments half a gigabyte."""
MOST_VALUES = 20_000_000
"""Values of all maps in one frame of one clip, 80 MB."""


def require_size(
    eye: EyeConfig,
    hidden: HiddenConfig | None,
    readout: ReadoutConfig,
    cell_types: Mapping[str, CellTypeConfig],
    channels: int,
) -> None:
    """Refuse a network of more than :data:`MOST_WEIGHTS` weights or :data:`MOST_VALUES` values of maps in a frame.

    Args:
        eye: its lattice.
        hidden: the hidden layers; None where another core stands in their place.
        readout: what all cell types share.
        cell_types: what differs, by name.
        channels: of the last maps.

    Raises:
        ConfigError: it is larger; the sentence names the key that asks for most of it.
    """
    layers = [] if hidden is None else list(_layers(hidden, eye.lattice))
    require_at_most(
        [share for share, _ in layers] + [_readouts(readout, cell_types, channels)], MOST_WEIGHTS, "weights"
    )
    columns = eye.lattice[0] * eye.lattice[1]
    require_at_most(
        [Share(columns, "eye.lattice", str(eye.lattice)), *(m for _, m in layers)], MOST_VALUES, "values of maps"
    )


def _layers(hidden: HiddenConfig, lattice: Pair) -> Iterator[tuple[Share, Share]]:
    """Yield the weights and the values in a frame of each layer."""
    inputs = 1
    for i, outputs in enumerate(hidden.channels):
        shape = hidden.convolution(i)
        rows, columns = shape.kernel
        lattice = shape.makes(lattice)
        found = f"{outputs} x {inputs} channels with kernels of {rows} x {columns} in layer {i}"
        weights = Share(inputs * outputs * rows * columns, "hidden.channels and kernel_columns", found)
        found = f"{outputs} channels of {lattice[0]} x {lattice[1]} columns in layer {i}"
        yield weights, Share(outputs * max(lattice[0], 0) * max(lattice[1], 0), "hidden.channels, eye.lattice", found)
        inputs = outputs


def _readouts(readout: ReadoutConfig, cell_types: Mapping[str, CellTypeConfig], channels: int) -> Share:
    """Return the weights of all readouts, which are laid out on a window that holds those of all cell types."""
    rows = max(each.window[0] for each in cell_types.values())
    columns = max(each.window[1] for each in cell_types.values())
    count = len(cell_types) * readout.filter.INPUTS * channels * rows * columns
    found = f"windows of {rows} x {columns} columns in {channels} channels for {len(cell_types)} cell types"
    return Share(count, "cell_types.*.window_columns and hidden.channels", found)
