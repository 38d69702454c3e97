"""A cell stays the cell that it is, a name the text that it is, and a repeat a repeat, on the way into the program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stcnn.data import open_store, write_store
from stcnn.data.importers.dff import DffConfig, delta_f_over_f
from stcnn.errors import StcnnError
from tests.support.lab_files import SUITE2P, opened, pickled_settings, plane


@pytest.mark.parametrize(
    "values",
    [
        {"path": "s2p/plane*"},
        {"path": "s2p"},
        {"path": "."},
        {"sessions": [{"path": "s2p/plane0"}, {"path": "s2p/plane1"}]},
        {"sessions": [{"path": "s2p/plane1"}, {"path": "s2p/plane0"}]},
    ],
)
def test_cells_of_two_planes_are_different_cells(values: dict[str, Any], tmp_path: Path) -> None:
    for number in (0, 1):
        plane(tmp_path / "s2p" / f"plane{number}", seed=number)
    plane(tmp_path / "s2p" / "combined", n=6)
    if values.get("path") == ".":
        (tmp_path / "s2p").rename(tmp_path / "suite2p")
    data = opened(tmp_path, SUITE2P | {"animal": "f1", "session": "s1"} | values)
    assert data.neurons == {"x": [f"s1/plane{p}/{roi}" for p in (0, 1) for roi in range(3)]}
    assert set(data.table.groupby(["neuron", "stimulus"]).size()) == {2}


def test_a_combination_is_not_added_to_its_planes(tmp_path: Path) -> None:
    plane(tmp_path / "plane0")
    plane(tmp_path / "combined")
    with pytest.raises(StcnnError, match=r"combined holds the same neurons as the planes beside it"):
        opened(tmp_path, SUITE2P | {"path": "[cp]*"})
    assert any("all planes on one clock" in note for note in opened(tmp_path, SUITE2P | {"path": "combined"}).notes)


def test_folders_of_unnamed_animals_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    for fly in ("fly1", "fly2"):
        plane(tmp_path / fly / "suite2p" / "plane0")
    data = opened(tmp_path, SUITE2P | {"path": "fly*/suite2p/plane0"})
    assert data.neurons["x"] == [f"{fly}/{roi}" for fly in ("fly1", "fly2") for roi in range(3)]
    with pytest.raises(StcnnError, match=r"fly1/suite2p stands in two sessions"):
        opened(tmp_path, SUITE2P | {"sessions": [{"path": "fly1/suite2p"}, {"path": "fly1/suite2p"}]})


def test_the_second_channel_is_taken_by_its_key_and_holds_other_cells(tmp_path: Path) -> None:
    folder = plane(tmp_path / "plane0")
    np.save(folder / "F_chan2.npy", np.load(folder / "F.npy") * 2)
    first = opened(tmp_path, SUITE2P | {"path": "plane0"})
    assert any("channel 1 was taken; there is a second" in note for note in first.notes)
    both = opened(tmp_path, SUITE2P | {"sessions": [{"path": "plane0"}, {"path": "plane0", "channel": "2"}]})
    assert both.neurons["x"] == ["0", "1", "2", "channel2/0", "channel2/1", "channel2/2"]
    assert any("no neuropil was subtracted" in note for note in both.notes)
    (folder / "F_chan2.npy").unlink()
    with pytest.raises(StcnnError, match=r"has no F_chan2\.npy"):
        opened(tmp_path, SUITE2P | {"path": "plane0", "channel": "2"})


def test_planes_of_one_table_of_neurons_are_told_by_its_column(tmp_path: Path) -> None:
    for number in (0, 1):
        plane(tmp_path / f"plane{number}", seed=number)
    (tmp_path / "n.csv").write_text("roi,plane,neuron\n1,plane0,01\n1,1,1\n")
    data = opened(tmp_path, SUITE2P | {"path": ".", "neurons": "n.csv"})
    assert data.neurons["x"] == ["01", "1"]
    assert any("'01', '1' are taken as 2 different ones" in note for note in data.notes)
    (tmp_path / "n.csv").write_text("roi\n1\n")
    with pytest.raises(StcnnError, match=r"n.csv has no column 'plane', and .* has 2 planes"):
        opened(tmp_path, SUITE2P | {"path": ".", "neurons": "n.csv"})


def test_planes_begin_where_their_key_says(tmp_path: Path) -> None:
    for number in (0, 1):
        plane(tmp_path / f"plane{number}", fs=None)
        np.save(tmp_path / f"plane{number}" / "settings.npy", np.array({"fs": 10.0}, object), allow_pickle=True)
        np.save(tmp_path / f"plane{number}" / "db.npy", np.array({"nplanes": 2}, object), allow_pickle=True)
    data = opened(tmp_path, SUITE2P | {"path": ".", "plane_offsets_s": {"plane1": "0.02"}})
    first, second = (data.table.start_s[data.table.neuron == f"plane{p}/0"].iloc[0] for p in (0, 1))
    assert (second - first - 0.02 + 1e-9) % 0.1 == pytest.approx(0, abs=1e-6)  # at the next frame of that plane
    assert [note for note in data.notes if "is one of 2 planes" in note] != []


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "fs", [10, 10.0, np.float64(10), np.float32(10), np.int64(10), np.array(10.0), np.array([10.0])]
)
def test_the_rate_is_read_from_settings_of_any_numpy(protocol: int, fs: object, tmp_path: Path) -> None:
    folder = plane(tmp_path / "plane0", n=1)
    inner = {"fs": 15.0, "fs2": "fs"}
    pickled_settings(folder / "ops.npy", {"db": inner, "names": ["fs", inner], "fs": fs, "p": Path("/")}, protocol)
    assert opened(tmp_path, SUITE2P | {"path": "plane0"}).table.rate_hz.iloc[0] == pytest.approx(10)


def without_regions(folder: Path) -> None:
    for name in ("F.npy", "Fneu.npy", "iscell.npy"):
        np.save(folder / name, np.zeros((0, 600), "f4"))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (
            without_regions,
            "F.npy holds no region",
        ),
        (lambda f: np.save(f / "iscell.npy", np.zeros((3, 2))), r"calls none of the 3 regions of .* a cell"),
        (
            lambda f: np.save(f / "iscell.npy", np.ones((2, 2))),
            r"3 rows in F.npy, but iscell.npy has the shape \(2, 2\)",
        ),
        (lambda f: np.save(f / "iscell.npy", np.full((3, 2), 0.5)), r"holds a value that is not 0 or 1"),
        (lambda f: np.save(f / "Fneu.npy", np.ones((3, 5))), r"Fneu.npy has the shape \(3, 5\), expected \(3, 600\)"),
        (lambda f: np.save(f / "F.npy", np.ones(5)), "F.npy has the shape"),
        (lambda f: (f / "ops.npy").write_bytes(b"x"), "ops.npy cannot be read"),
        (lambda f: pickled_settings(f / "ops.npy", {"fs": float("nan")}, 4), "the imaging rate cannot be read"),
        (lambda f: pickled_settings(f / "ops.npy", {"fs": "10"}, 3), "the imaging rate cannot be read"),
        (lambda f: np.save(f / "F.npy", np.ones((3, 600))), "none of 3 neurons of .* has a trace that can be used"),
    ],
)
def test_what_does_not_fit_in_a_folder_is_a_sentence(
    spoil: Callable[[Path], Any], sentence: str, tmp_path: Path
) -> None:
    spoil(plane(tmp_path / "plane0"))
    with pytest.raises(StcnnError, match=sentence):
        opened(tmp_path, SUITE2P | {"path": "plane0"})


def test_cells_may_be_chosen_by_a_mask_without_probabilities(tmp_path: Path) -> None:
    folder = plane(tmp_path / "plane0")
    np.save(folder / "iscell.npy", np.array([True, False, True]))
    assert opened(tmp_path, SUITE2P | {"path": "plane0"}).neurons["x"] == ["0", "2"]


def test_one_faint_region_and_one_bad_frame_cost_themselves(tmp_path: Path) -> None:
    folder = plane(tmp_path / "plane0", n=5)
    traces = np.load(folder / "F.npy")
    clean = opened(tmp_path, SUITE2P | {"path": "plane0"})
    traces[1], traces[2], traces[3, 105], traces[4, 305] = 50, np.nan, np.nan, np.inf
    np.save(folder / "F.npy", traces)
    data = opened(tmp_path, SUITE2P | {"path": "plane0"})
    assert data.neurons["x"] == ["0", "3", "4"]
    assert len(data) == 12
    said = " ".join(data.notes)
    assert "2 of 5 neurons were left out: 1 (has a baseline fluorescence of -" in said
    assert "2 (has no finite sample)" in said
    assert "2 samples that are not finite were left out, of 2 neurons: 3 (1), 4 (1)." in said
    write_store(data, tmp_path / "x.zarr")
    for recording in open_store(tmp_path / "x.zarr").recordings:
        same = (clean.table.neuron == recording.neuron) & (clean.table.stimulus == recording.stimulus)
        (whole,) = [r for i in np.flatnonzero(same) if (r := clean.recordings[int(i)]).trials == recording.trials]
        kept = np.isin(whole.time_s, recording.time_s)
        bad = (recording.stimulus, recording.neuron, recording.trials[0]) in {("a", "3", 0), ("a", "4", 1)}
        assert (~kept).sum() == int(bad)
        assert np.isfinite(recording.trace).all()
        np.testing.assert_allclose(recording.trace, whole.trace[kept], atol=0.02)


@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("baseline", ["maximin", "percentile"])
def test_a_missing_frame_hardly_moves_the_baseline(missing: float, baseline: Any) -> None:  # noqa: ANN401
    rng = np.random.default_rng(0)
    trace = 300 + 60 * np.sin(np.arange(3000) / 400) + 10 * rng.standard_normal(3000)
    config = DffConfig(baseline=baseline)
    true = delta_f_over_f(trace, None, 10.0, config, "")
    trace[1500] = missing
    found = delta_f_over_f(trace, None, 10.0, config, "")
    assert np.flatnonzero(~np.isfinite(found)).tolist() == [1500]
    np.testing.assert_allclose(np.delete(found, 1500), np.delete(true, 1500), atol=1e-3)
