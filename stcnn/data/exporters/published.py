"""Writes recordings in the published folder layout, which :mod:`stcnn.data.published` reads."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stcnn.data.clocks import sampled_at_frames
from stcnn.data.dataset import Dataset
from stcnn.data.recordings import EVEN_WITHIN, rows_by
from stcnn.errors import DataError, FileError
from stcnn.writing import atomic_folder


def export_published(
    data: Dataset,
    folder: str | Path,
    *,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Path:
    """Write ``ca/TYPE/ANIMAL.pt`` and ``mov/NAME.pt``; reading them gives the same recordings.

    Args:
        data: single trials, sampled at the movie frames.
        folder: folder to make.
        progress: told what is done, how far, and of how much.

    Raises:
        FileError: the folder exists already, or cannot be written.
        DataError: the recordings are sampled on another clock than the movies, which the layout cannot hold.
    """
    folder = Path(folder)
    if folder.exists():
        raise FileError(f"{folder} exists already", remedy="choose another name")
    if not sampled_at_frames(data.table).all():
        raise DataError(
            "recordings are sampled on another clock than their movies",
            expected="samples at the movie frames, the only ones that the published layout can hold",
            remedy="export to NWB",
        )
    _require_room_in_the_layout(data)
    with atomic_folder(folder) as draft:
        _write(data, draft, progress)
    return folder


def _require_room_in_the_layout(data: Dataset) -> None:
    """Refuse what the layout would lose or merge: it has no sessions, and one time axis and shift for all trials.

    Raises:
        DataError: there is such a thing; the message names it.
    """
    for column in ("cell_type", "animal"):
        for name in map(str, data.table[column].unique()):
            if "/" in name or "\0" in name or name.startswith("."):
                raise DataError(
                    f"the {column.replace('_', ' ')} '{name}' cannot be the name of a file or folder", remedy=_REMEDY
                )
    if {"", "animal"} <= set(data.table.animal):
        raise DataError("an animal without a name and one called 'animal' would be one file", remedy="name both")
    alike = {
        "sessions": ("session", ["cell_type", "animal", "neuron", "stimulus"]),
        "shifts in azimuth": ("azi_shift_px", ["cell_type", "animal", "neuron", "stimulus"]),
        "shifts in elevation": ("ele_shift_px", ["cell_type", "animal", "neuron", "stimulus"]),
        "numbers of samples": ("n_samples", ["cell_type", "animal", "stimulus"]),
        "times of the first sample": ("start_s", ["cell_type", "animal", "stimulus"]),
    }
    for what, (column, within) in alike.items():
        found = data.table.groupby(within, sort=False)[column].agg(["min", "max"]) if column != "session" else None
        if found is None:
            several = data.table.groupby(within, sort=False)[column].nunique() > 1
        else:
            several = (found["max"] - found["min"]) * data.table.rate_hz.max() > EVEN_WITHIN
        if several.any():
            first = several.index[int(several.to_numpy().argmax())]
            where = ", ".join(f"{key} '{value}'" for key, value in zip(within, first, strict=True))
            raise DataError(
                f"there are several {what} for {where.replace('_', ' ')}",
                expected="one, as the published layout holds no more",
                remedy=_REMEDY,
            )


_REMEDY = "export to NWB, which holds all"


def _write(data: Dataset, folder: Path, progress: Callable[[str, int, int], None]) -> None:
    files = rows_by(data.table, "cell_type", "animal")
    for done, ((cell_type, animal), rows) in enumerate(files.items(), 1):
        path = folder / "ca" / cell_type.upper() / f"{animal or 'animal'}.pt"
        path.parent.mkdir(parents=True, exist_ok=True)
        _save(_stimuli(data, rows), path)
        progress("files", done, len(files))
    (folder / "mov").mkdir()
    taken: set[str] = set()
    for done, name in enumerate(data.movies, 1):
        movie = data.movies[name]
        entry = {"rect_mov": torch.from_numpy(movie.luminance()), "t_axis": torch.from_numpy(movie.time_s)}
        stem = _stem(name, taken)
        _save({name: entry}, folder / "mov" / f"{stem}.pt")
        progress("movies", done, len(data.movies))


def _stem(name: str, taken: set[str]) -> str:
    """Name of a movie's file; the movie's own name stands in it."""
    allowed = re.sub(r"[/\x00]", "-", name).encode()[:120].decode(errors="ignore")
    first = allowed if allowed.startswith("vstim_") else f"vstim_{allowed}"
    number = 2
    stem = first
    while stem.casefold() in taken:
        stem = f"{first}_{number}"
        number = number + 1
    taken.add(stem.casefold())
    return stem


def _save(content: dict[str, Any], path: Path) -> None:
    with path.open("wb") as stream:  # torch does not say why it cannot write to a path
        torch.save(content, stream)


def _stimuli(data: Dataset, rows: list[int]) -> dict[str, Any]:
    """Content of one file: stimuli, their neurons, and the trials of each."""
    content: dict[str, Any] = {}
    for recording in (data.recordings[i] for i in rows):
        entry = content.setdefault(
            recording.stimulus, {"t_axis": torch.from_numpy(recording.time_s), "Hz": recording.rate_hz, "neuron": {}}
        )
        azi, ele = recording.shift_px
        neuron = {"traces": [], "azi_shift": torch.tensor(float(azi)), "ele_shift": torch.tensor(float(ele))}
        entry["neuron"].setdefault(recording.neuron, neuron)["traces"].append(recording.trace)
    for entry in content.values():
        for neuron in entry["neuron"].values():
            neuron["traces"] = torch.from_numpy(np.stack(neuron["traces"]))
    return content
