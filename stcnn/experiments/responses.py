"""Answers of a model to movies: voltage and calcium of the average neuron of each cell type, as a table."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from stcnn.movie import Movie
from stcnn.nn.model import STCNN

ANSWERS = ["voltage", "dff"]
SPREADS = ["voltage_spread", "dff_spread"]
RESPONSE_COLUMNS = ["stimulus", "cell_type", "time_s", *ANSWERS]


def between_grey(movie: Movie, before_s: float = 0.0, after_s: float = 0.0, coded: bool = True) -> Movie:
    """Return a movie with grey before and after it; its time 0 stays the onset of the stimulus.

    Args:
        movie: the movie.
        before_s: grey before it.
        after_s: grey after it.
        coded: whether frames are kept in few bytes, which takes longer than to show them once.
    """
    margins = round(before_s * movie.rate_hz), round(after_s * movie.rate_hz)
    luminance = np.pad(movie.luminance(), (margins, (0, 0), (0, 0)), constant_values=np.float32(movie.background))
    track = {
        name: np.pad(values.astype(float), margins, constant_values=np.nan) for name, values in movie.track.items()
    }
    onset_s = movie.onset_s + margins[0] / movie.rate_hz
    whole = replace(movie, frames=luminance, levels=None, track=track, onset_s=onset_s)
    return whole.coded() if coded else whole


def respond(model: STCNN, movies: Iterable[tuple[str, Movie]], at: tuple[float, float] | None = None) -> pd.DataFrame:
    """Show movies to a model, each after grey, as in training.

    Args:
        model: the model.
        movies: name and movie of each stimulus.
        at: azimuth and elevation of the neurons' place in degrees; None is the middle.

    Returns:
        One row per stimulus, cell type and frame: ``stimulus``, ``cell_type``, ``time_s`` from stimulus onset,
        ``voltage``, ``dff``.

    Raises:
        ShapeError: a movie has another resolution than the model was trained on.
    """
    rows = []
    for stimulus, movie in movies:
        response = model.respond(movie, at=at)
        rows += [
            pd.DataFrame(
                {
                    "stimulus": stimulus,
                    "cell_type": name,
                    "time_s": response.time_s,
                    "voltage": response.voltage[name],
                    "dff": response.calcium[name],
                }
            )
            for name in model.cell_types
        ]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=RESPONSE_COLUMNS)


def respond_together(
    models: Sequence[STCNN], movies: Collection[tuple[str, Movie]], at: tuple[float, float] | None = None
) -> pd.DataFrame:
    """Show movies to the members of an ensemble.

    Args:
        models: the members, of the same cell types; one alone has no spread.
        movies: name and movie of each stimulus.
        at: azimuth and elevation of the neurons' place in degrees; None is the middle.

    Returns:
        As :func:`respond`, the mean of the members; with two or more of them also ``voltage_spread`` and
        ``dff_spread``, the standard deviation over members with M - 1 in the denominator.

    Raises:
        ShapeError: as :func:`respond`.
    """
    tables = [respond(model, movies, at) for model in models]
    answers = np.stack([table[ANSWERS].to_numpy(float) for table in tables])
    together = tables[0].assign(**dict(zip(ANSWERS, answers.mean(0).T, strict=True)))
    if len(tables) > 1:
        together = together.assign(**dict(zip(SPREADS, answers.std(0, ddof=1).T, strict=True)))
    return together
