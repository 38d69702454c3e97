"""The page of in-silico physiology: a section per question, with its figures, its numbers and what was left out."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from stcnn.errors import FileError
from stcnn.experiments.physiology.analyses import ANALYSES
from stcnn.experiments.physiology.curves import PEAK, Number, Result
from stcnn.experiments.physiology.recorded import Recorded
from stcnn.experiments.physiology.table import physiology_table
from stcnn.experiments.physiology.tuning_numbers import correlation_along
from stcnn.report.filled import filled, placed
from stcnn.report.physiology_figures import figures
from stcnn.report.svg import Picture, standalone
from stcnn.writing import atomic_write

PAGE = "physiology.html"
TABLE = "physiology.csv"
FIGURES = "figures"
AT_A_GLANCE = {
    "preferred_side_deg": "preferred side (°)",
    "height_suppression": "suppression by height",
    "preferred_speed_deg_s": "preferred speed (°/s)",
    "square_dsi": "DSI, square",
    "size_threshold_deg": "loom threshold (°)",
    "on_off_index": "ON–OFF index",
    "dark_field_diameter_deg": "dark field (°)",
    "latency_s": "latency (s)",
    "square_adaptation": "adaptation",
}
"""Numbers in the table at the top, with their headings."""
LEAST_RECORDED = 4
"""Recorded stimuli from which on predicted and measured peaks are correlated."""
AT_EDGE = 1e-6
"""Relative distance within which a preferred value is the last that was shown."""


@dataclass(frozen=True)
class Examined:
    """A subject and all that was found.

    Args:
        name: of the run.
        cell_types: in the order of the results.
        results: of the analyses.
        n_members: of an ensemble, 1 for a single model.
        screen: what it was shown on, in words.
        recorded: recordings without the test set; None where they are not at hand.
    """

    name: str
    cell_types: Sequence[str]
    results: Sequence[Result]
    n_members: int
    screen: str
    recorded: Recorded | None = None


@dataclass(frozen=True)
class Section:
    """A question on the page.

    Args:
        key: name of the analysis.
        title: heading.
        caption: beneath its figures.
        definition: how it was measured, and whose definition that is.
        pictures: names of its figures.
        numbers: rows of its table.
        left_out: what was not shown, and why.
        notes: what was chosen for each cell type.
        n_recorded: stimuli among those shown that were recorded.
        n_shown: stimuli shown.
    """

    key: str
    title: str
    caption: str
    definition: Sequence[str]
    pictures: Sequence[str]
    numbers: Sequence[Mapping[str, str]]
    left_out: Sequence[str]
    notes: Sequence[str]
    n_recorded: int
    n_shown: int


def require_place(folder: Path) -> None:
    """Refuse a folder in which other things lie than an earlier physiology.

    Raises:
        FileError: something of that name is there that is no folder, or a folder with other files.
    """
    if folder.exists() and not folder.is_dir():
        raise FileError(f"{folder} exists already and is a file", remedy="choose another name with --to")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / PAGE).is_file():
        found = f"{folder} exists already and holds other files than an earlier physiology"
        raise FileError(found, remedy="choose another name with --to")


def write_physiology(examined: Examined, folder: Path) -> Path:
    """Write page, table and figures into a folder, in place of earlier ones; return the page's path.

    Raises:
        FileError: the folder holds something else, or cannot be written.
    """
    require_place(folder)
    text, pictures = page(examined)
    for name, picture in pictures.items():
        with atomic_write(folder / FIGURES / f"{name}.svg") as draft:
            draft.write_text(standalone(picture), encoding="utf-8")
    with atomic_write(folder / TABLE) as draft:
        physiology_table(examined.results, examined.cell_types, examined.recorded).to_csv(draft, index=False)
    with atomic_write(folder / PAGE) as draft:
        draft.write_text(text, encoding="utf-8", errors="backslashreplace")
    return folder / PAGE


def page(examined: Examined) -> tuple[str, dict[str, Picture]]:
    """Return the page as HTML that needs nothing else, and its figures by name."""
    pictures = {
        picture.name: picture
        for result in examined.results
        for picture in figures(result, examined.cell_types, examined.recorded)
    }
    sections = [_section(result, examined, pictures) for result in examined.results]
    text = filled(
        "physiology.html",
        name=examined.name,
        cell_types=examined.cell_types,
        n_members=examined.n_members,
        screen=examined.screen,
        at_hand=examined.recorded is not None,
        glance=_at_a_glance(examined),
        sections=sections,
        pictures=placed(pictures),
    )
    return text, pictures


def _section(result: Result, examined: Examined, pictures: Mapping[str, Picture]) -> Section:
    about = ANALYSES[result.analysis]
    shown = [stimulus for stimulus in _stimuli(result)]
    recorded = examined.recorded
    known = [stimulus for stimulus in shown if recorded is not None and recorded.stimulus(stimulus) is not None]
    return Section(
        key=result.analysis,
        title=about.title,
        caption=about.caption,
        definition=_paragraphs(about.measure),
        pictures=[name for name in pictures if name.split("-")[0] == result.analysis],
        numbers=[_row(number, examined.cell_types) for number in [*result.numbers, *agreement(result, examined)]],
        left_out=result.left_out,
        notes=result.notes,
        n_recorded=len(known),
        n_shown=len(shown),
    )


def agreement(result: Result, examined: Examined) -> list[Number]:
    """Correlate predicted with measured peaks over the stimuli of an analysis, beside the ceiling.

    The ceiling is the root of the share of the variance of the measured means over stimuli that is no sampling error of
    neurons, the correlation of a perfect prediction (Spearman 1904, doi 10.2307/1412159). None with fewer than
    :data:`LEAST_RECORDED` recorded stimuli.
    """
    if examined.recorded is None:
        return []
    table = physiology_table([result], examined.cell_types, examined.recorded)
    known = table[table.measured.notna()].drop_duplicates(["cell_type", "series", "x", "x_value", "y_value"])
    rows = {name: known[known.cell_type == name] for name in examined.cell_types}
    if max(map(len, rows.values())) < LEAST_RECORDED:
        return []
    found = np.full((2, 1, len(rows)), np.nan)
    for i, mine in enumerate(rows.values()):
        if len(mine) >= LEAST_RECORDED:
            found[0, 0, i] = correlation_along(*(mine[side].to_numpy(float) for side in ("value", "measured")))
            found[1, 0, i] = _ceiling(mine)
    names = ("recorded_r", "r with recordings"), ("recorded_ceiling", "its ceiling")
    return [Number(name, title, "", values) for (name, title), values in zip(names, found, strict=True)]


def _ceiling(known: pd.DataFrame) -> float:
    n = known.n_neurons.to_numpy(float)
    half = (known.measured_high - known.measured_low).to_numpy(float) / 2
    several = n > 1
    error = (half[several] / stdtrit(n[several] - 1, 0.975)) ** 2
    variance = known.measured.astype(float).var(ddof=1)
    return float(np.sqrt(max(0.0, 1 - error.mean() / variance))) if several.any() and variance > 0 else float("nan")


def _stimuli(result: Result) -> Iterator[Mapping[str, Any]]:
    for curve in result.curves:
        if curve.response == PEAK:
            yield from curve.stimuli
    for found in result.maps:
        yield from (stimulus for row in found.stimuli for stimulus in row if stimulus is not None)


def _paragraphs(measure: object) -> list[str]:
    text = inspect.getdoc(measure) or ""
    return [" ".join(part.split()).replace("`", "") for part in text.split("\n\n")]


def _row(number: Number, cell_types: Sequence[str]) -> dict[str, str]:
    unit = f" ({number.unit})" if number.unit else ""
    return {"number": f"{number.title}{unit}", **dict(zip(cell_types, written(number), strict=True))}


def written(number: Number) -> list[str]:
    """Return a number of each cell type as text: a dash where it is undefined, ≤ or ≥ at the ends of what was shown."""
    found = []
    for mean, half in zip(number.mean.tolist(), number.half_width.tolist(), strict=True):
        if not np.isfinite(mean):
            found.append("–")
            continue
        text = (f"{mean:.3g}" if number.unit else f"{mean:.2f}").replace("-", "−")
        if number.ends is not None and len(number.values) == 1:
            low, high = number.ends
            text = f"≤ {text}" if mean <= low * (1 + AT_EDGE) else f"≥ {text}" if mean >= high * (1 - AT_EDGE) else text
        found.append(text if not np.isfinite(half) else f"{text} ± {half:.2g}")
    return found


def _at_a_glance(examined: Examined) -> list[dict[str, str]]:
    numbers = {number.name: number for result in examined.results for number in result.numbers}
    columns = {title: written(numbers[name]) for name, title in AT_A_GLANCE.items() if name in numbers}
    return [
        {"cell type": name, **{title: values[i] for title, values in columns.items()}}
        for i, name in enumerate(examined.cell_types)
    ]
