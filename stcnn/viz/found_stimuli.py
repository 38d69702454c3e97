"""Found stimuli in one picture: a few frames of each, and what the models are predicted to answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stcnn.experiments.optimal.answers import traces_of
from stcnn.experiments.optimal.search import Found
from stcnn.viz.theme import LIGHT, Theme, colours, themed

N_FRAMES = 6
"""Frames of each stimulus, evenly spaced from its start to its end."""
ROW_IN = 1.45
FRAME_IN = 1.05
TRACE_IN = 2.8
LEFT_IN = 0.15


def found_stimuli(found: Sequence[Found], cell_types: Sequence[str], theme: Theme = LIGHT) -> Figure:
    """Draw frames and predicted traces of stimuli, one row each.

    Args:
        found: the stimuli.
        cell_types: of the answers, in their order.
        theme: light or dark.
    """
    shade = colours(list(cell_types))
    width_in = LEFT_IN + N_FRAMES * FRAME_IN + 0.75 + TRACE_IN + 0.9
    height_in = len(found) * ROW_IN + 0.35
    with themed(theme):
        figure = Figure(figsize=(width_in, height_in))
        for row, one in enumerate(found):
            top = 1 - (row * ROW_IN + 0.28) / height_in
            bottom = top - (ROW_IN - 0.45) / height_in
            times_s = _frames(figure, one, (bottom, top - bottom), width_in)
            left = (LEFT_IN + N_FRAMES * FRAME_IN + 0.75) / width_in
            axes = figure.add_axes((left, bottom, TRACE_IN / width_in, top - bottom))
            _traces(axes, one, list(cell_types), shade, times_s)
            if row == 0:
                axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.05), fontsize=7, handlelength=1.2)
        axes.set_xlabel("time from onset (s)", fontsize=8, labelpad=1)
    return figure


def _frames(figure: Figure, one: Found, place: tuple[float, float], width_in: float) -> list[float]:
    """Draw frames side by side; return their times."""
    movie = one.movie
    numbers = np.unique(np.round(np.linspace(0, movie.n_frames - 1, N_FRAMES + 2)[1:-1]).astype(int))
    bottom, height = place
    for column, number in enumerate(numbers):
        left = (LEFT_IN + column * FRAME_IN) / width_in
        axes = figure.add_axes((left, bottom, (FRAME_IN - 0.06) / width_in, height))
        axes.imshow(movie.luminance(slice(number, number + 1))[0], cmap="gray", vmin=0, vmax=1)
        axes.set_axis_off()
        axes.text(0.5, -0.03, f"{movie.time_s[number]:.2f} s", ha="center", va="top", transform=axes.transAxes, size=6)
        if column == 0:
            worth = one.goal.criterion.in_words(one.value)
            title = f"{one.goal.name.replace('_', ' ')}: {worth}. {_words(one)}"
            axes.text(0, 1.05, title, ha="left", va="bottom", transform=axes.transAxes, size=7)
    return [float(movie.time_s[number]) for number in numbers]


def _words(one: Found) -> str:
    """The parameters of a stimulus in a line."""
    if not one.parameters:
        return "a free movie"
    values = [f"{key}={value:g}" for key, value in one.parameters.items() if isinstance(value, int | float)]
    return f"{one.parameters['kind']}: {', '.join(values)}"


def _traces(axes: Axes, one: Found, cell_types: Sequence[str], shade: dict[str, str], times_s: Sequence[float]) -> None:
    """Draw the answers of all cell types, the wanted ones strong."""
    rises = traces_of(one.answers)
    time_s = np.arange(rises.shape[1]) / one.movie.rate_hz - one.movie.onset_s
    wanted = {one.goal.cell_type, one.goal.against}
    for number, name in enumerate(cell_types):
        mean = rises[..., number].mean(0)
        strong = name in wanted
        axes.plot(time_s, mean, color=shade[name], lw=1.8 if strong else 0.7, alpha=1 if strong else 0.6, label=name)
        if strong and len(rises) > 1:
            spread = rises[..., number].std(0, ddof=1)
            axes.fill_between(time_s, mean - spread, mean + spread, color=shade[name], alpha=0.2, lw=0)
    for time in times_s:
        axes.axvline(time, color="0.8", lw=0.5, zorder=0)
    axes.set_ylabel("dF/F above grey", fontsize=7)
    axes.tick_params(labelsize=7)
