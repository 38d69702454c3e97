"""What leaves the program comes back the same, and NWB files as others write them are understood."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from nwbinspector import Importance, inspect_nwbfile  # type: ignore[import-untyped]
from pynwb import NWBHDF5IO, NWBFile
from pynwb.base import Images
from pynwb.image import GrayscaleImage, ImageSeries, OpticalSeries
from pynwb.ophys import (
    DfOverF,
    Fluorescence,
    ImageSegmentation,
    ImagingPlane,
    OpticalChannel,
    RoiResponseSeries,
    TwoPhotonSeries,
)

from stcnn.data import BatchingConfig, Dataset, PublishedDataConfig, loader, read_published
from stcnn.data.exporters import export_nwb, export_published
from stcnn.data.importers import import_config, open_import
from stcnn.data.importers.dff import DffConfig, delta_f_over_f
from stcnn.data.recordings import Recording
from stcnn.errors import DataError, FileError, StcnnError
from tests.data.importers.test_importers import STIMULI, make_movie
from tests.support.made_up_data import GREY, RATE_HZ, dataset, movie


def _by_key(data: Dataset) -> dict[tuple[Any, ...], Recording]:
    return {(r.cell_type, r.neuron, r.animal, r.stimulus, r.trials): r for r in data.recordings}


def _assert_same(data: Dataset, again: Dataset, *, atol_s: float) -> None:
    ours, theirs = _by_key(data), _by_key(again)
    assert ours.keys() == theirs.keys()
    for key, recording in ours.items():
        np.testing.assert_array_equal(theirs[key].trace, recording.trace)
        np.testing.assert_allclose(theirs[key].time_s, recording.time_s, atol=atol_s)
        assert theirs[key].shift_px == recording.shift_px
        assert theirs[key].rate_hz == recording.rate_hz
    for name, shown in data.movies.items():
        np.testing.assert_array_equal(again.movies[name].luminance(), shown.luminance())


def test_the_published_layout_gives_the_same_items_again(tmp_path: Path) -> None:
    data = dataset(trials=2)
    folder = export_published(data, tmp_path / "out")
    config = PublishedDataConfig(
        ca_path=folder / "ca", mov_path=folder / "mov", rate_hz=RATE_HZ, background=GREY, average_trials=False
    )
    again = read_published(config)
    _assert_same(data, again, atol_s=0)
    order = [list(_by_key(data)).index(key) for key in _by_key(again)]
    batching = BatchingConfig(kind="recordings", batch_size=5)
    for ours, theirs in zip(loader(data.subset(order), batching), loader(again, batching), strict=True):
        np.testing.assert_array_equal(ours.contrast(), theirs.contrast())
        np.testing.assert_array_equal(ours.target, theirs.target)
        np.testing.assert_array_equal(ours.weight, theirs.weight)
    with pytest.raises(FileError, match="exists already"):
        export_published(data, folder)


def test_nwb_gives_the_same_recordings_again_and_passes_the_inspector(tmp_path: Path) -> None:
    data = dataset(trials=2)
    again = [open_import(import_config({"kind": "nwb", "path": p}), make_movie) for p in export_nwb(data, tmp_path)]
    parts = {part.recordings[0].animal: part for part in again}
    assert set(parts) == {"fly0", "fly1"}
    for animal, part in parts.items():
        _assert_same(data.subset(np.flatnonzero(data.table.animal == animal).tolist()), part, atol_s=1e-9)
        assert all(batch.exposure is None for batch in loader(part, BatchingConfig()))
    for path in tmp_path.glob("*.nwb"):
        serious = (Importance.ERROR, Importance.CRITICAL, Importance.PYNWB_VALIDATION)
        assert [m.message for m in inspect_nwbfile(nwbfile_path=path) if m.importance in serious] == []


def test_traces_on_another_clock_cannot_leave_in_the_published_layout(tmp_path: Path) -> None:
    stamps = np.arange(8) / 7.5
    data = Dataset.of({"loom": movie("loom")}, [Recording("lc4", "a", "loom", stamps.astype(np.float32), stamps, 7.5)])
    with pytest.raises(DataError, match="sampled on another clock than their movies"):
        export_published(data, tmp_path / "out")


class Written:
    """An NWB file as a lab may write it: fluorescence of two neurons for 40 s at 10 Hz."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = NWBFile("a session", "one", datetime.now(UTC))
        device = self.file.create_device("microscope")
        plane = self.file.create_imaging_plane(
            name="plane",
            optical_channel=OpticalChannel(name="green", description="", emission_lambda=510.0),
            description="",
            device=device,
            excitation_lambda=920.0,
            indicator="GCaMP6f",
            location="lobula",
        )
        segmentation = ImageSegmentation()
        self.module = self.file.create_processing_module("ophys", "traces")
        self.module.add(segmentation)
        self.rois = segmentation.create_plane_segmentation(name="rois", description="", imaging_plane=plane)
        for _ in range(2):
            self.rois.add_roi(pixel_mask=[(0, 0, 1.0)])
        rng = np.random.default_rng(0)
        self.signal = rng.normal(size=(400, 2))

    def add_responses(self, kind: type[DfOverF | Fluorescence], data: np.ndarray, unit: str, name: str) -> None:
        region = self.rois.create_roi_table_region(region=[0, 1], description="both")
        series = RoiResponseSeries(name="plane0", data=data, rois=region, unit=unit, rate=10.0)
        self.module.add(kind(name=name, roi_response_series=series))

    def write(self) -> None:
        with NWBHDF5IO(self.path, "w") as io:
            io.write(self.file)

    def opened(self, **config: Any) -> Dataset:
        if not self.path.exists():
            self.write()
        values = {"kind": "nwb", "path": str(self.path), "cell_type": "lc4", "background": GREY}
        return open_import(import_config(values | config), make_movie)


