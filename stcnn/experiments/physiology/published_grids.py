"""The stimuli of Klapoetke et al. 2022 as they were shown: 49 sizes, looming, and the receptive-field map of LC4."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from stcnn.experiments.physiology.bench import Bench, peak_dff
from stcnn.experiments.physiology.curves import PEAK, Axis, Map, Result, TraceGrid
from stcnn.experiments.physiology.limits import too_fast
from stcnn.stimuli import load_protocol

LOOMS = {
    "321": "disc, 25°/s",
    "322": "disc, 100°/s",
    "325": "ring, 100°/s",
    "327": "receding, 100°/s",
    "329": "disc, r/v 40 ms",
}


def published_grids(bench: Bench) -> Result:
    """Responses to the published stimuli, with traces.

    Dark rectangles of seven heights by seven widths that cross the field rightward at 100 degrees per second; a dark
    disc that looms slowly and fast, as a ring, that recedes, and that approaches with r/v of 40 ms; square gratings
    that drift upward at 200 degrees per second in apertures of 15 degrees on a grid (Klapoetke et al. 2022,
    doi 10.1016/j.neuron.2022.02.013). Rectangles of 90 degrees reach beyond a screen of 83 and are shown as far as it
    goes, as they were to the published model.
    """
    sizes, traces, left_out = _grid(bench, "klapoetke2022_size", "height_deg", "width_deg")
    places, _, missing = _grid(bench, "klapoetke2022_receptive_field", "elevation_deg", "azimuth_deg")
    looms = load_protocol("klapoetke2022_looming").parameters
    shown = {title: looms[name] for name, title in LOOMS.items()}
    row = TraceGrid(
        "Looming", [""], list(shown), [[bench.answer(stimulus) for stimulus in shown.values()]], [list(shown.values())]
    )
    return Result("published", maps=[sizes, places], traces=[traces, row], left_out=left_out + missing)


def _grid(bench: Bench, name: str, up: str, across: str) -> tuple[Map, TraceGrid, list[str]]:
    """Show a protocol of two varied parameters; peaks as a map, answers as a grid with the largest at the bottom."""
    protocol = load_protocol(name)
    axes = protocol.axes.astype(float)
    ups, acrosses = (np.unique(axes[key]) for key in (up, across))
    values = np.full((*bench.shape, len(ups), len(acrosses)), np.nan)
    stimuli: list[list[Mapping[str, Any] | None]] = [[None] * len(acrosses) for _ in ups]
    reasons: dict[str, int] = {}
    for stimulus, row in axes.iterrows():
        parameters = protocol.parameters[str(stimulus)]
        reason = too_fast(bench.screen, parameters)
        if reason is not None:
            reasons[reason] = reasons.get(reason, 0) + 1
            continue
        (y, x) = (int(np.searchsorted(values_of, row[key])) for values_of, key in ((ups, up), (acrosses, across)))
        stimuli[y][x] = parameters
        values[:, :, y, x] = peak_dff(bench.answer(parameters))
    up_axis = Axis(up, up.removesuffix("_deg"), "°", ups)
    across_axis = Axis(across, across.removesuffix("_deg"), "°", acrosses)
    title = "49 sizes" if up == "height_deg" else "Map of gratings in apertures"
    answers = [[None if each is None else bench.answer(each) for each in line] for line in stimuli]
    labels = [f"{y:g}°" for y in ups], [f"{x:g}°" for x in acrosses]
    traces = TraceGrid(title, *labels, answers, stimuli)
    left_out = [f"{n} stimuli of {name}: {reason}." for reason, n in reasons.items()]
    return Map(title, across_axis, up_axis, values, PEAK, stimuli), traces, left_out
