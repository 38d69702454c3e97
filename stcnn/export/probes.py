"""Twenty short stimuli with which every form of a model is held against our own answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stcnn.nn.model import STCNN
from stcnn.stimuli import Screen, render

PROBE_S = 0.4
"""Length of a probe."""

Answer = Callable[[NDArray[np.float32]], tuple[NDArray[Any], NDArray[Any]]]
"""Voltage ``(T, N)`` and calcium ``(T, M)`` to luminance ``(T, Y, X)``."""


def probes(movie_px: tuple[int, int], deg_per_px: float, rate_hz: float) -> Iterator[NDArray[np.float32]]:
    """Yield the luminance ``(T, Y, X)`` of twenty stimuli; angles and positions follow the size of the frame."""
    screen = Screen(shape_px=movie_px, deg_per_px=deg_per_px, rate_hz=rate_hz)
    size_deg = min(screen.height_deg, screen.width_deg)
    n_frames = max(2, round(PROBE_S * rate_hz))
    for stimulus in _stimuli(size_deg):
        frames = render(screen, stimulus).luminance()[:n_frames]
        grey = np.full((n_frames - len(frames), *movie_px), screen.background, np.float32)
        yield np.concatenate([frames, grey])


def _stimuli(size_deg: float) -> list[dict[str, Any]]:
    fast_deg_s = size_deg / PROBE_S
    bars = [
        {"kind": "moving_bar", "width_deg": size_deg / 8, "speed_deg_s": 2 * fast_deg_s, "direction_deg": angle}
        for angle in (0, 50, 90, 135, 180, 270)
    ]
    discs = [
        {"kind": "looming_disc", "end_deg": min(size_deg, 170), "edge_speed_deg_s": speed, "luminance": light}
        for speed, light in ((fast_deg_s, 0.0), (fast_deg_s / 2, 0.0), (fast_deg_s, 1.0))
    ]
    waves = [
        {"kind": "drifting_grating", "period_deg": size_deg / n, "frequency_hz": 5, "waveform": waveform}
        for n, waveform in ((2, "sine"), (4, "square"), (6, "sine"))
    ]
    noise = [
        {"kind": "white_noise", "check_deg": size_deg / 12, "update_hz": 30, "duration_s": PROBE_S, "seed": seed}
        for seed in (0, 1, 2)
    ]
    flashes = [{"kind": "flash", "luminance": light, "duration_s": PROBE_S / 2} for light in (0.0, 1.0)]
    spots = [
        {"kind": "moving_spot", "size_deg": size_deg / n, "speed_deg_s": fast_deg_s, "luminance": light}
        for n, light in ((6, 0.0), (3, 1.0))
    ]
    flicker = [{"kind": "flicker", "frequency_hz": 10, "duration_s": PROBE_S}]
    return [*bars, *discs, *waves, *noise, *flashes, *spots, *flicker]


class Difference(NamedTuple):
    """How far one answer is from another."""

    voltage: float
    """Largest difference over the largest answer."""
    calcium: float
    """The same of dF/F, counted from the offset of each neuron's first frame."""

    @property
    def largest(self) -> float:
        """The larger of both."""
        return max(self)


def difference(asked: Answer, right: Answer, clips: Sequence[NDArray[np.float32]]) -> Difference:
    """Return the largest difference between two answers to clips, each over the largest answer of its kind."""
    found = [asked(clip) for clip in clips]
    expected = [right(clip) for clip in clips]
    worst = []
    for kind in (0, 1):
        away = max(float(np.abs(a[kind] - b[kind]).max()) for a, b in zip(found, expected, strict=True))
        worst.append(away / max(float(np.abs(b[kind]).max()) for b in expected))
    return Difference(*worst)


def our_answer(models: Sequence[STCNN], rate_hz: float, *, single_neurons: bool = False) -> Answer:
    """Return what our models answer, of several the mean: of single neurons calcium comes from streams."""

    def answer(clip: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
        each = [_answered(model, clip, rate_hz, single_neurons) for model in models]
        return np.mean([voltage for voltage, _ in each], 0), np.mean([calcium for _, calcium in each], 0)

    return answer


def _answered(
    model: STCNN, clip: NDArray[np.float32], rate_hz: float, single_neurons: bool
) -> tuple[NDArray[Any], NDArray[Any]]:
    if not single_neurons:
        response = model.respond(clip, rate_hz)
        return np.stack(list(response.voltage.values()), 1), np.stack(list(response.calcium.values()), 1)
    stream = model.for_picture((clip.shape[1], clip.shape[2])).stream(
        rate_hz=rate_hz, neurons=dict(model.population.neurons)
    )
    samples = [stream.step(frame) for frame in clip]
    voltage = np.array([[sample.voltage for sample in frame.values()] for frame in samples])
    return voltage, np.array([np.concatenate([sample.calcium for sample in frame.values()]) for frame in samples])
