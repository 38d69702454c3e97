"""NWB files of other labs: every value scaled, every cell itself, every picture at its time, or a sentence."""

import tracemalloc
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from pynwb.base import ImageReferences, Images
from pynwb.epoch import TimeIntervals
from pynwb.image import GrayscaleImage, IndexSeries, OpticalSeries
from pynwb.ophys import DfOverF, Fluorescence, RoiResponseSeries

from stcnn.data.importers.dff import DffConfig, delta_f_over_f
from stcnn.errors import StcnnError
from stcnn.movie import Movie
from tests.data.exporters.test_exchange import Written
from tests.data.importers.test_importers import STIMULI

RNG = np.random.default_rng(3)
RAW, NEUROPIL = 300 + 30 * RNG.standard_normal((400, 2)), 100 + 5 * RNG.standard_normal((400, 2))
SCREEN = {"deg_per_px": 1.0}


@pytest.fixture
def lab(tmp_path: Path) -> Written:
    return Written(tmp_path / "session.nwb")


def series(lab: Written, name: str, data: NDArray, rows: tuple[int, ...] = (0, 1), **more: Any) -> RoiResponseSeries:
    region = lab.rois.create_roi_table_region(region=list(rows), description="cells")
    return RoiResponseSeries(name=name, data=data, unit="n.a.", rois=region, rate=10.0, **more)


def fluorescence(lab: Written, *parts: RoiResponseSeries, name: str = "Fluorescence") -> None:
    lab.module.add(Fluorescence(roi_response_series=list(parts), name=name))


def trials(lab: Written, column: str = "stimulus") -> None:
    lab.file.add_trial_column(column, "what was shown")
    for onset_s in (10.0, 20.0):
        lab.file.add_trial(start_time=onset_s, stop_time=onset_s + 1, **{column: "spot"})


def trace(lab: Written, neuron: str = "one/0", **config: Any) -> NDArray:
    data = lab.opened(stimuli=STIMULI, **config)
    return next(r for r in data.recordings if r.neuron == neuron).trace


def dff(raw: NDArray, neuropil: NDArray | None) -> NDArray:
    return delta_f_over_f(raw, neuropil, 10.0, DffConfig(), "")


def assert_is(found: NDArray, whole: NDArray) -> None:
    np.testing.assert_allclose(found, whole[90 : 90 + len(found)], atol=1e-4)


@pytest.mark.parametrize("scale", [{}, {"conversion": 0.5}, {"conversion": 2.0, "offset": -30.0}])
def test_neuropil_in_its_own_container_is_scaled_like_the_fluorescence(lab: Written, scale: dict[str, Any]) -> None:
    fluorescence(lab, series(lab, "plane", RAW, **scale))
    fluorescence(lab, series(lab, "plane", NEUROPIL, **scale), name="Neuropil")
    trials(lab)
    true = [values[:, 0] * scale.get("conversion", 1) + scale.get("offset", 0) for values in (RAW, NEUROPIL)]
    assert_is(trace(lab), dff(*true))


@pytest.mark.parametrize("name", ["Neuropil", "NeuropilResponses", "Fneu", "RoiResponseSeriesNeuropil"])
def test_neuropil_beside_the_fluorescence_is_matched_by_cell(lab: Written, name: str) -> None:
    fluorescence(lab, series(lab, "RoiResponseSeries", RAW), series(lab, name, NEUROPIL[:, ::-1], (1, 0)))
    trials(lab)
    assert_is(trace(lab), dff(RAW[:, 0], NEUROPIL[:, 0]))
    assert any(f"/{name}', matched by cell" in note for note in lab.opened(stimuli=STIMULI).notes)
    assert_is(trace(lab, neuropil="none"), dff(RAW[:, 0], None))


def test_neuropil_of_other_cells_is_refused(lab: Written) -> None:
    fluorescence(lab, series(lab, "R", RAW), series(lab, "Neuropil", NEUROPIL[:, :1], (1,)))
    trials(lab)
    with pytest.raises(
        StcnnError, match=r"R' has neuropil of other cells .*/Neuropil, .* key 'neuropil', or set that to"
    ):
        lab.opened(stimuli=STIMULI)


def test_an_offset_of_dff_is_added(lab: Written) -> None:
    lab.module.add(DfOverF(roi_response_series=series(lab, "F_over_F0", RAW / 300, conversion=2.0, offset=-2.0)))
    trials(lab)
    assert_is(trace(lab), RAW[:, 0] / 150 - 2)


