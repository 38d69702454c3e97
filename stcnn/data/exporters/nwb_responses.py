"""Responses in an NWB file: neurons, response series, and for each a table of the presentations while it was recorded.

Neurons that were recorded at the same times share a series. What differs from neuron to neuron stands in the table of
neurons; shifts and positions that differ from presentation to presentation stand in the table of presentations, with
a value for each neuron of the series.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stcnn.data.dataset import Dataset

GAP_S = 5.0
"""Time between presentations on the session clock."""

NEURON_COLUMNS = {
    "neuron": "identifier of the neuron, unique within its cell type",
    "cell_type": "cell type",
    "azimuth_deg": "azimuth of the middle of the receptive field",
    "elevation_deg": "elevation of the middle of the receptive field",
    "azi_shift_px": "pixels by which the picture is moved left to bring the receptive field to the middle",
    "ele_shift_px": "pixels by which the picture is moved down to bring the receptive field to the middle",
}
PLACES = tuple(name for name in NEURON_COLUMNS if name.endswith(("_deg", "_px")))

Neuron = tuple[str, str]
"""Cell type and name."""


@dataclass(frozen=True)
class Presentation:
    """A movie shown while some neurons were recorded; ``recordings`` has the number of the recording of each."""

    stimulus: str
    trial: int
    recordings: Mapping[Neuron, int]


def add_responses(nwb: Any, data: Dataset, rows: list[int]) -> None:  # noqa: ANN401 - a pynwb type
    """Add neurons and responses of one animal and session to a file.

    Args:
        nwb: the file.
        data: single trials.
        rows: numbers of the recordings.
    """
    table = data.table.iloc[rows]
    indicators = [name for name in table.indicator.unique() if name]
    plane = _plane(nwb, " and ".join(indicators))
    neurons = table.drop_duplicates(["cell_type", "neuron"])
    _add_neurons(plane, neurons)
    place = {key: i for i, key in enumerate(zip(neurons.cell_type, neurons.neuron, strict=True))}
    usual = neurons[list(PLACES)].reset_index(drop=True)
    for number, (members, shown) in enumerate(_recorded_together(data, rows)):
        places = [place[key] for key in members]
        name = f"responses_{number}"
        intervals = _add_series(nwb, plane, name, places, (data, members, shown))
        for column, values in _differing(data.table, members, shown, usual.iloc[places]):
            intervals.add_column(column, f"{NEURON_COLUMNS[column]}, for each neuron of {name}", data=values)
        nwb.add_time_intervals(intervals)


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


def _add_neurons(plane: Any, neurons: pd.DataFrame) -> None:  # noqa: ANN401 - a pynwb type
    for name, description in NEURON_COLUMNS.items():
        plane.add_column(name, description)
    for row in neurons[list(NEURON_COLUMNS)].to_dict("records"):
        plane.add_roi(pixel_mask=[(0, 0, 1.0)], **{str(name): value for name, value in row.items()})


def _recorded_together(data: Dataset, rows: list[int]) -> Iterator[tuple[list[Neuron], list[Presentation]]]:
    """Neurons that were recorded at the same times with the same microscope settings, and their presentations."""
    kinds: dict[tuple[float, float, str], dict[tuple[Any, ...], dict[Neuron, int]]] = {}
    for i in rows:
        r = data.recordings[i]
        presentations = kinds.setdefault((r.exposure_s, r.rate_hz, r.indicator), {})
        for again in itertools.count():  # one stimulus and trial may stand several times, with other shifts
            key = (r.stimulus, r.trials[0], np.asarray(r.time_s, np.float64).tobytes(), again)
            members = presentations.setdefault(key, {})
            if (r.cell_type, r.neuron) not in members:
                members[r.cell_type, r.neuron] = i
                break
    for presentations in kinds.values():
        of_neuron: dict[Neuron, list[tuple[Any, ...]]] = {}
        for key, members in presentations.items():
            for neuron in members:
                of_neuron.setdefault(neuron, []).append(key)
        together: dict[tuple[tuple[Any, ...], ...], list[Neuron]] = {}
        for neuron, keys in of_neuron.items():
            together.setdefault(tuple(keys), []).append(neuron)
        for common, neurons in together.items():
            yield neurons, [Presentation(key[0], key[1], presentations[key]) for key in common]


def _differing(
    table: pd.DataFrame, members: list[Neuron], shown: list[Presentation], usual: pd.DataFrame
) -> Iterator[tuple[str, NDArray]]:
    """Columns ``(presentations, neurons)`` of shifts and positions that are not those of the table of neurons."""
    rows = np.array([[presentation.recordings[neuron] for neuron in members] for presentation in shown])
    for column in PLACES:
        values = table[column].to_numpy()[rows]
        if not np.array_equal(values, np.broadcast_to(usual[column].to_numpy(), values.shape), equal_nan=True):
            yield column, values


def _add_series(
    nwb: Any,  # noqa: ANN401 - a pynwb type
    plane: Any,  # noqa: ANN401 - a pynwb type
    name: str,
    places: list[int],
    recorded: tuple[Dataset, list[Neuron], list[Presentation]],
) -> Any:  # noqa: ANN401 - a pynwb type
    """Add a response series; the table of its presentations is returned."""
    from pynwb.epoch import TimeIntervals
    from pynwb.ophys import DfOverF, RoiResponseSeries

    source, members, shown = recorded
    intervals = TimeIntervals(name=f"{name}_presentations", description=f"stimuli shown while {name} was recorded")
    for column, what in (
        ("stimulus", "name of the movie among the stimulus templates"),
        ("onset_time", "stimulus onset"),
        ("trial", "number of the repeat"),
    ):
        intervals.add_column(column, what)
    data = []
    stamps = []
    start_s = 0.0
    for presentation in shown:
        recordings = [source.recordings[presentation.recordings[neuron]] for neuron in members]
        first = recordings[0]
        onset_s = start_s - float(first.time_s[0])
        stamps.append(first.time_s + onset_s)
        data.append(np.stack([r.trace for r in recordings], axis=1))
        start = float(stamps[-1][0])
        stop = float(stamps[-1][-1])
        shown_as = {"stimulus": presentation.stimulus, "onset_time": onset_s, "trial": presentation.trial}
        intervals.add_row(start_time=start, stop_time=stop, **shown_as)
        start_s = stop + GAP_S
    note = {"exposure_s": first.exposure_s, "time_stamps": "middle", "rate_hz": first.rate_hz}
    identity = {"indicator": first.indicator, "animal": first.animal, "session": first.session}
    series = RoiResponseSeries(
        name=name,
        description="dF/F of single trials, one after the other",
        comments=json.dumps(note | identity),
        data=np.concatenate(data).astype(np.float32),
        rois=plane.create_roi_table_region(region=places, description="neurons of this series"),
        unit="n.a.",
        timestamps=np.concatenate(stamps),
    )
    module = nwb.processing["ophys"]
    if "DfOverF" not in module.data_interfaces:
        module.add(DfOverF(name="DfOverF"))
    module["DfOverF"].add_roi_response_series(series)
    return intervals
