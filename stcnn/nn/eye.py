"""The eye: Gaussian acceptance of each column of a lattice (:mod:`stcnn.nn.optics`), then the photoreceptor's low-pass.

Convention: degrees from the middle of the picture, azimuth positive right, elevation positive up; row 0 of the lattice
is its top, column 0 its left. Outside the picture lies the background, whose contrast is zero.
"""

from __future__ import annotations

import math
from typing import Any, Self

import torch
from pydantic import (
    Field,
    NonNegativeInt,
    PositiveFloat,
    TypeAdapter,
    field_validator,
    model_validator,
)
from torch import Tensor, nn

from stcnn.errors import ShapeError
from stcnn.nn.filters import FilterConfig
from stcnn.nn.filters.exponential import ExponentialConfig
from stcnn.nn.filters.kind import Constants, FilterKind, FilterState, require_one_drive, require_unused_tau
from stcnn.nn.frames import EYE_FRAMES, Frames
from stcnn.nn.lattices import LatticeConfig
from stcnn.nn.lattices.square import SquareLattice
from stcnn.nn.optics import Sampling
from stcnn.nn.windows import Columns, Degrees, Pair, Window
from stcnn.validation import Config

MOST_COLUMNS = 100_000
"""Columns of a lattice; three times those of the largest compound eyes (dragonflies, 30,000: Land & Nilsson 2012)."""


class EyeConfig(Config):
    """Optics and photoreceptors; nothing here is trained."""

    acceptance_fwhm_deg: PositiveFloat = 5.0
    """Full width at half maximum of the acceptance Gaussian (5 degrees: Klapoetke et al. 2022)."""
    window_deg: Degrees = 35.0
    """Width of the window outside which the Gaussian is cut to zero; or its height and width."""
    column_spacing_deg: Degrees = 4.0
    """Distance of neighbouring columns; or of neighbouring rows and of neighbouring columns. A measured eye has
    its own."""
    lattice: tuple[Columns, Columns] = (21, 21)
    """Rows and columns of the lattice; null is that of a measured eye."""
    arrangement: LatticeConfig = Field(default_factory=SquareLattice)
    """Where columns lie that stand beside each other in the lattice, and which of them are neighbours."""
    centre_deg: tuple[float, float] = (0.0, 0.0)
    """Azimuth and elevation of the middle of the lattice."""
    grown: tuple[NonNegativeInt, NonNegativeInt, NonNegativeInt, NonNegativeInt] = (0, 0, 0, 0)
    """Rows above and below and columns left and right of ``lattice`` that were added so that neurons read on it where
    they sit; a training adds them."""
    first_column_deg: tuple[float, float] | None = None
    """Distance of the first row from the top of the picture, and of the first column from its left edge, where the
    lattice has as many of them as fit into the picture: ``lattice`` and ``centre_deg`` are then those of one picture
    size, and :meth:`on_picture` gives those of another. None: one lattice for pictures of all sizes."""
    tau_s: PositiveFloat = 0.006
    """Photoreceptor time constant (27 Hz low-pass)."""
    filter: FilterConfig = Field(default_factory=ExponentialConfig)
    """Kind, scale and length of the photoreceptor's kernel. Its time constant is ``tau_s``; of other constants it has
    the middle of their initial ranges."""

    @model_validator(mode="before")
    @classmethod
    def _has_the_lattice_of_its_columns(cls, values: Any) -> Any:  # noqa: ANN401 - whatever the user wrote
        """Fill in the lattice of an arrangement that has its own, where it is null."""
        if not isinstance(values, dict) or "lattice" not in values or values["lattice"] is not None:
            return values
        others = {name: value for name, value in values.items() if name != "lattice"}
        try:
            arrangement = TypeAdapter(LatticeConfig).validate_python(values.get("arrangement", {}))
        except ValueError:  # of pydantic; said of the arrangement itself, which is judged next
            return others
        return {**others, "arrangement": arrangement, "lattice": arrangement.own_shape()}

    @field_validator("filter")
    @classmethod
    def _has_one_drive(cls, filter: FilterKind) -> FilterKind:
        return require_unused_tau(require_one_drive(filter), "eye.tau_s")

    @field_validator("lattice")
    @classmethod
    def _is_an_eye(cls, lattice: Pair) -> Pair:
        if too_many := _too_many(lattice):
            raise ValueError(too_many)
        return lattice

    @model_validator(mode="after")
    def _can_be_arranged(self) -> Self:
        if reason := self.arrangement.why_not(self.spacing_deg):
            raise ValueError(reason)
        if (shape := self.arrangement.own_shape()) is not None and shape != self.lattice:
            raise ValueError(f"the columns of the arrangement make a lattice of {shape}; set lattice to null")
        if self.first_column_deg is not None and self.arrangement.kind != "square":
            raise ValueError("first_column_deg is for a square lattice, which alone follows the size of the picture")
        return self

    def positions_deg(self) -> Tensor:
        """Return azimuth and elevation of every column, float64 ``(rows, columns, 2)``."""
        return self.arrangement.positions_deg(self.lattice, self.spacing_deg, self.centre_deg)

    def in_columns(self, offset_deg: Tensor) -> Tensor:
        """Return rows down and columns right ``(..., 2)`` of offsets given as azimuth and elevation ``(..., 2)``."""
        return self.arrangement.in_columns(offset_deg, self.spacing_deg)

    def in_degrees(self, offset_columns: Tensor) -> Tensor:
        """Return azimuth and elevation ``(..., 2)`` of offsets given as rows down and columns right ``(..., 2)``."""
        return self.arrangement.in_degrees(offset_columns, self.spacing_deg)

    @property
    def spacing_deg(self) -> tuple[float, float]:
        """Distance of neighbouring rows and of neighbouring columns; of a measured eye the usual one."""
        return self.arrangement.own_spacing_deg() or _both(self.column_spacing_deg)

    @property
    def window_size_deg(self) -> tuple[float, float]:
        """Height and width of the window outside which the Gaussian is cut."""
        return _both(self.window_deg)

    def on_picture(self, shape_px: Pair, deg_per_px: float) -> EyeConfig:
        """Return the eye with the lattice that it has on a picture of ``shape_px`` rows and columns.

        Raises:
            ShapeError: there is no room for a column.
        """
        if self.first_column_deg is None:
            return self
        numbers = []
        middles_deg = []
        for n_px, first_deg, apart_deg in zip(shape_px, self.first_column_deg, self.spacing_deg, strict=True):
            size_deg = n_px * deg_per_px
            n = math.floor((size_deg - 2 * first_deg) / apart_deg + 1e-6) + 1
            numbers.append(n)
            middles_deg.append(first_deg + apart_deg * (n - 1) / 2 - size_deg / 2)
        if min(numbers) < 1:
            raise ShapeError(
                f"a picture of {shape_px} pixels of {deg_per_px:g} degrees has no room for a column of the eye",
                expected=f"columns {self.spacing_deg} degrees apart, the first {self.first_column_deg} from the edge",
            )
        if too_many := _too_many((numbers[0], numbers[1])):
            raise ShapeError(f"on a picture of {shape_px} pixels of {deg_per_px:g} degrees, {too_many}")
        down_deg, right_deg = middles_deg
        return self.model_copy(update={"lattice": (numbers[0], numbers[1]), "centre_deg": (right_deg, -down_deg)})

    def picture_px(self, deg_per_px: float) -> Pair:
        """Return rows and columns of a picture on which the eye has this lattice; of a single pixel where any does."""
        if self.first_column_deg is None:
            return 1, 1
        azimuth_deg, elevation_deg = self.centre_deg
        sizes_px = []
        for n, first_deg, apart_deg, middle_deg in zip(
            self.lattice, self.first_column_deg, self.spacing_deg, (-elevation_deg, azimuth_deg), strict=True
        ):
            sizes_px.append(round((2 * first_deg + apart_deg * (n - 1) - 2 * middle_deg) / deg_per_px))
        return sizes_px[0], sizes_px[1]


