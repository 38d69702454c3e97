"""Writes recordings as NWB files, one for each animal and session, which :mod:`stcnn.data.importers.nwb` reads.

Presentations are laid one after the other on a session clock, because a data set knows time only from stimulus
onset. What NWB has no field for stands as JSON in the ``comments`` of a series. Names that NWB or a file system does
not allow are changed there, and stand unchanged in the data.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stcnn.data.dataset import Dataset
from stcnn.data.exporters.nwb_responses import add_responses
from stcnn.data.recordings import rows_by
from stcnn.errors import DataError, FileError
from stcnn.movie import Movie
from stcnn.writing import atomic_files


def export_nwb(
    data: Dataset,
    folder: str | Path,
    *,
    species: str = "Drosophila melanogaster",
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> list[Path]:
    """Write one NWB file per animal and session into a folder.

    Args:
        data: single trials.
        folder: where the files go; made if needed.
        species: of the subjects, in Latin.
        progress: told what is done, how far, and of how much.

    Raises:
        FileError: a file exists already or cannot be written.
        DataError: the recordings are averages of trials.
    """
    if data.table.trials.map(len).max() > 1:
        raise DataError("the recordings are averages of trials", expected="single trials", remedy="read single trials")
    folder = Path(folder)
    _require_writable_names(data)
    paths: list[Path] = []
    files = rows_by(data.table, "animal", "session")
    free = _Names(taken=set())
    with atomic_files(folder) as draft:
        for (animal, session), rows in files.items():
            path = folder / f"{free('_'.join(part for part in (animal, session) if part) or 'recordings')}.nwb"
            if path.exists():
                raise FileError(f"{path} exists already", remedy="choose another folder")
            _write(data, rows, draft / path.name, {"subject_id": animal or "unknown", "species": species})
            paths.append(path)
            progress("files", len(paths), len(files))
    return paths


def _require_writable_names(data: Dataset) -> None:
    for column in ("cell_type", "neuron", "animal", "session", "stimulus", "indicator"):
        for name in map(str, data.table[column].unique()):
            if "\0" in name or name != name.encode(errors="replace").decode():
                raise DataError(
                    f"the {column} {name!r} cannot be written to a file", expected="text", remedy="rename it"
                )


@dataclass(frozen=True)
class _Names:
    """Gives each name the form that files and NWB allow, and a number where that is taken."""

    taken: set[str]

    def __call__(self, name: str) -> str:
        """The name as it may be written: no slash or colon, no dot in front, not too long."""
        allowed = re.sub(r"[/:\\\x00-\x1f]", "-", name).encode()[:120].decode(errors="ignore")
        first = f"_{allowed[1:]}" if allowed.startswith(".") else allowed or "unnamed"
        number = 2
        free = first
        while free.casefold() in self.taken:
            free = f"{first}_{number}"
            number = number + 1
        self.taken.add(free.casefold())
        return free


def _write(data: Dataset, rows: list[int], path: Path, subject: dict[str, str]) -> None:
    from pynwb import NWBHDF5IO, NWBFile
    from pynwb.file import Subject

    table = data.table.iloc[rows]
    session = str(table.session.iloc[0])
    nwb = NWBFile(
        session_description=f"Responses of {', '.join(table.cell_type.unique())} neurons to visual stimuli",
        identifier=str(uuid.uuid4()),
        session_id=session or None,
        session_start_time=datetime.now(UTC),
        subject=Subject(**subject, sex="U", age="P0D/", description="as recorded"),
        keywords=["calcium imaging", "vision"],
    )
    free = _Names(taken=set())
    for name in table.stimulus.unique():
        nwb.add_stimulus_template(_template(str(name), free(str(name)), data.movies[str(name)]))
    add_responses(nwb, data, rows)
    with NWBHDF5IO(path, "w") as io:
        io.write(nwb)


def _template(name: str, written_as: str, movie: Movie) -> Any:  # noqa: ANN401 - a pynwb type
    """A movie as luminance 0..1, written frame by frame and compressed."""
    from hdmf.backends.hdf5 import H5DataIO
    from hdmf.data_utils import DataChunkIterator
    from pynwb.image import OpticalSeries

    note = {"name": name, "rate_hz": movie.rate_hz, "deg_per_px": movie.deg_per_px, "background": movie.background}
    frames = DataChunkIterator(data=_luminance(movie), maxshape=movie.frames.shape, dtype=np.dtype(np.float32))
    rows, columns = movie.shape_px
    distance_m = 0.1
    size_m = [2 * distance_m * np.tan(np.radians(n * movie.deg_per_px / 2)) for n in (columns, rows)]
    return OpticalSeries(
        name=written_as,
        description="Luminance from 0 (black) to 1 (white); rows from top to bottom, columns from left to right",
        comments=json.dumps(note | {"onset_s": movie.onset_s}),
        data=H5DataIO(frames, compression="gzip", compression_opts=4, chunks=(min(16, movie.n_frames), rows, columns)),
        unit="n.a.",
        rate=float(movie.rate_hz),
        starting_time=0.0,
        distance=distance_m,
        field_of_view=np.array(size_m),
        orientation="upper left",
        format="raw",
    )


def _luminance(movie: Movie) -> Iterator[NDArray[np.float32]]:
    for frame in movie.frames:
        yield frame if movie.levels is None else movie.levels[frame]
