"""Receptive fields by responses: the stimulus that a cell type answers most, displaced, and how late it is answered.

Axes: M member, N cell type, T frame, V displacement.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from stcnn.experiments.physiology.bench import Bench, Stimulus
from stcnn.experiments.physiology.curves import Axis, Curve, Number, Result
from stcnn.experiments.physiology.latency import half_rise_s
from stcnn.experiments.physiology.limits import why_not
from stcnn.experiments.physiology.objects import rectangle
from stcnn.experiments.physiology.subject import Answer, Values
from stcnn.experiments.physiology.tuning_numbers import full_width, optimum
from stcnn.stimuli import Screen

EXTENTS = {"azimuth_deg": "width", "elevation_deg": "height"}
"""Argument by which a stimulus is displaced, right and up positive, to the extent that is found so."""
STEP_DEG = 5.0
LEAST_STEPS = 8
"""Steps from the middle of the screen to its border: they are finer on a small screen."""


def _moving(width_deg: float, height_deg: float) -> Mapping[str, Stimulus]:
    """Return a dark rectangle that crosses the screen at right angles to its displacement."""
    upward = rectangle(width_deg, height_deg, direction_deg=90.0)
    return {"azimuth_deg": upward, "elevation_deg": rectangle(width_deg, height_deg)}


def _in_place(stimulus: Stimulus) -> Mapping[str, Stimulus]:
    return dict.fromkeys(EXTENTS, stimulus)


PANEL: Mapping[str, Mapping[str, Stimulus]] = {
    "small square": _moving(4.5, 4.5),
    "large square": _moving(15.0, 15.0),
    "long bar": _moving(4.5, 45.0),
    "expanding disc": _in_place(
        {
            **{"kind": "looming_disc", "start_deg": 0.0, "end_deg": 60.0, "edge_speed_deg_s": 100.0, "luminance": 0.0},
            "timing": {"hold_last_s": 0.3},
        }
    ),
    "flashed disc": _in_place({"kind": "flash", "patch_deg": 15.0, "luminance": 0.0, "duration_s": 0.1}),
}
"""Name of each stimulus to what is displaced along azimuth and along elevation. Sizes, speed and growth are published
ones (Klapoetke et al. 2022, doi 10.1016/j.neuron.2022.02.013): the best square of LC11 and the bar of LC15, a square
that larger types answer, and the fast loom."""


class MappedField(NamedTuple):
    """Responses to displaced stimuli.

    Args:
        chosen: name in :data:`PANEL` of the stimulus each cell type was mapped with; None where it answers none.
        axes: displacements along azimuth and elevation in degrees.
        profiles: peak of dF/F above grey, ``(M, N, V)`` along each axis; NaN where nothing is answered.
        latency_s: of the activity, ``(M, N)``.
        dff_latency_s: of dF/F, ``(M, N)``.
    """

    chosen: Sequence[str | None]
    axes: Sequence[Axis]
    profiles: Sequence[Values]
    latency_s: Values
    dff_latency_s: Values

    @property
    def sizes_deg(self) -> tuple[Values, Values]:
        """Width and height of the field, full at half of the largest response, ``(M, N)`` each."""
        width, height = (full_width(axis.values, y) for axis, y in zip(self.axes, self.profiles, strict=True))
        return width, height

    @property
    def numbers(self) -> list[Number]:
        """Sizes and latencies."""
        width, height = self.sizes_deg
        return [
            Number("response_field_width_deg", "width of the field", "°", width),
            Number("response_field_height_deg", "height of the field", "°", height),
            Number("response_field_latency_s", "latency of the activity", "s", self.latency_s),
            Number("response_field_dff_latency_s", "latency of dF/F", "s", self.dff_latency_s),
        ]


def response_field(bench: Bench) -> Result:
    """Receptive field and latency by responses to the stimulus that a cell type answers most.

    A nonlinear neuron is mapped with what it answers, as in an experiment. Of a panel of dark stimuli each cell type is
    shown the one with the largest peak of dF/F, of an ensemble by the mean of its members: a square of 4.5 or of 15
    degrees or a bar of 4.5 × 45 degrees that cross the screen broadside at 100 degrees per second, rightward and
    upward (the mean of both counts); a disc that expands from 0 to 60 degrees, its edge at 100 degrees per second, and
    stands for 0.3 s; a disc of 15 degrees that flashes for 0.1 s.

    It is shown at places 5 degrees apart along azimuth and along elevation through the middle, up to the border of the
    screen; what moves is displaced at right angles to its way, so upward motion gives the width and rightward
    motion the height. They are the distances between the places to either side of the largest response at which the
    response falls to half of it, on a cubic spline through the places. They hold the extent of the stimulus as well:
    they compare neurons that were mapped with the same one.

    The latency of what grows or flashes in the middle is the time from its onset until the response first reaches half
    of its peak above grey. Of what moves it is the time by which the peak of the response (the vertex of a parabola
    through three frames) lags behind the moment at which the stimulus is in the middle, the mean of both motions:
    negative where the response passes before. Both are given of the activity, which lacks the delay of the indicator,
    and of dF/F.
    """
    chosen, left_out = strongest(bench)
    field = mapped(bench, chosen)
    curves = [
        Curve(axis.title, Axis("displacement_deg", "displacement", "°", axis.values), profile)
        for axis, profile in zip(field.axes, field.profiles, strict=True)
    ]
    notes = [f"{name}: {stimulus}." for name, stimulus in zip(bench.cell_types, chosen, strict=True) if stimulus]
    left_out += undefined(field, bench.cell_types)
    return Result("response_field", curves, numbers=field.numbers, left_out=left_out, notes=notes)


def strongest(bench: Bench, n_choosing: int | None = None) -> tuple[list[str | None], list[str]]:
    """Return which of the panel each cell type answers most by the mean of members, and what could not be shown.

    A cell type that answers nothing (:meth:`Bench.where_it_responds`) in most members has no such stimulus.

    Args:
        bench: the subject in front of its screen.
        n_choosing: how many members, from the first on, choose for all; None is all of them.
    """
    names, left_out = [], []
    for name, either in PANEL.items():
        reason = next(filter(None, (why_not(bench.screen, stimulus) for stimulus in either.values())), None)
        if reason is None:
            names.append(name)
        else:
            left_out.append(f"{name[:1].upper()}{name[1:]}: {reason}.")
    if not names:
        return [None] * len(bench.cell_types), left_out
    peaks = np.stack([bench.read(list(PANEL[name].values())).mean(-1) for name in names], -1)
    answered = np.isfinite(bench.where_it_responds(np.ones(bench.shape), peaks))
    responds = answered[:n_choosing].mean(0) > 0.5
    best = peaks[:n_choosing].mean(0).argmax(-1)
    return [names[place] if some else None for place, some in zip(best, responds, strict=True)], left_out


def mapped(bench: Bench, chosen: Sequence[str | None]) -> MappedField:
    """Map the field of each cell type with one stimulus of the panel.

    Args:
        bench: the subject in front of its screen.
        chosen: name in :data:`PANEL` for each cell type, as :func:`strongest` returns them.
    """
    axes = displacements(bench.screen)
    profiles = [np.full((*bench.shape, len(axis.values)), np.nan) for axis in axes]
    latencies = np.full((2, *bench.shape), np.nan)
    for name in dict.fromkeys(each for each in chosen if each is not None):
        mine = np.array([each == name for each in chosen])
        along = [_displaced(bench, name, axis) for axis in axes]
        answered = bench.where_it_responds(np.ones(bench.shape), np.concatenate(along, -1))
        for profile, own in zip(profiles, along, strict=True):
            profile[:, mine] = (own * answered[..., None])[:, mine]
        latencies[..., mine] = (_latencies_s(bench, name) * answered)[..., mine]
    return MappedField(chosen, axes, profiles, *latencies)


def _displaced(bench: Bench, name: str, axis: Axis) -> Values:
    """Return responses to a stimulus of the panel at the places along an axis, ``(M, N, V)``."""
    stimulus = PANEL[name][axis.name]
    return bench.read([{**stimulus, axis.name: place} if place else stimulus for place in axis.values.tolist()])


def displacements(screen: Screen) -> tuple[Axis, Axis]:
    """Return the places of a stimulus along azimuth and along elevation, in degrees from the middle of the screen."""
    axes = []
    for name, extent_deg in zip(EXTENTS, (screen.width_deg, screen.height_deg), strict=True):
        step_deg = min(STEP_DEG, extent_deg / 2 / LEAST_STEPS)
        n_steps = math.ceil(extent_deg / 2 / step_deg - 1e-9) - 1  # on the border half of the stimulus is cut off
        axes.append(Axis(name, name.removesuffix("_deg"), "°", step_deg * np.arange(-n_steps, n_steps + 1.0)))
    return axes[0], axes[1]


def _latencies_s(bench: Bench, name: str) -> Values:
    """Return latencies of activity and dF/F to a stimulus of the panel in the middle, ``(2, M, N)``."""
    found = []
    for stimulus in PANEL[name].values():
        answer = bench.answer(stimulus)
        traces = answer.activity, answer.dff
        if "speed_deg_s" in stimulus:
            way_deg = bench.screen.extent_deg(stimulus.get("direction_deg", 0.0)) + stimulus["width_deg"]
            found.append([_peak_s(answer, each) - way_deg / 2 / stimulus["speed_deg_s"] for each in traces])
        else:
            found.append([half_rise_s(answer, each) for each in traces])
    return np.asarray(np.mean(found, 0))


def _peak_s(answer: Answer, traces: Values) -> Values:
    """Return when traces ``(M, N, T)`` peak, in the time of frames, at whose beginning positions are drawn; or NaN."""
    later = answer.time_s >= 0
    return optimum(answer.time_s[later], traces[..., later] - traces[..., :1])


def undefined(field: MappedField, cell_types: Sequence[str]) -> list[str]:
    """Return a sentence for each size that is not defined: why it is not."""
    silent = [name for name, stimulus in zip(cell_types, field.chosen, strict=True) if stimulus is None]
    sentences = [f"{', '.join(silent)}: no stimulus of the panel is answered."] if silent else []
    for extent, axis, size in zip(EXTENTS.values(), field.axes, field.sizes_deg, strict=True):
        for name, stimulus, values in zip(cell_types, field.chosen, size.T, strict=True):
            n = int(np.isnan(values).sum())
            if stimulus is not None and n:
                members = f" in {n} of {len(values)} members" if len(values) > 1 else ""
                sentences.append(
                    f"{extent[:1].upper()}{extent[1:]} of the field of {name}{members}: nothing is answered, or more "
                    f"than half as much as the most {axis.values[-1]:g}° away."
                )
    return sentences