def test_two_signals_of_one_cell_are_a_choice(lab: Written) -> None:
    fluorescence(lab, series(lab, "green", RAW), series(lab, "red", NEUROPIL))
    trials(lab)
    with pytest.raises(StcnnError, match=r"two signals of one cell \(row 0 of .*green and .*red, .* key 'series'"):
        lab.opened(stimuli=STIMULI)
    assert_is(trace(lab, series="red"), dff(NEUROPIL[:, 0], None))


def test_cells_of_two_segmentations_are_different_cells(lab: Written) -> None:
    other = lab.module["ImageSegmentation"].create_plane_segmentation(
        name="deep", description="d", imaging_plane=lab.file.imaging_planes["plane"]
    )
    for _ in range(2):
        other.add_roi(pixel_mask=[(0, 0, 1.0)])
    region = other.create_roi_table_region(region=[1], description="the second")
    deep = RoiResponseSeries(name="deep", data=RAW[:, :1] / 300 - 1, unit="n.a.", rois=region, rate=10.0)
    lab.module.add(DfOverF(roi_response_series=[series(lab, "top", RAW[:, ::-1] / 300 - 1, (1, 0)), deep]))
    trials(lab)
    data = lab.opened(stimuli=STIMULI)
    assert data.neurons == {"lc4": ["one/deep/1", "one/rois/0", "one/rois/1"]}
    assert_is(trace(lab, "one/rois/1"), RAW[:, 1] / 300 - 1)
    assert_is(trace(lab, "one/deep/1"), RAW[:, 0] / 300 - 1)
    assert data.table.indicator.unique().tolist() == ["GCaMP6f"]


def two_planes(lab: Written) -> None:
    """Two cells in the segmentation ``rois`` and two in ``deep``, each its own trace."""
    other = lab.module["ImageSegmentation"].create_plane_segmentation(
        name="deep", description="d", imaging_plane=lab.file.imaging_planes["plane"]
    )
    for _ in range(2):
        other.add_roi(pixel_mask=[(0, 0, 1.0)])
    region = other.create_roi_table_region(region=[0, 1], description="both")
    deep = RoiResponseSeries(name="deep", data=NEUROPIL / 100 - 1, unit="n.a.", rois=region, rate=10.0)
    lab.module.add(DfOverF(roi_response_series=[series(lab, "top", RAW / 300 - 1), deep]))
    trials(lab)


def test_a_table_of_neurons_names_the_segmentation_of_each(lab: Written, tmp_path: Path) -> None:
    two_planes(lab)
    table = tmp_path / "neurons.csv"
    table.write_text("roi,plane,neuron,cell_type\n1,rois,a,lc4\n0,deep,b,LC11\n1,deep,c,lc11\n")
    data = lab.opened(stimuli=STIMULI, neurons=str(table))
    assert data.neurons == {"lc4": ["a"], "lc11": ["b", "c"]}
    assert data.table.groupby("neuron").plane.first().to_dict() == {"a": "rois", "b": "deep", "c": "deep"}
    for neuron, true in {"a": RAW[:, 1] / 300, "b": NEUROPIL[:, 0] / 100, "c": NEUROPIL[:, 1] / 100}.items():
        assert_is(trace(lab, neuron, neurons=str(table)), true - 1)
    one = lab.opened(stimuli=STIMULI, neurons=str(table), series="top")
    assert one.neurons == {"lc4": ["a"]}
    table.write_text("roi,neuron\n1,a\n")
    with pytest.raises(StcnnError, match=r"does not say in which of deep, rois its neurons are, expected a column"):
        lab.opened(stimuli=STIMULI, neurons=str(table))
    table.write_text("roi,plane\n1,rois\n1,Deep\n")
    with pytest.raises(StcnnError, match=r"names the plane 'Deep' in row 3, expected one of deep, rois"):
        lab.opened(stimuli=STIMULI, neurons=str(table))


