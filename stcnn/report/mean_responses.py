"""Mean responses of the most reliable neurons, on the stimulus clock, for the page of an import."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stcnn.data.audit.checks import repeat_reliability, repeats
from stcnn.data.dataset import Dataset
from stcnn.data.recordings import Recording, rows_by
from stcnn.data.summary import sampled
from stcnn.metrics import half_of_mean
from stcnn.viz.theme import LIGHT, Margins, panels, themed

MOST_TYPES = 20
LOOKED_AT = 40
"""Neurons of a cell type whose reliability is looked at, evenly spread over their order."""
MOST_RECORDINGS = 400
"""Recordings of a neuron that are read."""
SHOWN_NEURONS = 6
SHOWN_STIMULI = 6
MOST_LETTERS = 24


@dataclass(frozen=True)
class Response:
    """The response to one stimulus.

    Args:
        stimulus: its name.
        time_s: of each sample, zero at stimulus onset, ``(T,)``.
        curves: mean of each neuron over its trials, dF/F, ``(N, T)``; of a single neuron its trials.
        end_s: when the movie ends.
    """

    stimulus: str
    time_s: NDArray[np.float64]
    curves: NDArray[np.float64]
    end_s: float

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of the curves, ``(T,)``."""
        return self.curves.mean(0)

    @property
    def half_width(self) -> NDArray[np.float64]:
        """Half of the 95 % interval of the mean by Student's t, ``(T,)``; zero for a single curve."""
        return half_of_mean(self.curves)


@dataclass(frozen=True)
class TypeResponses:
    """Responses of the most reliable neurons of a cell type.

    Args:
        cell_type: its name.
        neurons: those shown.
        n_looked_at: of how many they are the most reliable.
        n_neurons: how many there are.
        reliability: mean correlation between repeats of those shown; NaN without repeats.
        trials: fewest and most trials behind a mean.
        responses: to the stimuli that drive them most.
    """

    cell_type: str
    neurons: tuple[str, ...]
    n_looked_at: int
    n_neurons: int
    reliability: float
    trials: tuple[int, int]
    responses: tuple[Response, ...]

    def caption(self) -> str:
        """Caption of the figure, in words."""
        n = len(self.neurons)
        trials = " to ".join(dict.fromkeys(map(str, self.trials)))
        whole = f" of {self.n_neurons}" if self.n_looked_at == self.n_neurons else f" of {self.n_looked_at} looked at"
        how = (
            f"the most reliable{whole} (their repeats correlate by {self.reliability:.2f})"
            if np.isfinite(self.reliability)
            else f"those that respond most{whole}, since nothing was repeated"
        )
        over = f"over the {n} neurons" if n > 1 else "over the trials"
        curves = "each neuron (mean of its trials)" if n > 1 else "each trial"
        return (
            f"{self.cell_type}, dF/F: n = {n} neuron{'s' if n > 1 else ''}, {how}; {trials} trial"
            f"{'' if trials == '1' else 's'} each. Thin: {curves}; bold: the mean with its 95 % interval {over}. "
            f"Neurons: {', '.join(self.neurons)}."
        )


def mean_responses(data: Dataset, progress: Callable[[str, int, int], None]) -> list[TypeResponses]:
    """Find the most reliable neurons of each cell type and what they answer; of many neurons only a part is read.

    Args:
        data: single trials or averages.
        progress: told what is done, how far, and of how much.
    """
    found = []
    for cell_type in sampled(data.cell_types, MOST_TYPES):
        rows = np.flatnonzero((data.table.cell_type == cell_type).to_numpy())
        own = rows_by(data.table.iloc[rows], "neuron")
        chosen = sampled(own.items(), LOOKED_AT)
        scored = []
        for done, ((neuron,), places) in enumerate(chosen, 1):
            recordings = [data.recordings[int(rows[i])] for i in places[:MOST_RECORDINGS]]
            means = list(repeats(recordings))
            if means:
                scored.append((_score(recordings, means), neuron, means))
            progress(f"responses of {cell_type}", done, len(chosen))
        if scored:
            scored.sort(key=lambda each: each[0], reverse=True)
            found.append(_shown(data, cell_type, scored[:SHOWN_NEURONS], (len(chosen), len(own))))
    return found


