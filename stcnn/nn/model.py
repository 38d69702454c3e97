"""The model as its users ask it: movies in, voltage and calcium of every cell type out, whole or frame by frame."""

from __future__ import annotations

from typing import Any, Self

import pandas as pd
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from stcnn.errors import ShapeError
from stcnn.movie import Movie
from stcnn.nn.core import Core
from stcnn.nn.frames import Whole, as_movie
from stcnn.nn.inference.reused import ReusedStreams
from stcnn.nn.inference.stream import Stream
from stcnn.nn.inference.stream_config import START, Start, stream_config
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.placed_network import PlacedNetwork
from stcnn.nn.population import Population
from stcnn.nn.response import Response, Traces
from stcnn.nn.summary_table import summary_table

PUBLISHED_RATE_HZ = 180.0


class STCNN(PlacedNetwork):
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
        super().__init__(config, population, deg_per_px, core)
        self.reused_streams = ReusedStreams()

    def summary(self) -> pd.DataFrame:
        """Return a table of the parts: lattice, channels and trained values (:mod:`stcnn.nn.summary_table`)."""
        return summary_table(self)

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

    def _with(self, config: ModelConfig) -> Self:
        other = super()._with(config)
        other.reused_streams = ReusedStreams()
        return other