@pytest.mark.parametrize("kept", [0, 2**30])
def test_a_large_file_is_read_by_blocks_and_never_stands_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    n_cells, n_samples = 60, 10_000
    lab = Written(tmp_path / "large.nwb")
    for _ in range(n_cells - 2):
        lab.rois.add_roi(pixel_mask=[(0, 0, 1.0)])
    raw = np.random.default_rng(0).normal(300, 30, (n_samples, n_cells))
    lab.module.add(Fluorescence(roi_response_series=[series(lab, "raw", raw, tuple(range(n_cells)))]))
    trials(lab)
    lab.write()
    reads: list[tuple[int, ...]] = []
    whole = h5py.Dataset.__getitem__

    def counted(self: h5py.Dataset, *key: Any) -> Any:  # noqa: ANN401
        found = whole(self, *key)
        if self.shape == raw.shape:
            reads.append(found.shape)
        return found

    monkeypatch.setattr(h5py.Dataset, "__getitem__", counted)
    monkeypatch.setattr("stcnn.data.importers.nwb.series.COLUMNS_BYTES", 2**19)
    monkeypatch.setattr("stcnn.data.importers.kept.KEPT_BYTES", kept)
    tracemalloc.start()
    data = lab.opened(stimuli=STIMULI)
    found = [recording.trace for recording in data.recordings]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 2 * n_cells
    n_blocks = -(-n_cells // (2**19 // (8 * n_samples)))
    assert len(reads) <= n_blocks * (1 if kept else 2.5)  # a column at a time would pass over the file 120 times
    assert peak < (1.2 if kept else 0.8) * raw.nbytes
    assert_is(found[data.table.neuron.tolist().index("one/37")], dff(raw[:, 37], None))


def test_a_table_of_another_name_is_found_or_named(lab: Written) -> None:
    lab.module.add(DfOverF(roi_response_series=series(lab, "R", RAW / 300 - 1)))
    lab.file.add_trial(start_time=1.0, stop_time=2.0)  # of behaviour
    tables = [TimeIntervals(name=name, description="d") for name in ("spot_presentations", "bar_presentations")]
    for table, name in zip(tables, ("spot", "bar"), strict=True):
        table.add_column("stimulus_name", "what was shown")
        table.add_row(start_time=10.0, stop_time=11.0, stimulus_name=name)
        lab.file.add_time_intervals(table)
    with pytest.raises(
        StcnnError, match=r"in several tables, bar_presentations and spot_presentations, .* 'intervals'"
    ):
        lab.opened(stimuli=STIMULI)
    data = lab.opened(stimuli=STIMULI, intervals="spot_presentations")
    assert data.table.stimulus.unique().tolist() == ["spot"]
    with pytest.raises(
        StcnnError, match=r"no table of intervals 'spot_presentation'. Did you mean 'spot_presentations'"
    ):
        lab.opened(stimuli=STIMULI, intervals="spot_presentation")


def pictures(lab: Written, count: int = 5) -> Images:
    images = [GrayscaleImage(name=f"i{k}", data=np.full((8, 8), 20 + 20 * k, "u1")) for k in range(count)]
    found = Images(name="pictures", images=images, description="d")
    found.order_of_images = ImageReferences(name="order_of_images", data=images[::-1])
    lab.file.add_stimulus_template(found)
    lab.module.add(DfOverF(roi_response_series=series(lab, "R", RAW / 300 - 1)))
    return found


def grey_values(movie: Movie) -> list[int]:
    return np.rint(movie.luminance()[:, 0, 0] * 255).astype(int).tolist()


def test_an_index_series_holds_pictures_and_knows_repeats_from_pauses(lab: Written) -> None:
    shown = np.array([3, 1, 1, 4])
    times = np.array([0, 1, 2, 5]) / 30  # the third is held for three frames
    lab.file.add_stimulus(
        IndexSeries(
            name="shown",
            data=np.tile(shown, 2).astype("u4"),
            unit="N/A",
            indexed_images=pictures(lab),
            timestamps=np.concatenate([10 + times, 20 + times]),
        )
    )
    data = lab.opened(**SCREEN)
    assert list(data.movies) == ["pictures"]
    movie = data.movies["pictures"]
    value = {k: 100 - 20 * k for k in range(5)}  # in the order that the file gives
    assert grey_values(movie) == [value[k] for k in (3, 1, 1, 1, 1, 4)]
    assert movie.rate_hz == 30
    assert data.table.trials.tolist() == [(0,), (1,)] * 2
    np.testing.assert_allclose(data.recordings[0].trace, RAW[90 : 90 + len(data.recordings[0].trace), 0] / 300 - 1)
    assert any("2 presentations of 1 sequences" in note for note in data.notes)


def test_pictures_that_may_have_been_followed_by_grey_are_asked_for(lab: Written) -> None:
    lab.file.add_stimulus(
        IndexSeries(
            name="shown",
            data=np.array([3, 1, 3], "u4"),
            unit="N/A",
            indexed_images=pictures(lab),
            timestamps=[10.0, 15.0, 20.0],
        )
    )
    with pytest.raises(StcnnError, match=r"pictures 5 s apart, and NWB does not store for how long.* or to until_next"):
        lab.opened(**SCREEN)
    apart = lab.opened(**SCREEN, picture_s=0.5)
    assert apart.table.groupby("stimulus").trials.nunique().to_dict() == {"pictures_1": 1, "pictures_3": 2}
    assert apart.movies["pictures_1"].duration_s == pytest.approx(0.5)
    assert set(grey_values(apart.movies["pictures_3"])) == {40}
    whole = lab.opened(**SCREEN, picture_s="until_next").movies["pictures"]
    assert (whole.duration_s, grey_values(whole)[::150]) == (15, [40, 80, 40])


@pytest.mark.parametrize(
    ("data", "times", "sentence"),
    [
        ([0, 1, 7], [1.0, 1.1, 1.2], "shows the pictures 0 to 7 of 'pictures', expected numbers from 0 to 4"),
        ([0, 1, 2], [1.0, 1.2, 1.1], "has a clock that runs back after sample 1"),
        ([0], [1.0], "shows one picture and not for how long, expected the key 'picture_s'"),
    ],
)
def test_an_index_series_that_means_nothing_is_a_sentence(
    lab: Written, data: list[int], times: list[float], sentence: str
) -> None:
    shown = IndexSeries(
        name="shown", data=np.array(data, "u4"), unit="N/A", indexed_images=pictures(lab), timestamps=times
    )
    lab.file.add_stimulus(shown)
    with pytest.raises(StcnnError, match=sentence):
        lab.opened(**SCREEN)


def optical(lab: Written, **more: Any) -> None:
    lab.module.add(DfOverF(roi_response_series=series(lab, "R", RAW / 300 - 1)))
    facts = {"unit": "n.a.", "distance": 0.1, "field_of_view": [0.3, 0.2], "orientation": "upper left"}
    lab.file.add_stimulus(OpticalSeries(name="mov", **(facts | more)))


@pytest.mark.parametrize("by_schema", [True, False])
def test_the_field_of_view_tells_the_axes(lab: Written, by_schema: bool) -> None:
    picture = np.zeros((20, 30), "f4")
    picture[0] = 1  # the top row is bright
    stored = np.repeat((picture.T if by_schema else picture)[None], 10, 0)
    optical(lab, data=stored, rate=20.0, starting_time=10.0)
    data = lab.opened()
    np.testing.assert_array_equal(data.movies["mov"].luminance()[0], picture)
    assert data.deg_per_px == pytest.approx(np.degrees(2 * np.arctan(1.5)) / 30)
    assert any("by its field_of_view" in note for note in data.notes)


@pytest.mark.parametrize(
    ("values", "config", "first"),
    [
        (np.full((10, 30, 20), 51, "u1"), {}, 0.2),
        (np.full((10, 30, 20), 13107, "u2"), {}, 0.2),
        (np.full((10, 30, 20), 200, "u2"), {"movie_white": 1000}, 0.2),
        (np.full((10, 30, 20, 3), [255, 0, 0], "u1"), {}, 76 / 255),
        (np.ones((10, 30, 20), "u1"), {"movie_white": 1}, 1.0),
    ],
)
def test_white_is_known_or_said(lab: Written, values: NDArray, config: dict[str, float], first: float) -> None:
    optical(lab, data=values, rate=20.0, starting_time=10.0)
    assert lab.opened(**config).movies["mov"].luminance()[0, 0, 0] == pytest.approx(first, abs=1e-5)


def test_bits_and_a_wrong_scale_are_asked_for(lab: Written) -> None:
    optical(lab, data=np.ones((10, 30, 20), "u1"), rate=20.0, starting_time=10.0)
    with pytest.raises(StcnnError, match=r"mov/data' are 8-bit values of 0 and 1, .* Set movie_white: 1 if 1 is white"):
        lab.opened().movies["mov"]


def test_late_and_uneven_frames_are_shown_when_they_were(lab: Written) -> None:
    frames = (np.arange(4)[:, None, None] * np.full((1, 30, 20), 60)).astype("u1")
    optical(lab, data=frames, timestamps=10.04 + np.array([0, 1, 2, 6]) / 20)
    data = lab.opened()
    assert grey_values(data.movies["mov"]) == [0, 60, 120, 120, 120, 120, 180]
    assert data.movies["mov"].rate_hz == 20
    assert data.recordings[0].time_s[0] == pytest.approx(-0.99)
    assert any("each is held until the next at 20 Hz" in note for note in data.notes)


def test_several_external_files_are_one_movie(lab: Written, tmp_path: Path) -> None:
    for k in (1, 2):
        np.save(tmp_path / f"m{k}.npy", np.full((20, 8, 8), 0.3 * k, "f4"))
    external = {"external_file": ["m1.npy", "m2.npy"], "format": "external", "num_samples": 40}
    optical(lab, starting_frame=[0, 20], rate=20.0, starting_time=10.0, **external)
    with h5py.File(lab.path, "a") if lab.path.exists() else _written(lab) as file:
        assert file["stimulus/presentation/mov/external_file"].attrs["starting_frame"].tolist() == [0, 20]
    from stcnn.data.importers import import_config, open_import
    from stcnn.stimuli.specification import specified_movie

    values = {"kind": "nwb", "path": str(lab.path), "cell_type": "lc4", "background": 0.5, "deg_per_px": 1}
    movie = open_import(import_config(values), specified_movie).movies["mov"]
    np.testing.assert_allclose(movie.luminance()[[0, 19, 20, 39], 0, 0], [0.3, 0.3, 0.6, 0.6], atol=1e-6)
    np.save(tmp_path / "m1.npy", np.full((15, 8, 8), 0.3, "f4"))
    with pytest.raises(StcnnError, match=r"begin with the frames 0, 20, but they have 15, 20 frames"):
        open_import(import_config(values), specified_movie)
    (tmp_path / "m2.npy").unlink()
    with pytest.raises(StcnnError, match=r"m2.npy"):
        open_import(import_config(values), specified_movie)


def _written(lab: Written) -> h5py.File:
    lab.write()
    return h5py.File(lab.path, "r")


def test_links_in_a_circle_and_out_of_the_file_and_files_without_traces(lab: Written) -> None:
    lab.module.add(DfOverF(roi_response_series=series(lab, "R", RAW / 300 - 1)))
    trials(lab)
    lab.write()
    with h5py.File(lab.path, "a") as file:
        where = file["processing/ophys/DfOverF/R"]
        data = where["data"][:]
        del where["data"]
        where["data"] = h5py.ExternalLink("other.nwb", "/data")
    with pytest.raises(
        StcnnError, match=r"'processing/ophys/DfOverF/R/data' lies in another file, other.nwb.*NWBHDF5IO.export"
    ):
        lab.opened(stimuli=STIMULI)
    with h5py.File(lab.path, "a") as file:
        where = file["processing/ophys/DfOverF/R"]
        del where["data"]
        where["data"] = h5py.SoftLink("/processing/ophys/DfOverF/R/data")
    with pytest.raises(StcnnError, match=r"the data of series .* is missing or no array"):
        lab.opened(stimuli=STIMULI)
    with h5py.File(lab.path, "a") as file:
        del file["processing/ophys/DfOverF"]
        file["acquisition"].create_group("raw").attrs["neurodata_type"] = "TwoPhotonSeries"
    assert data.shape == (400, 2)
    with pytest.raises(StcnnError, match=r"no RoiResponseSeries in DfOverF or Fluorescence; it holds TwoPhotonSeries"):
        lab.opened(stimuli=STIMULI)


def test_a_series_that_declares_more_than_the_file_holds_is_refused(lab: Written) -> None:
    """A damaged file of a few kilobytes may declare gigabytes, which HDF5 fills with zeros."""
    lab.module.add(DfOverF(roi_response_series=[series(lab, "dff", RAW)]))
    trials(lab)
    lab.write()
    with h5py.File(lab.path, "a") as file:
        group = file["processing/ophys/DfOverF/dff"]
        told = dict(group["data"].attrs)
        del group["data"]
        group.create_dataset("data", (2 * 10**7, 2), "f8", chunks=(10**5, 2)).attrs.update(told)
    with pytest.raises(StcnnError, match=r"DfOverF/dff' declares 320 MB of values, of which the file holds 0 bytes"):
        lab.opened(stimuli=STIMULI)