def imaging_plane(nwb: NWBFile, **fields: object) -> ImagingPlane:
    """The plane of pynwb's tutorial; that of Suite2p differs in nothing that is read but the fields given."""
    return nwb.create_imaging_plane(
        name="ImagingPlane",
        optical_channel=OpticalChannel(name="OpticalChannel", description="an optical channel", emission_lambda=500.0),
        description="a very interesting part of the brain",
        device=nwb.create_device(name="Microscope"),
        excitation_lambda=600.0,
        location="V1",
        **fields,
    )


def as_the_tutorial_of_pynwb(path: Path) -> NDArray:
    """Write what pynwb's tutorial on calcium imaging does: raw images, two planes of neurons, Fluorescence of one.

    https://pynwb.readthedocs.io/en/stable/tutorials/domain/ophys.html
    """
    nwb = NWBFile("my first synthetic recording", "EXAMPLE_ID", datetime.now(UTC), session_id="LONELYMTN")
    plane = imaging_plane(
        nwb, imaging_rate=30.0, indicator="GFP", grid_spacing=[0.01, 0.01], grid_spacing_unit="meters"
    )
    images = {"imaging_plane": plane, "rate": 30.0, "unit": "normalized amplitude"}
    nwb.add_acquisition(TwoPhotonSeries(name="TwoPhotonSeries1", data=np.ones((50, 9, 9)), **images))
    segmentation = ImageSegmentation()
    module = nwb.create_processing_module(name="ophys", description="optical physiology processed data")
    module.add(segmentation)
    first, _ = (
        segmentation.create_plane_segmentation(name=name, description="segmentation of my plane", imaging_plane=plane)
        for name in ("PlaneSegmentation", "PlaneSegmentation2")
    )
    for _ in range(30):
        first.add_roi(image_mask=np.eye(9))
    region = first.create_roi_table_region(region=[3, 1], description="the fourth and the second of the neurons")
    fluorescence = 100 + np.random.default_rng(1).random((900, 2))
    series = RoiResponseSeries(
        name="RoiResponseSeries", description="Fluorescence", data=fluorescence, rois=region, unit="lumens", rate=30.0
    )
    module.add(Fluorescence(roi_response_series=series))
    with NWBHDF5IO(path, "w") as io:
        io.write(nwb)
    return fluorescence


def test_a_file_as_the_tutorial_of_pynwb_writes_it(tmp_path: Path) -> None:
    fluorescence = as_the_tutorial_of_pynwb(tmp_path / "ophys.nwb")
    pd.DataFrame({"stimulus": ["spot", "bar"], "onset_s": [9.0, 20.0]}).to_csv(tmp_path / "onsets.csv", index=False)
    values = {"kind": "nwb", "path": str(tmp_path / "ophys.nwb"), "cell_type": "lc4", "stimuli": STIMULI}
    values |= {"onsets": str(tmp_path / "onsets.csv"), "dff": {"baseline": "percentile", "percentile": 0}}
    data = open_import(import_config(values | {"animal": "a", "session": "s", "pre_s": 0.5}), make_movie)
    assert data.neurons == {"lc4": ["s/1", "s/3"]}
    assert data.recordings[0].rate_hz == pytest.approx(30)
    trace = fluorescence[:, 1]  # of the neuron in row 1
    spot = next(r for r in data.recordings if (r.neuron, r.stimulus) == ("s/1", "spot"))
    expected = (trace / trace.min() - 1)[255 : 255 + len(spot.trace)]
    np.testing.assert_allclose(spot.trace, expected, rtol=1e-4, atol=1e-6)