Means = list[tuple[Recording, NDArray[np.float64]]]
"""For each stimulus its first recording, and all repeats on its clock, ``(trials, T)``."""
Score = tuple[float, float]
"""Reliability (minus infinity without repeats) and the greatest deviation from the middle."""


def _score(recordings: list[Recording], means: Means) -> Score:
    reliability = repeat_reliability(recordings)
    return (reliability if np.isfinite(reliability) else -np.inf, max(_strength(traces) for _, traces in means))


def _strength(traces: NDArray[np.float64]) -> float:
    mean = traces.mean(0)
    return float(np.abs(mean - np.median(mean)).max())


def _shown(
    data: Dataset, cell_type: str, scored: list[tuple[Score, str, Means]], numbers: tuple[int, int]
) -> TypeResponses:
    by_stimulus: dict[str, list[tuple[Recording, NDArray[np.float64]]]] = {}
    for _, _, means in scored:
        for first, traces in means:
            by_stimulus.setdefault(first.stimulus, []).append((first, traces))
    alone = len(scored) == 1
    responses = []
    for stimulus, shown in by_stimulus.items():
        time_s = shown[0][0].time_s
        curves = shown[0][1] if alone else np.stack([np.interp(time_s, r.time_s, t.mean(0)) for r, t in shown])
        responses.append((stimulus, time_s, curves))
    strongest = sorted(responses, key=lambda each: -_strength(each[2]))[:SHOWN_STIMULI]
    counts = [len(traces) for _, _, means in scored for _, traces in means]
    reliability = [score[0] for score, _, _ in scored if np.isfinite(score[0])]
    return TypeResponses(
        cell_type=cell_type,
        neurons=tuple(neuron for _, neuron, _ in scored),
        n_looked_at=numbers[0],
        n_neurons=numbers[1],
        reliability=float(np.mean(reliability)) if reliability else float("nan"),
        trials=(min(counts), max(counts)),
        responses=tuple(
            Response(stimulus, time_s, curves, _end_s(data, stimulus)) for stimulus, time_s, curves in strongest
        ),
    )


def _end_s(data: Dataset, stimulus: str) -> float:
    movie = data.movies[stimulus]
    return movie.duration_s - movie.onset_s


def draw(shown: TypeResponses) -> Figure:
    """Draw the responses of a cell type side by side on one scale, with the time of the stimulus."""
    with themed():
        margins = Margins(left=0.75, across=0.3, top=0.35, bottom=0.55)
        figure, grid = panels(1, len(shown.responses), (1.75, 1.35), margins, sharey="row")
        for axes, response in zip(grid[0], shown.responses, strict=True):
            _draw_response(axes, response)
        grid[0, 0].set_ylabel("dF/F")
        bottom, top = grid[0, 0].get_ylim()
        grid[0, 0].set_ylim(bottom - 0.08 * (top - bottom), top)
    return figure


def _draw_response(axes: Axes, response: Response) -> None:
    mean = response.mean
    half = response.half_width
    axes.plot(response.time_s, response.curves.T, color=LIGHT.ink, alpha=0.35, lw=0.6)
    axes.fill_between(response.time_s, mean - half, mean + half, color="#0072B2", alpha=0.25, lw=0)
    axes.plot(response.time_s, mean, color="#0072B2", lw=1.8)
    axes.axvline(0, color=LIGHT.ink, lw=0.9, ls=":")
    shown = (max(0.0, float(response.time_s[0])), min(response.end_s, float(response.time_s[-1])))
    axes.plot(shown, (0.02, 0.02), transform=axes.get_xaxis_transform(), color="#D55E00", lw=3, solid_capstyle="butt")
    axes.set_title(shortened(response.stimulus), fontsize=8, parse_math=False)
    axes.set_xlabel("time (s)")


def shortened(name: str) -> str:
    """A name that fits above a panel."""
    return name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 1]}…"


def captions(found: list[TypeResponses]) -> Mapping[str, str]:
    """Place on the page to the caption of the figure there."""
    return {f"responses-{number}": shown.caption() for number, shown in enumerate(found)}