def _too_many(lattice: Pair) -> str:
    """Return what is wrong with a lattice of more than :data:`MOST_COLUMNS`, as a clause; empty where it has fewer."""
    n_columns = lattice[0] * lattice[1]
    if n_columns <= MOST_COLUMNS:
        return ""
    return f"{lattice[0]} x {lattice[1]} columns are more than the {MOST_COLUMNS:,} there may be"


def _both(size_deg: float | tuple[float, float]) -> tuple[float, float]:
    return size_deg if isinstance(size_deg, tuple) else (size_deg, size_deg)


class Eye(nn.Module):
    """Contrast movies to photoreceptor signals on the lattice.

    The scaled low-pass acts after the sampling; both are linear, so the order does not matter.

    Args:
        config: optics and photoreceptors.
        sees_columns: whether frames hold what each column sees already, a value for each in the array of the lattice,
            as of a display around the fly; otherwise they are pictures.
    """

    def __init__(self, config: EyeConfig, *, sees_columns: bool = False) -> None:
        super().__init__()
        self.config = config
        self.sees_columns = sees_columns
        self.register_buffer("tau_s", torch.tensor([config.tau_s]), persistent=False)
        self.tau_s: Tensor
        self._others = {name: value for name, value in config.filter.middle().items() if name != "tau_s"}
        self._samplings: dict[tuple[object, ...], Sampling] = {}

    def sampling(
        self, shape_px: tuple[int, int], deg_per_px: float, like: Tensor, window: Window | None = None
    ) -> Sampling:
        """Return what samples a picture, of the type and on the device of ``like``.

        Args:
            shape_px: rows and columns of the picture.
            deg_per_px: degrees per pixel.
            like: says type and device.
            window: the columns that see; None is the whole lattice.

        Raises:
            ShapeError: the eye has another lattice on a picture of this size, or other columns.
        """
        if self.sees_columns:
            return self._columns_alone(shape_px, window).to(like)
        key = (*shape_px, deg_per_px, like.dtype, like.device, window)
        if key not in self._samplings:
            self._require_its_lattice(shape_px, deg_per_px)
            config = self.config
            positions_deg = config.positions_deg()
            if window is not None:
                positions_deg = positions_deg[window.top : window.bottom, window.left : window.right]
            fwhm_deg = config.acceptance_fwhm_deg
            sampling = Sampling.of(positions_deg, shape_px, deg_per_px, config.window_size_deg, fwhm_deg)
            self._samplings[key] = sampling.to(like)
        return self._samplings[key]

    def picture_px(self, deg_per_px: float) -> Pair:
        """Return rows and columns of frames on which the eye has this lattice; of a single pixel where any does."""
        return self.config.lattice if self.sees_columns else self.config.picture_px(deg_per_px)

    def _columns_alone(self, shape: Pair, window: Window | None) -> Sampling:
        """Return what takes the columns of a window out of frames that hold a value for each column."""
        rows, columns = self.config.lattice
        if tuple(shape) != (rows, columns):
            raise ShapeError(
                f"frames have {tuple(shape)} values for an eye that is shown what its columns see",
                expected=f"{(rows, columns)}, one for each column",
            )
        down, across = torch.eye(rows, dtype=torch.float64), torch.eye(columns, dtype=torch.float64)
        if window is not None:
            down = down[window.top : window.bottom]
            across = across[window.left : window.right]
        return Sampling(down, across, (len(down), len(across)))

    def _require_its_lattice(self, shape_px: Pair, deg_per_px: float) -> None:
        fitting = self.config.on_picture(shape_px, deg_per_px)
        away_deg = max(abs(a - b) for a, b in zip(fitting.centre_deg, self.config.centre_deg, strict=True))
        if fitting.lattice != self.config.lattice or away_deg > 1e-6:
            raise ShapeError(
                f"on a picture of {shape_px} pixels of {deg_per_px:g} degrees this eye has {fitting.lattice} rows and "
                f"columns around {fitting.centre_deg} degrees",
                expected=f"a picture on which it has {self.config.lattice} around {self.config.centre_deg}",
                remedy=f"ask model.for_picture({shape_px}) instead of the model",
            )

    def sample(self, contrast: Tensor, deg_per_px: float) -> Tensor:
        """Return the contrast ``(B, T, Y, X)`` seen by each column, ``(T, B, Yc, Xc)``."""
        contrast = contrast.to(self.tau_s.dtype)
        return self.sampling((contrast.shape[2], contrast.shape[3]), deg_per_px, contrast).sample(contrast)

    def sample_columns(self, frames: Frames, rate_hz: float, deg_per_px: float, start: int = 0) -> Tensor:
        """Return photoreceptor maps ``(T - start, B, Yc, Xc)``; the frames before ``start`` must be grey.

        The movie is expanded to contrast in pieces, so it never stands whole in memory.
        """
        return self.low_pass(self.sample_frames(frames, deg_per_px, start), rate_hz)[0]

    def sample_frames(self, frames: Frames, deg_per_px: float, start: int = 0) -> Tensor:
        """Return the contrast ``(T - start, B, Yc, Xc)`` seen by each column, expanded in pieces."""
        pieces = [
            self.sample(frames.contrast(first, min(first + EYE_FRAMES, frames.n_frames)), deg_per_px)
            for first in range(start, frames.n_frames, EYE_FRAMES)
        ]
        return torch.cat(pieces)

    def forward(
        self, contrast: Tensor, rate_hz: float, deg_per_px: float, state: FilterState | None = None
    ) -> tuple[Tensor, FilterState]:
        """See frames of a contrast movie, carrying the state from call to call.

        Args:
            contrast: ``(B, T, Y, X)``, zero where grey.
            rate_hz: frames per second.
            deg_per_px: degrees per pixel.
            state: state of the low-pass after the frames before, None at the start.

        Returns:
            Photoreceptor maps ``(T, B, Yc, Xc)`` and the state after the last frame.
        """
        return self.low_pass(self.sample(contrast, deg_per_px), rate_hz, state)

    def constants(self, like: Tensor) -> Constants:
        """Return the constants ``(1,)`` of the photoreceptor's kernel, of the type and on the device of ``like``."""
        known = {"tau_s": self.tau_s, **self._others}
        return Constants({name: known[name].to(like) for name in self.config.filter.PARAMETERS})

    def low_pass(self, maps: Tensor, rate_hz: float, state: FilterState | None = None) -> tuple[Tensor, FilterState]:
        """Filter sampled contrast ``(T, B, Yc, Xc)`` with the photoreceptor's kernel."""
        constants = self.constants(maps)
        gain = self.config.filter.gain(constants, rate_hz)
        seen, state = self.config.filter.filtered(maps.unsqueeze(-1), constants, rate_hz, state)
        seen = seen.squeeze(-1)
        return seen if gain is None else seen * gain, state
