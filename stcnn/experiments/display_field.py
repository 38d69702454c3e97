"""Receptive fields on a display around the fly, through the measured columns of its eye and the network behind them.

By gradient they are exact for small contrasts. By noise, every pixel is bright or dark at random in every frame, and
the field is the correlation of the voltage with each pixel's contrast before (reverse correlation: Chichilnisky 2001,
doi 10.1080/713663221), as an experiment has it.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import identity
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from stcnn.errors import DataError, ShapeError
from stcnn.experiments.receptive_field import receptive_fields
from stcnn.nn.model import STCNN
from stcnn.reading import require_room
from stcnn.stimuli.displays.display import Display
from stcnn.stimuli.displays.eye import EyeOptics
from stcnn.stimuli.sphere import directions
from stcnn.stimuli.sphere.directions import Floats, Point

FRAMES_AT_ONCE = 500
TOGETHER = 2.0
"""Times the usual distance of next pixels, up to which two hang together."""
LEAST = 0.3
"""Share of the strongest pixel below which one does not count for the middle of a field."""


def display_fields(
    model: STCNN, eye: EyeOptics, rate_hz: float, *, lags_s: float = 0.4
) -> dict[str, NDArray[np.float32]]:
    """Return the gradient of the voltage of each cell type by the luminance of every pixel, around grey.

    Args:
        model: in evaluation mode, with the lattice of the eye.
        eye: in front of the display.
        rate_hz: frames per second.
        lags_s: how far back to look.

    Returns:
        Cell type to ``(K, Y, X)``, lag 0 first.

    Raises:
        ShapeError: the model has another lattice than the eye.
    """
    require_same_lattice(model, eye)
    fields = receptive_fields(model.for_columns(), rate_hz, shape_px=eye.shape, lags_s=lags_s)
    return {name: eye.on_display(field).astype(np.float32) for name, field in fields.items()}


def display_fields_by_noise(  # noqa: PLR0913 - what an experimenter chooses
    model: STCNN,
    eye: EyeOptics,
    rate_hz: float,
    *,
    duration_s: float = 60.0,
    contrast: float = 0.5,
    background: float = 0.5,
    lags_s: float = 0.1,
    seed: int = 0,
) -> dict[str, NDArray[np.float32]]:
    """Return the regression of the voltage of each cell type on the luminance of every pixel, in noise.

    Args:
        model: in evaluation mode, with the lattice of the eye.
        eye: in front of the display.
        rate_hz: frames per second.
        duration_s: of the noise.
        contrast: of its pixels, as a share of the background.
        background: mean luminance, also beside the display.
        lags_s: how far back to look.
        seed: of the noise.

    Returns:
        Cell type to ``(K, Y, X)``, lag 0 first.

    Raises:
        ShapeError: the model has another lattice than the eye.
    """
    require_same_lattice(model, eye)
    n_frames = round(duration_s * rate_hz)
    n_lags = max(2, round(lags_s * rate_hz))
    rows, columns = eye.optics.shape_px
    require_room(4 * n_frames * rows * columns, "the noise of a display")
    rng = np.random.default_rng(seed)
    signs = rng.integers(0, 2, (n_frames, rows, columns), np.int8) * 2 - 1
    amplitude = np.float32(contrast * background)
    seen = np.concatenate(
        [
            eye.see(background + amplitude * signs[start : start + FRAMES_AT_ONCE].astype(np.float32), background)
            for start in range(0, n_frames, FRAMES_AT_ONCE)
        ]
    )
    frames = torch.as_tensor(seen - background)[None].to(model.calcium.tau_s)
    with torch.no_grad():
        voltage = model.for_columns().voltage_of(frames, rate_hz)[0].double().numpy()
    away = (voltage - voltage[n_lags:].mean(0))[n_lags:].astype(np.float32)
    flat = signs.reshape(n_frames, -1)
    fields = np.empty((away.shape[1], n_lags, rows * columns), np.float32)
    for lag in range(n_lags):
        fields[:, lag] = away.T @ flat[n_lags - lag : n_frames - lag].astype(np.float32)
    fields /= len(away) * amplitude
    return dict(zip(model.cell_types, fields.reshape(*fields.shape[:2], rows, columns), strict=True))


def centre_deg(field: NDArray[np.floating], display: Display, least: float = LEAST) -> Point:
    """Return azimuth and elevation of the middle of a receptive field on a display.

    At the lag at which the field is strongest, it is the mean direction of the strongest pixel and of those of its sign
    that hang together with it, weighted by their strength; each stands for its solid angle, as its gradient does.

    Args:
        field: of a cell type ``(K, Y, X)``, or at one lag ``(Y, X)``.
        display: whose pixels these are. Where a field reaches beyond it, its middle is that of what is seen.
        least: share of the strongest pixel below which one does not count.

    Raises:
        DataError: the field is zero.
        ShapeError: it has other pixels than the display.
    """
    lags = field.reshape(-1, *field.shape[-2:]).astype(float)
    if lags.shape[1:] != display.shape_px:
        raise ShapeError(f"a receptive field of {lags.shape[1:]} pixels", expected=f"{display.shape_px} of the display")
    at = np.unravel_index(np.abs(lags).argmax(), lags.shape)
    strength = lags[at[0]] / (lags[at] or 1.0)
    if not strength.any():
        raise DataError("a receptive field is zero everywhere", expected="a neuron that sees the display")
    counted = strength >= least
    looks = display.directions[counted]
    weights = strength[counted]
    near = _beside_strongest(looks, weights)
    middle = weights[near] @ looks[near]
    return float(directions.azimuth_deg(middle)), float(directions.elevation_deg(middle))


def _beside_strongest(looks: Floats, weights: Floats) -> NDArray[np.bool_]:
    """Return which directions hang together with the strongest one, on a display that may close around the fly."""
    if len(looks) < 3:
        return np.asarray(weights == weights.max())
    tree = cKDTree(looks)
    reach = TOGETHER * float(np.median(tree.query(looks, 2)[0][:, 1]))
    near = tree.sparse_distance_matrix(tree, reach, output_type="coo_matrix")
    _, part = connected_components(near + identity(len(looks)), directed=False)
    return np.asarray(part == part[weights.argmax()])


def require_same_lattice(model: STCNN, eye: EyeOptics) -> None:
    """Refuse a model whose lattice is not the array of an eye.

    Raises:
        ShapeError: it has other rows and columns, or is not hexagonal.
    """
    config = model.config.eye
    if config.lattice != eye.shape or config.arrangement.kind != "hexagonal":
        raise ShapeError(
            f"the model has a {config.arrangement.kind} lattice of {config.lattice} columns",
            expected=f"a hexagonal one of {eye.shape}, the array of the measured eye",
            remedy=f"set model.eye.arrangement.kind=hexagonal and model.eye.lattice=[{eye.shape[0]},{eye.shape[1]}]",
        )
