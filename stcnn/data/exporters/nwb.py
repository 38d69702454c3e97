"""Writes recordings as NWB files, one for each animal and session, which :mod:`stcnn.data.importers.nwb` reads.

Presentations are laid one after the other on a session clock, because a data set knows time only from stimulus
onset. What NWB has no field for stands as JSON in the ``comments`` of a series.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stcnn.data.dataset import Dataset
from stcnn.data.recordings import Recording, rows_by
from stcnn.errors import DataError, FileError
from stcnn.movie import Movie
from stcnn.writing import whole_files

GAP_S = 5.0
"""Time between presentations on the session clock."""


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
    paths: list[Path] = []
    files = rows_by(data.table, "animal", "session")
    with whole_files(folder) as draft:
        for (animal, session), rows in files.items():
            name = "_".join(part for part in (animal, session) if part) or "recordings"
            path = folder / f"{name.replace('/', '-')}.nwb"
            if path.exists():
                raise FileError(f"{path} exists already", remedy="choose another folder")
            _write(data, rows, draft / path.name, {"subject_id": animal or "unknown", "species": species})
            paths.append(path)
            progress("files", len(paths), len(files))
    return paths


def _write(data: Dataset, rows: list[int], path: Path, subject: dict[str, str]) -> None:
    from pynwb import NWBHDF5IO, NWBFile
    from pynwb.file import Subject

    table = data.table.iloc[rows]
    session = str(table.session.iloc[0])
    nwb = NWBFile(
        session_description=f"Responses of {', '.join(table.cell_type.unique())} neurons to visual stimuli",
        identifier=session or str(uuid.uuid4()),
        session_start_time=datetime.now(UTC),
        subject=Subject(**subject, sex="U", age="P0D/", description="as recorded"),
        keywords=["calcium imaging", "vision"],
    )
    for name in table.stimulus.unique():
        nwb.add_stimulus_template(_template(str(name), data.movies[str(name)]))
    plane = _plane(nwb, str(table.indicator.iloc[0]))
    neurons = table.drop_duplicates(["cell_type", "neuron"])
    _add_neurons(plane, neurons)
    place = {key: i for i, key in enumerate(zip(neurons.cell_type, neurons.neuron, strict=True))}
    for number, (members, shown) in enumerate(_recorded_together(data, rows)):
        _add_responses(nwb, plane, f"responses_{number}", [place[key] for key in members], shown)
    with NWBHDF5IO(path, "w") as io:
        io.write(nwb)


def _template(name: str, movie: Movie) -> Any:  # noqa: ANN401 - a pynwb type
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
        name=name.replace("/", "-").replace(":", "-"),
        description="Luminance from 0 (black) to 1 (white); rows from top to bottom, columns from left to right",
        comments=json.dumps(note | {"onset_s": movie.onset_s}),
        data=H5DataIO(frames, compression="gzip", compression_opts=4, chunks=(16, rows, columns)),
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


def _plane(nwb: Any, indicator: str) -> Any:  # noqa: ANN401 - pynwb types
    from pynwb.ophys import ImageSegmentation, OpticalChannel

    device = nwb.create_device(name="microscope", description="two-photon microscope")
    imaging_plane = nwb.create_imaging_plane(
        name="plane",
        description="imaging plane",
        optical_channel=OpticalChannel(name="green", description="emission", emission_lambda=510.0),
        device=device,
        excitation_lambda=920.0,
        indicator=indicator or "unknown",
        location="optic lobe",
    )
    segmentation = ImageSegmentation(name="ImageSegmentation")
    nwb.create_processing_module("ophys", "calcium traces").add(segmentation)
    return segmentation.create_plane_segmentation(
        name="neurons", description="recorded neurons", imaging_plane=imaging_plane
    )


NEURON_COLUMNS = {
    "neuron": "identifier of the neuron, unique within its cell type",
    "cell_type": "cell type",
    "azimuth_deg": "azimuth of the middle of the receptive field",
    "elevation_deg": "elevation of the middle of the receptive field",
    "azi_shift_px": "pixels by which the picture is moved left to bring the receptive field to the middle",
    "ele_shift_px": "pixels by which the picture is moved down to bring the receptive field to the middle",
}


def _add_neurons(plane: Any, neurons: pd.DataFrame) -> None:  # noqa: ANN401 - a pynwb type
    for name, description in NEURON_COLUMNS.items():
        plane.add_column(name, description)
    for row in neurons[list(NEURON_COLUMNS)].to_dict("records"):
        plane.add_roi(pixel_mask=[(0, 0, 1.0)], **{str(name): value for name, value in row.items()})


Key = tuple[str, str]
Shown = list[tuple[str, int, list[Recording]]]


def _recorded_together(data: Dataset, rows: list[int]) -> Iterator[tuple[list[Key], Shown]]:
    """Neurons that were recorded at the same times, and their presentations (stimulus, trial, one recording each)."""
    presentations: dict[tuple[str, int, bytes], dict[Key, int]] = {}
    for i in rows:
        recording = data.recordings[i]
        key = (recording.stimulus, recording.trials[0], np.asarray(recording.time_s, np.float64).tobytes())
        presentations.setdefault(key, {})[recording.cell_type, recording.neuron] = i
    of_neuron: dict[Key, list[tuple[str, int, bytes]]] = {}
    for key, members in presentations.items():
        for neuron in members:
            of_neuron.setdefault(neuron, []).append(key)
    together: dict[tuple[tuple[str, int, bytes], ...], list[Key]] = {}
    for neuron, keys in of_neuron.items():
        together.setdefault(tuple(keys), []).append(neuron)
    for shown, neurons in together.items():
        yield neurons, [(k[0], k[1], [data.recordings[presentations[k][n]] for n in neurons]) for k in shown]


def _add_responses(nwb: Any, plane: Any, name: str, places: list[int], shown: Shown) -> None:  # noqa: ANN401
    """One response series, and the table of presentations of its neurons."""
    from pynwb.epoch import TimeIntervals
    from pynwb.ophys import DfOverF, RoiResponseSeries

    intervals = TimeIntervals(name=f"{name}_presentations", description=f"stimuli shown while {name} was recorded")
    for column, what in (
        ("stimulus", "name of the movie among the stimulus templates"),
        ("onset_time", "stimulus onset"),
        ("trial", "number of the repeat"),
    ):
        intervals.add_column(column, what)
    data, stamps, start_s = [], [], 0.0
    for stimulus, trial, recordings in shown:
        time_s = recordings[0].time_s
        onset_s = start_s - float(time_s[0])
        stamps.append(time_s + onset_s)
        data.append(np.stack([r.trace for r in recordings], axis=1))
        start, stop = float(stamps[-1][0]), float(stamps[-1][-1])
        intervals.add_row(start_time=start, stop_time=stop, stimulus=stimulus, onset_time=onset_s, trial=trial)
        start_s = stop + GAP_S
    first = shown[0][2][0]
    note = {"exposure_s": first.exposure_s, "time_stamps": "middle", "rate_hz": first.rate_hz}
    series = RoiResponseSeries(
        name=name,
        description="dF/F of single trials, one after the other",
        comments=json.dumps(note | {"indicator": first.indicator}),
        data=np.concatenate(data).astype(np.float32),
        rois=plane.create_roi_table_region(region=places, description="neurons of this series"),
        unit="n.a.",
        timestamps=np.concatenate(stamps),
    )
    module = nwb.processing["ophys"]
    if "DfOverF" not in module.data_interfaces:
        module.add(DfOverF(name="DfOverF"))
    module["DfOverF"].add_roi_response_series(series)
    nwb.add_time_intervals(intervals)
