"""One battery for all importers: the same session in every format comes back the same, lazily and in any process."""

from __future__ import annotations

import shutil
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from stcnn.data import BatchingConfig, Dataset, loader, write_store
from stcnn.data.exporters import export_nwb
from stcnn.data.importers import import_config, open_import
from stcnn.errors import StcnnError
from stcnn.movie import Movie
from tests.support.made_up_data import MOVIE_FRAMES, movie

IMAGING_HZ = 10.0
NEURONS = ("3", "8")
STIMULI = {name: {"kind": "made up", "name": name} for name in MOVIE_FRAMES}


def make_movie(spec: Mapping[str, Any]) -> Movie:
    return movie(spec["name"])


@dataclass(frozen=True)
class Truth:
    """A session: two neurons, three movies shown twice."""

    traces: np.ndarray
    onsets: pd.DataFrame

    @classmethod
    def lasting(cls, duration_s: float = 60) -> Truth:
        rng = np.random.default_rng(4)
        names = [*MOVIE_FRAMES, *MOVIE_FRAMES]
        onsets = pd.DataFrame({"stimulus": names, "onset_s": 5.03 + 7.1 * np.arange(6)})
        return cls(rng.normal(size=(2, int(duration_s * IMAGING_HZ))).astype(np.float32), onsets)

    @property
    def stamps(self) -> np.ndarray:
        """Middle of each exposure, which lasts the whole interval."""
        return (np.arange(self.traces.shape[1]) + 0.5) / IMAGING_HZ

    def recordings(self) -> dict[tuple[str, str, int], tuple[np.ndarray, np.ndarray]]:
        """(neuron, stimulus, trial) to time and trace, from a second before the movie to two after it."""
        cut = {}
        for neuron, trace in zip(NEURONS, self.traces, strict=True):
            for k, (name, onset_s) in enumerate(self.onsets.itertuples(index=False)):
                time_s = self.stamps - onset_s
                inside = (time_s >= -1) & (time_s <= MOVIE_FRAMES[name] / 60 + 2)
                cut[neuron, name, k // 3] = time_s[inside], trace[inside]
        return cut

    def session_files(self, folder: Path) -> dict[str, Any]:
        self.onsets.to_csv(folder / "onsets.csv", index=False)
        pd.DataFrame({"roi": [0, 2], "neuron": NEURONS, "cell_type": "LC4"}).to_csv(folder / "neurons.csv", index=False)
        return {
            **{"onsets": str(folder / "onsets.csv"), "neurons": str(folder / "neurons.csv")},
            **{"stimuli": STIMULI, "animal": "fly", "session": "one", "dff": {"baseline": "none"}},
        }

    def rows(self) -> np.ndarray:
        """The traces in rows 0 and 2 of the file, with a row between that is not wanted."""
        return np.stack([self.traces[0], np.zeros_like(self.traces[0]), self.traces[1]])


def suite2p(truth: Truth, folder: Path) -> dict[str, Any]:
    np.save(folder / "F.npy", truth.rows())
    np.save(folder / "Fneu.npy", np.zeros_like(truth.rows()))
    np.save(folder / "iscell.npy", np.array([[1, 0.9], [0, 0.1], [1, 0.8]]))
    np.save(folder / "ops.npy", np.array({"nframes": 3, "fs": IMAGING_HZ, "path": Path("/")}, dtype=object))
    return {"kind": "suite2p", "path": str(folder)} | truth.session_files(folder)


def caiman(truth: Truth, folder: Path) -> dict[str, Any]:
    with h5py.File(folder / "results.hdf5", "w") as file:
        file["estimates/C"] = truth.rows() * 0
        file["estimates/F_dff"] = truth.rows()
        file["estimates/idx_components"] = [0, 2]
        file["params/data/fr"] = IMAGING_HZ
    return {"kind": "caiman", "path": str(folder / "results.hdf5")} | truth.session_files(folder)


def _from_caiman(truth: Truth, folder: Path) -> Dataset:
    (folder / "other").mkdir()
    return open_import(import_config(caiman(truth, folder / "other")), make_movie)


def nwb(truth: Truth, folder: Path) -> dict[str, Any]:
    (path,) = export_nwb(_from_caiman(truth, folder), folder)
    return {"kind": "nwb", "path": str(path)}


def store(truth: Truth, folder: Path) -> dict[str, Any]:
    return {"kind": "store", "path": str(write_store(_from_caiman(truth, folder), folder / "set.zarr"))}


def _long_table(truth: Truth) -> pd.DataFrame:
    return pd.concat(
        pd.DataFrame({"cell": neuron, "stim": name, "trial": trial, "t": time_s, "trace": trace})
        for (neuron, name, trial), (time_s, trace) in truth.recordings().items()
    )


TABLE = {
    "kind": "tables",
    "columns": {"neuron": "cell", "stimulus": "stim", "time_s": "t"},
    "constants": {"cell_type": "LC4", "animal": "fly", "session": "one"},
    "rate_hz": IMAGING_HZ,
    "exposure_s": 1 / IMAGING_HZ,
    "stimuli": STIMULI,
}


def csv(truth: Truth, folder: Path) -> dict[str, Any]:
    _long_table(truth).to_csv(folder / "traces.csv", index=False)
    return TABLE | {"path": str(folder / "traces.csv")}


def parquet(truth: Truth, folder: Path) -> dict[str, Any]:
    _long_table(truth).to_parquet(folder / "traces.parquet")
    return TABLE | {"path": str(folder / "traces.parquet")}


def _padded(truth: Truth) -> dict[str, np.ndarray]:
    recordings = truth.recordings()
    longest = max(len(trace) for _, trace in recordings.values())
    fill = lambda values: np.pad(values, (0, longest - len(values)), constant_values=np.nan)  # noqa: E731
    keys = np.array([[neuron, name] for neuron, name, _ in recordings])
    return {
        **{"cell": keys[:, 0], "stim": keys[:, 1], "trial": np.array([trial for *_, trial in recordings])},
        **{"t": np.stack([fill(time_s) for time_s, _ in recordings.values()])},
        **{"trace": np.stack([fill(trace) for _, trace in recordings.values()])},
    }


def npz(truth: Truth, folder: Path) -> dict[str, Any]:
    np.savez(folder / "traces.npz", **_padded(truth))  # type: ignore[arg-type]
    return TABLE | {"path": str(folder / "traces.npz")}


def hdf5(truth: Truth, folder: Path) -> dict[str, Any]:
    with h5py.File(folder / "traces.h5", "w") as file:
        for name, values in _padded(truth).items():
            file[name] = values.astype("S") if values.dtype.kind == "U" else values
    return TABLE | {"path": str(folder / "traces.h5")}


ALL: list[Callable[[Truth, Path], dict[str, Any]]] = [store, nwb, suite2p, caiman, csv, parquet, npz, hdf5]
every_importer = pytest.mark.parametrize("write", ALL, ids=[write.__name__ for write in ALL])


def _opened(values: Mapping[str, Any]) -> Dataset:
    return open_import(import_config(values), make_movie)


@every_importer
def test_the_same_session_comes_back(write: Callable[[Truth, Path], dict[str, Any]], tmp_path: Path) -> None:
    truth = Truth.lasting()
    data = _opened(write(truth, tmp_path))
    expected = truth.recordings()
    assert data.neurons == {"lc4": ["3", "8"]}
    assert len(data) == len(expected)
    for recording in data.recordings:
        time_s, trace = expected.pop((recording.neuron, recording.stimulus, recording.trials[0]))
        np.testing.assert_allclose(recording.time_s, time_s, atol=1e-6)
        np.testing.assert_allclose(recording.trace, trace, atol=1e-6)
        assert (recording.animal, recording.session) == ("fly", "one")
        assert recording.rate_hz == pytest.approx(IMAGING_HZ)
        assert recording.exposure_s == pytest.approx(1 / IMAGING_HZ)
    for name in MOVIE_FRAMES:
        np.testing.assert_array_equal(data.movies[name].luminance(), movie(name).luminance())
        assert data.movies[name].rate_hz == 60


@every_importer
def test_two_workers_read_the_same_batches(write: Callable[[Truth, Path], dict[str, Any]], tmp_path: Path) -> None:
    data, config = _opened(write(Truth.lasting(), tmp_path)), BatchingConfig(batch_size=2)
    for ours, theirs in zip(loader(data, config), loader(data, config, n_workers=2), strict=True):
        assert torch.equal(ours.target, theirs.target)
        assert torch.equal(ours.contrast(), theirs.contrast())


LAZY = [store, nwb, suite2p, caiman]


@pytest.mark.parametrize("write", LAZY, ids=[write.__name__ for write in LAZY])
def test_opening_a_longer_session_takes_no_more_memory_than_its_clock(
    write: Callable[[Truth, Path], dict[str, Any]], tmp_path: Path
) -> None:
    peaks: list[int] = []
    for duration_s in (60, 60, 6000):  # the first one fills caches of the libraries
        folder = tmp_path / f"{len(peaks)}"
        folder.mkdir()
        values = write(Truth.lasting(duration_s), folder)
        tracemalloc.start()
        _opened(values)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    clock_bytes = 6000 * IMAGING_HZ * 8
    assert peaks[2] < peaks[1] + 6 * clock_bytes


@every_importer
def test_a_damaged_file_is_a_sentence(write: Callable[[Truth, Path], dict[str, Any]], tmp_path: Path) -> None:
    values = write(Truth.lasting(), tmp_path)
    path = Path(values["path"])
    for file in [path] if path.is_file() else [path / "F.npy", path / "zarr.json"]:
        if file.exists():
            file.write_bytes(b"\x07" * 60)
    with pytest.raises(StcnnError, match=r"cannot be read|is not a store|has no column"):
        _opened(values)


def _milliseconds(values: dict[str, Any]) -> None:
    if "onsets" in values:
        onsets = pd.read_csv(values["onsets"])
        onsets.assign(onset_s=onsets.onset_s * 1000).to_csv(values["onsets"], index=False)
    else:
        values["rate_hz"] = 0.01


@pytest.mark.parametrize("write", [suite2p, caiman, csv, npz], ids=["suite2p", "caiman", "csv", "npz"])
def test_a_wrong_unit_is_a_sentence(write: Callable[[Truth, Path], dict[str, Any]], tmp_path: Path) -> None:
    values = dict(write(Truth.lasting(), tmp_path))
    _milliseconds(values)
    sentence = (
        r"was shown at 5030.000 s, but .* has imaging frames from 0.050 to 59.950 s|stamps 0.1 s apart, expected 100 s"
    )
    with pytest.raises(StcnnError, match=sentence):
        _opened(values)


def test_time_stamps_in_milliseconds_are_guessed_at(tmp_path: Path) -> None:
    table = _long_table(Truth.lasting())
    table.assign(t=table.t * 1000).to_csv(tmp_path / "traces.csv", index=False)
    values = TABLE | {"path": str(tmp_path / "traces.csv")}
    with pytest.raises(StcnnError, match=r"time stamps 100 s apart, expected 0.1 s .* Set time_unit to ms"):
        _opened(values)
    assert _opened(values | {"time_unit": "ms"}).recordings[0].time_s[-1] < 4


def test_traces_in_percent_become_fractions(tmp_path: Path) -> None:
    values = csv(Truth.lasting(), tmp_path)
    whole, part = (_opened(values | {"trace_unit": unit}).recordings[0].trace for unit in ("fraction", "percent"))
    np.testing.assert_allclose(part, whole / 100, rtol=1e-6)


MISSING: list[tuple[Any, Callable[[dict[str, Any]], Any], str]] = [
    (
        suite2p,
        lambda v: Path(v["path"], "iscell.npy").unlink(),
        "iscell.npy does not exist, expected an array of numbers",
    ),
    (
        suite2p,
        lambda v: np.save(Path(v["path"], "ops.npy"), np.array({"a": 1}, object)),
        "the imaging rate cannot be read",
    ),
    (suite2p, lambda v: v.pop("onsets"), "nothing says when stimuli were shown in"),
    (caiman, lambda v: _delete(v, "estimates/C"), "has no 'estimates/C'"),
    (caiman, lambda v: _delete(v, "params/data/fr"), "has no 'params/data/fr'. Set rate_hz"),
    (caiman, lambda v: v.update(neurons=None), "neuron 0 of .* has no cell type. Set cell_type"),
    (caiman, lambda v: v.update(stimuli={"loon": {}}), "stimulus 'loom' has no movie.* did you mean 'loon'"),
    (nwb, lambda v: _delete(v, "processing/ophys/DfOverF"), "has no RoiResponseSeries in DfOverF or Fluorescence"),
    (nwb, lambda v: _delete(v, "intervals/responses_0_presentations"), "does not say when stimuli were shown"),
    (csv, lambda v: v.update(columns={}), "has no column 'time_s'. Name it in columns"),
    (csv, lambda v: v.update(constants={}), "does not say the cell_type of its traces"),
    (hdf5, lambda v: _delete(v, "trace"), "has no array 'trace'"),
]


def _delete(values: Mapping[str, Any], key: str) -> None:
    with h5py.File(values["path"], "a") as file:
        del file[key]


@pytest.mark.parametrize(("write", "spoil", "sentence"), MISSING)
def test_a_missing_key_is_a_sentence(
    write: Callable[[Truth, Path], dict[str, Any]], spoil: Callable[[Any], Any], sentence: str, tmp_path: Path
) -> None:
    values = dict(write(Truth.lasting(), tmp_path))
    spoil(values)
    with pytest.raises(StcnnError, match=sentence):
        _opened(values)


@pytest.mark.parametrize("kind", [["tables"], [[[]]], {"tables": 1}, None])
def test_a_kind_that_is_no_name_is_refused(kind: object) -> None:
    with pytest.raises(StcnnError, match=r"kind is .*, expected one of arena, caiman, nwb, published"):
        import_config({"kind": kind, "path": "traces.csv"})


def test_a_misspelt_key_and_kind_name_the_nearest(tmp_path: Path) -> None:
    values = csv(Truth.lasting(), tmp_path)
    with pytest.raises(StcnnError, match=r"'rate_hs' is no key of kind tables. Did you mean 'rate_hz'"):
        import_config(values | {"rate_hs": 3})
    with pytest.raises(
        StcnnError, match=r"kind is 'table', expected one of arena, caiman, nwb, published.* Did you mean 'tables'"
    ):
        import_config(values | {"kind": "table"})


def test_a_pickle_in_ops_is_never_loaded(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return shutil.rmtree, (str(tmp_path),)

    values = suite2p(Truth.lasting(), tmp_path)
    np.save(tmp_path / "ops.npy", np.array({"bomb": Bomb(), "fs": IMAGING_HZ}, dtype=object))
    assert len(_opened(values)) == 12
    assert tmp_path.exists()


def test_files_that_stimuli_name_lie_beside_the_yaml(tmp_path: Path):
    stimuli: dict[str, dict[str, Any]] = {
        "film": {"file": "movies/a.mp4", "rate_hz": 60},
        "again": {"kind": "recorded", "path": "movies/a.npy"},
        "arena": {"kind": "arena_pattern", "path": "p.pat", "arena": "/rig.yaml", "positions": "p.csv", "x": 3},
    }
    values = {"kind": "tables", "path": "traces.csv", "rate_hz": 10, "stimuli": stimuli}
    found = import_config(values, tmp_path).model_dump()["stimuli"]
    assert found == {
        "film": {"file": f"{tmp_path}/movies/a.mp4", "rate_hz": 60},
        "again": {"kind": "recorded", "path": f"{tmp_path}/movies/a.npy"},
        "arena": stimuli["arena"] | {"path": f"{tmp_path}/p.pat", "positions": f"{tmp_path}/p.csv"},
    }