def as_suite2p_exports(path: Path, n_planes: int = 2) -> dict[str, NDArray]:
    """Write the structure of ``suite2p.io.save_nwb``, three ROIs a plane, of which the last is no cell."""
    nwb = NWBFile("suite2p_proc", "/data/fly1", datetime.now(UTC))
    plane = imaging_plane(nwb, imaging_rate=10.0, indicator="GCaMP")
    raw = TwoPhotonSeries(
        name="TwoPhotonSeries",
        dimension=[9, 9],
        external_file=["raw.tif"],
        imaging_plane=plane,
        starting_frame=[0],
        format="external",
        rate=10.0 * n_planes,
        num_samples=600 * n_planes,
        unit="lumens",
    )
    nwb.add_acquisition(raw)
    segmentation = ImageSegmentation()
    rois = segmentation.create_plane_segmentation(
        name="PlaneSegmentation", description="suite2p output", imaging_plane=plane, reference_images=raw
    )
    module = nwb.create_processing_module(name="ophys", description="optical physiology processed data")
    module.add(segmentation)
    for number in range(3 * n_planes):
        rois.add_roi(voxel_mask=[(1, 1, number // 3, 1.0)])
    rois.add_column("iscell", "two columns - iscell & probcell", np.array([[1, 0.9], [1, 0.8], [0, 0.1]] * n_planes))
    rng = np.random.default_rng(2)
    values = {name: 200 + rng.random((600, 3 * n_planes)) for name in ("Fluorescence", "Neuropil", "Deconvolved")}
    regions = [list(range(3 * p, 3 * p + 3)) for p in range(n_planes)]
    tables = [rois.create_roi_table_region(region=r, description=f"ROIs for plane{p}") for p, r in enumerate(regions)]
    for name, traces in values.items():
        series = [
            RoiResponseSeries(name=f"plane{p}", data=traces[:, r], rois=tables[p], unit="lumens", rate=10.0)
            for p, r in enumerate(regions)
        ]
        module.add(Fluorescence(name=name, roi_response_series=series))
    backgrounds = Images(name="Backgrounds_0")
    backgrounds.add_image(GrayscaleImage(name="meanImg", data=np.zeros((9, 9))))
    module.add(backgrounds)
    with NWBHDF5IO(path, "w") as io:
        io.write(nwb)
    return values


def test_a_file_as_suite2p_exports_it(tmp_path: Path) -> None:
    written = as_suite2p_exports(tmp_path / "ophys.nwb")
    pd.DataFrame({"stimulus": ["spot"], "onset_s": [30.0]}).to_csv(tmp_path / "onsets.csv", index=False)
    values = {"kind": "nwb", "path": str(tmp_path / "ophys.nwb"), "cell_type": "lc4", "stimuli": STIMULI}
    values |= {"onsets": str(tmp_path / "onsets.csv"), "dff": {"baseline": "percentile", "percentile": 0}}
    data = open_import(import_config(values | {"animal": "a", "session": "s"}), make_movie)
    assert data.neurons == {"lc4": ["s/0", "s/1", "s/3", "s/4"]}  # cells of both planes
    corrected = written["Fluorescence"][:, 4] - 0.7 * written["Neuropil"][:, 4]
    expected = corrected / corrected.min() - 1
    found = next(r for r in data.recordings if r.neuron == "s/4")
    first = round((found.time_s[0] + 30 - 0.05) * 10)
    np.testing.assert_allclose(found.trace, expected[first : first + len(found.trace)], rtol=1e-3, atol=1e-5)


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path / "session.nwb")


def _template(name: str = "loom") -> OpticalSeries:
    luminance = (movie(name).luminance() * 255).round().astype(np.uint8)
    return OpticalSeries(
        name=name,
        data=luminance,
        unit="n.a.",
        rate=60.0,
        distance=0.1,
        field_of_view=[0.03527, 0.02822],
        orientation="up",
    )


def test_a_template_shown_twice_by_an_index_series(written: Written) -> None:
    written.add_responses(DfOverF, written.signal, "n.a.", "DfOverF")
    written.file.add_stimulus_template(_template())
    passes = np.concatenate([5 + np.arange(40) / 60, 20 + np.arange(40) / 60])
    written.write()
    with h5py.File(written.path, "a") as file:  # as pynwb wrote it until it wanted single images instead
        shown = file.create_group("stimulus/presentation/shown")
        shown.attrs["neurodata_type"] = "IndexSeries"
        shown["data"], shown["timestamps"] = np.tile(np.arange(40), 2).astype(np.uint32), passes
        shown["indexed_timeseries"] = h5py.SoftLink("/stimulus/templates/loom")
    data = written.opened()
    assert [(r.neuron, r.stimulus, r.trials) for r in data.recordings] == [
        (f"one/{n}", "loom", (t,)) for n in (0, 1) for t in (0, 1)
    ]
    np.testing.assert_allclose(data.recordings[3].trace, written.signal[190:227, 1], rtol=1e-6)
    assert data.recordings[3].time_s[0] == pytest.approx(-0.95)
    assert data.deg_per_px == pytest.approx(1, abs=0.001)
    np.testing.assert_allclose(data.movies["loom"].luminance(), movie("loom").luminance(), atol=1 / 500)


def test_presented_movies_and_percent(written: Written) -> None:
    written.add_responses(DfOverF, written.signal * 100, "percent", "DfOverF")
    shown = ImageSeries(name="bar", data=movie("bar").luminance(), unit="n.a.", rate=60.0, starting_time=7.0)
    written.file.add_stimulus(shown)
    with pytest.raises(StcnnError, match=r"frames of 16 x 20, and does not say which is its width.* Set movie_axes to"):
        written.opened()
    with pytest.raises(StcnnError, match=r"movie 'bar' of .* does not say its deg_per_px. Set deg_per_px"):
        written.opened(movie_axes="time_row_column")
    data = written.opened(deg_per_px=1.0, movie_axes="time_row_column")
    assert data.shape_px == (16, 20)
    assert written.opened(deg_per_px=1.0, movie_axes="time_column_row").shape_px == (20, 16)
    assert len(data) == 2
    np.testing.assert_allclose(data.recordings[0].trace, written.signal[60:100, 0], rtol=1e-5)


def test_fluorescence_with_neuropil_and_a_trials_table(written: Written) -> None:
    fluorescence, neuropil = 200 + 20 * written.signal, np.full_like(written.signal, 100)
    written.add_responses(Fluorescence, fluorescence, "lumens", "Fluorescence")
    written.add_responses(Fluorescence, neuropil, "lumens", "Neuropil")
    written.file.add_trial_column("stimulus_name", "what was shown")
    for onset_s in (5.0, 15.0):
        written.file.add_trial(start_time=onset_s, stop_time=onset_s + 3, stimulus_name="spot")
    data = written.opened(stimuli=STIMULI, dff={"baseline": "percentile", "percentile": 50})
    corrected = fluorescence[:, 1] - 70
    expected = corrected / np.median(corrected) - 1
    last = data.recordings[-1]
    np.testing.assert_allclose(last.trace, expected[140 : 140 + len(last.trace)], rtol=1e-4, atol=1e-6)
    with pytest.raises(StcnnError, match=r"has no column what, it has .*stimulus_name"):
        written.opened(stimuli=STIMULI, stimulus_column="what")


def test_the_baseline_follows_drift_and_leaves_responses() -> None:
    time_s = np.arange(3000) / 10
    response = np.where((time_s % 50 > 20) & (time_s % 50 < 25), 0.8, 0)
    drift = 100 * (1 + 0.5 * np.sin(time_s / 100))
    found = delta_f_over_f(drift * (1 + response), None, 10, DffConfig(), "a trace")
    np.testing.assert_allclose(found[response > 0], 0.8, atol=0.2)
    np.testing.assert_allclose(found[response == 0], 0, atol=0.2)
    with pytest.raises(DataError, match="a trace has a baseline fluorescence of -10, expected a positive baseline"):
        delta_f_over_f(np.full(100, -10.0), None, 10, DffConfig(), "a trace")


def test_onsets_from_a_table_beside_the_file(written: Written, tmp_path: Path) -> None:
    written.add_responses(DfOverF, written.signal, "n.a.", "DfOverF")
    pd.DataFrame({"stimulus": ["spot"], "onset_s": [9.0]}).to_csv(tmp_path / "onsets.csv", index=False)
    data = written.opened(onsets=str(tmp_path / "onsets.csv"), stimuli=STIMULI, exposure_s=0, pre_s=0.5, post_s=0)
    np.testing.assert_allclose(data.recordings[0].time_s, np.arange(-5, 9) / 10, atol=1e-9)
    assert data.recordings[0].exposure_s == 0
