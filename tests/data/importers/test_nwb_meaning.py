"""NWB: values of channels, pictures that come again, files beside the file, and what leaves its meaning open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from pynwb.base import Images
from pynwb.image import GrayscaleImage, IndexSeries, OpticalSeries
from pynwb.ophys import DfOverF, Fluorescence, RoiResponseSeries

from stcnn.data.importers import import_config, open_import
from stcnn.errors import StcnnError
from stcnn.stimuli.specification import specified_movie
from tests.data.exporters.test_exchange import Written
from tests.data.importers.test_importers import STIMULI
from tests.data.importers.test_nwb import RAW, SCREEN, assert_is, dff, grey_values, series, trace, trials


@pytest.fixture
def lab(tmp_path: Path) -> Written:
    return Written(tmp_path / "session.nwb")


def converted(lab: Written, factors: list[float], data: NDArray = RAW, **more: Any) -> None:
    """Fluorescence with ``channel_conversion``, which the schema has for electrical series and labs write elsewhere."""
    lab.module.add(Fluorescence(roi_response_series=[series(lab, "raw", data, **more)]))
    trials(lab)
    lab.write()
    with h5py.File(lab.path, "a") as file:
        file["processing/ophys/Fluorescence/raw/channel_conversion"] = np.array(factors)


@pytest.mark.parametrize("by_neuron", [False, True])
def test_each_channel_has_its_own_conversion_and_all_one_offset(lab: Written, by_neuron: bool) -> None:
    converted(lab, [2.0, 0.5], RAW.T if by_neuron else RAW, conversion=0.1, offset=5.0)
    for neuron, factor in enumerate((2.0, 0.5)):
        assert_is(trace(lab, f"one/{neuron}"), dff(RAW[:, neuron] * 0.1 * factor + 5.0, None))


@pytest.mark.parametrize(
    ("factors", "sentence"),
    [
        ([1.0], "has channel_conversion for 1 channels, not for 1"),
        ([1.0, float("nan")], "channel_conversion of series '.*raw' is nan for channel 1, expected a number"),
    ],
)
def test_a_channel_without_conversion_is_refused(lab: Written, factors: list[float], sentence: str) -> None:
    converted(lab, factors)
    with pytest.raises(StcnnError, match=sentence):
        lab.opened(stimuli=STIMULI)


def pictures(lab: Written) -> Images:
    images = [GrayscaleImage(name=f"i{k}", data=np.full((8, 8), 20 + 20 * k, "u1")) for k in range(5)]
    found = Images(name="pictures", images=images, description="d")
    lab.file.add_stimulus_template(found)
    lab.module.add(DfOverF(roi_response_series=series(lab, "R", RAW / 300 - 1)))
    return found


def shown(name: str, of: Images, numbers: list[int], times_s: NDArray) -> IndexSeries:
    return IndexSeries(
        name=name, data=np.array(numbers, "u4"), unit="N/A", indexed_images=of, timestamps=times_s.tolist()
    )


def test_two_index_series_of_one_order_are_repeats_and_of_another_another_movie(lab: Written) -> None:
    of = pictures(lab)
    clock = np.arange(4) / 30
    for name, numbers, start_s in (
        ("first", [0, 2, 1, 1], 10.0),
        ("second", [0, 2, 1, 1], 20.0),
        ("third", [1, 2, 0, 0], 30.0),
    ):
        lab.file.add_stimulus(shown(name, of, numbers, start_s + clock))
    data = lab.opened(**SCREEN)
    rows = data.table[data.table.neuron == data.table.neuron.iloc[0]]
    trials_of = rows.groupby("stimulus").trials.apply(lambda t: sorted(t.tolist())).to_dict()
    assert sorted(trials_of.values()) == [[(0,)], [(0,), (1,)]]
    values = {name: grey_values(data.movies[name]) for name in data.movies}
    twice = next(name for name, found in trials_of.items() if len(found) == 2)
    assert values[twice] == [20, 60, 40, 40]
    assert next(v for name, v in values.items() if name != twice) == [40, 60, 20, 20]


def optical(lab: Written, **more: Any) -> None:
    lab.module.add(DfOverF(roi_response_series=series(lab, "R", RAW / 300 - 1)))
    facts = {"unit": "n.a.", "distance": 0.1, "field_of_view": [0.3, 0.2], "orientation": "upper left"}
    lab.file.add_stimulus(OpticalSeries(name="mov", **(facts | more)))
    lab.write()


@pytest.mark.parametrize(
    ("starts", "sentence"),
    [
        ([5, 25], "begin with the frames 5, 25"),
        ([0, 30], "begin with the frames 0, 30, but they have 20, 20 frames"),
        ([20, 0], "begin with the frames 20, 0"),
        ([0], "2 files|begin with the frames 0"),
    ],
)
def test_files_that_do_not_follow_each_other_are_refused(
    lab: Written, starts: list[int], sentence: str, tmp_path: Path
) -> None:
    for k in (1, 2):
        np.save(tmp_path / f"m{k}.npy", np.full((20, 8, 8), 0.3 * k, "f4"))
    external = {"external_file": ["m1.npy", "m2.npy"], "format": "external", "num_samples": 40}
    optical(lab, starting_frame=[0, 20], rate=20.0, starting_time=10.0, **external)
    with h5py.File(lab.path, "a") as file:
        file["stimulus/presentation/mov/external_file"].attrs["starting_frame"] = np.array(starts, "i4")
    values = {"kind": "nwb", "path": str(lab.path), "cell_type": "lc4", "background": 0.5, "deg_per_px": 1}
    with pytest.raises(StcnnError, match=sentence):
        open_import(import_config(values), specified_movie)


@pytest.mark.parametrize(
    "times_s", [[10.0, 10.05, 10.04, 10.15], [10.0, 10.0, 10.05, 10.1], [10.0, np.nan, 10.1, 10.15]]
)
def test_a_movie_whose_clock_runs_back_or_stands_is_refused(lab: Written, times_s: list[float]) -> None:
    optical(lab, data=np.zeros((4, 30, 20), "u1") + np.arange(4, dtype="u1")[:, None, None] * 60, timestamps=times_s)
    with pytest.raises(StcnnError, match=r"clock that (runs back|stands) after sample|has no time for sample 1"):
        lab.opened()


@pytest.mark.parametrize("times_s", [np.r_[0:200, 199:399] / 10, np.r_[0:200, np.nan, 201:400] / 10])
def test_traces_whose_clock_runs_back_or_has_a_hole_are_refused(lab: Written, times_s: NDArray) -> None:
    region = lab.rois.create_roi_table_region(region=[0, 1], description="cells")
    dff_series = RoiResponseSeries(name="R", data=RAW / 300 - 1, unit="n.a.", rois=region, timestamps=times_s)
    lab.module.add(DfOverF(roi_response_series=[dff_series]))
    trials(lab)
    with pytest.raises(StcnnError, match=r"clock that (runs back|stands) after sample 199|has no time for sample 200"):
        lab.opened(stimuli=STIMULI)


def test_two_channels_of_one_cell_are_a_choice_and_each_can_be_taken(lab: Written) -> None:
    lab.module.add(Fluorescence(roi_response_series=[series(lab, "green", RAW), series(lab, "red", 2 * RAW + 100)]))
    trials(lab)
    with pytest.raises(StcnnError, match=r"two signals of one cell .*green and .*red.* with the key 'series'"):
        lab.opened(stimuli=STIMULI)
    assert_is(trace(lab, series="red"), dff(2 * RAW[:, 0] + 100, None))
    assert_is(trace(lab, series="green"), dff(RAW[:, 0], None))


def trials_with(lab: Written, column: str, values: list[Any]) -> None:
    lab.module.add(DfOverF(roi_response_series=series(lab, "R", RAW / 300 - 1)))
    trials(lab)
    lab.write()
    with h5py.File(lab.path, "a") as file:
        file[f"intervals/trials/{column}"][:] = values


@pytest.mark.parametrize(("column", "values"), [("stimulus", ["", "spot"]), ("start_time", [np.nan, 20.0])])
def test_a_trial_without_name_or_time_is_left_out_and_counted(lab: Written, column: str, values: list[Any]) -> None:
    trials_with(lab, column, values)
    data = lab.opened(stimuli=STIMULI)
    assert data.table.onset_s.unique().tolist() == [20.0]
    assert any("1 of 2 rows of 'intervals/trials' name no stimulus or no time: left out" in n for n in data.notes)


@pytest.mark.parametrize(
    ("column", "values", "sentence"),
    [
        ("stimulus", ["spot ", "spot"], "stimulus 'spot ' has no movie.*did you mean 'spot'"),
        ("start_time", [10.0, 10.0], "shows 'spot' and 'spot' at one time, 10 s"),
        ("start_time", [1e4, 2e4], "was shown at 10000.000 s, but"),
    ],
)
def test_a_trial_that_was_not_shown_so_is_refused(lab: Written, column: str, values: list[Any], sentence: str) -> None:
    trials_with(lab, column, values)
    with pytest.raises(StcnnError, match=sentence):
        lab.opened(stimuli=STIMULI)
