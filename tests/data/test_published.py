"""The published folder layout: every item as the published program makes it, and each fault in a sentence."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stcnn.config import compose
from stcnn.data import BatchingConfig, Dataset, PublishedDataConfig, loader, read_published
from stcnn.errors import DataError, FileError, ShapeError, StcnnError
from stcnn.evaluate.tables import family_of
from tests.support.made_up_data import movie_luminance, published_content, write_published


@pytest.mark.parametrize("mode", ["average_trials", "single_trials"])
def test_every_item_of_the_published_data_set(shared: Path, mode: str) -> None:
    folder = shared / "reference" / "tiny_dataset"
    expected = json.loads((folder / "expected_items.json").read_text())[mode]
    config = PublishedDataConfig(
        ca_path=folder / "ca",
        mov_path=folder / "mov",
        cell_types=("lc18", "lc11"),
        file_order={"lc18": ("rec1.pt", "rec0.pt"), "LC11": ("rec1.pt", "rec0.pt")},
        average_trials=mode == "average_trials",
    )
    data = read_published(config)
    batching = BatchingConfig(kind="recordings", batch_size=5, pre_grey_s=40 / 180, loss_start_s=-0.1)
    seen = 0
    for batch in loader(data, batching):
        contrast = batch.contrast().double()
        for place, (item, clip) in enumerate(zip(batch.item.tolist(), batch.clip.tolist(), strict=True)):
            want, got, picture = expected[item], data.recordings[item], contrast[clip]
            assert [got.cell_type, f"{got.animal}.pt", got.stimulus, int(got.neuron), list(got.trials)] == [
                *(want["cell_type"], want["file"], want["stimulus"], want["uid"], want["trials"])
            ]
            assert int(batch.neuron[place]) == want["neuron"]
            assert data.cell_types[int(batch.cell_type[place])] == want["cell_type"]
            scored = torch.zeros(want["n_frames"])
            scored[slice(*want["loss_window"])] = 1
            assert torch.equal(batch.weight[place], scored)
            assert picture.sum().item() == pytest.approx(want["movie_sum"], abs=1e-6)
            np.testing.assert_allclose(picture.abs().sum((0, 2)), want["movie_abs_rowprofile"], atol=1e-6)
            np.testing.assert_allclose(picture.abs().sum((0, 1)), want["movie_abs_colprofile"], atol=1e-6)
            np.testing.assert_allclose(batch.target[place], want["trace"], atol=1e-6)
            seen += 1
    assert seen == len(expected)


@pytest.fixture(scope="module")
def t4_stripes(shared: Path) -> Dataset:
    folder = shared / "data" / "t4_stripes"
    return read_published(PublishedDataConfig(ca_path=folder / "ca", mov_path=folder / "mov", rate_hz=60))


def test_real_recordings_of_230_neurons(t4_stripes: Dataset) -> None:
    data = t4_stripes
    assert data.cell_types == ("t4_layer1", "t4_layer2", "t5_layer1", "t5_layer2")
    assert sum(map(len, data.neurons.values())) == 230
    assert all(movie.frames.dtype == np.uint8 for movie in data.movies.values())
    batch = next(iter(loader(data, BatchingConfig())))
    assert batch.n_grey >= 180
    assert len(batch.item) > len(batch.multiplicity)


def test_stripes_are_a_family_of_bright_and_one_of_dark_ones(t4_stripes: Dataset) -> None:
    families = compose(["dataset=t4_stripes"]).split.families
    for name, movie in t4_stripes.movies.items():
        contrast = movie.contrast()
        brighter = {"bright_stripe": contrast.max() > 0, "dark_stripe": contrast.min() < 0}
        assert sum(brighter.values()) == 1
        assert brighter[family_of(name, t4_stripes, families)]


def test_cell_types_are_lower_case_sorted_or_as_given(tmp_path: Path) -> None:
    config = write_published(tmp_path)
    assert read_published(config).cell_types == ("lc11", "lc4")
    given = config.model_copy(update={"cell_types": ("LC4", "lc11")})
    assert read_published(given).cell_types == ("lc4", "lc11")


def test_hex_movies_are_read_and_rect_movies_preferred(tmp_path: Path) -> None:
    config = write_published(tmp_path)
    for path in (tmp_path / "mov").iterdir():
        (stimulus, entry), *_ = torch.load(path, weights_only=True).items()
        torch.save({stimulus: entry | {"hex_mov": 1 - entry["rect_mov"]}}, path)
    frames = movie_luminance("loom")
    rect = read_published(config).movies["vstim_loom"]
    hexagonal = read_published(config.model_copy(update={"movie_layout": "hex_mov"})).movies["vstim_loom"]
    np.testing.assert_array_equal(rect.luminance(), frames)
    np.testing.assert_array_equal(hexagonal.luminance(), 1 - frames)


def _damage(change: Callable[[dict[str, Any]], Any], path: Path) -> None:
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, path)


FAULTS = {
    "NaN": (
        lambda c: c["vstim_bar"]["neuron"][12]["traces"].__setitem__((1, 4), torch.nan),
        ["LC4/fly1.pt, stimulus 'vstim_bar', neuron 12 has 1 values that are not finite", "trial 1, sample 4"],
    ),
    "no movie": (
        lambda c: c.__setitem__("vstim_bat", c.pop("vstim_bar")),
        ["stimulus 'vstim_bat' of lc4/fly1.pt has no movie", "did you mean 'vstim_bar'?"],
    ),
    "t_axis": (
        lambda c: c["vstim_bar"].__setitem__("t_axis", c["vstim_bar"]["t_axis"][:-3]),
        ["2 faults", "neuron 7 has traces of 120 samples but a t_axis of 117", "neuron 12"],
    ),
    "trials": (
        lambda c: c["vstim_loom"]["neuron"][7].__setitem__("traces", [torch.ones(100), torch.ones(99)]),
        ["neuron 7 has trials of unequal lengths [99, 100], expected 100 samples each"],
    ),
    "no traces": (lambda c: c["vstim_loom"]["neuron"][7].pop("traces"), ["neuron 7 has no 'traces'"]),
    "no key": (lambda c: c["vstim_loom"].pop("neuron"), ["stimulus 'vstim_loom' has no 'neuron'"]),
    "rate": (
        lambda c: c["vstim_loom"].__setitem__("Hz", 50),
        ["stimulus 'vstim_loom' was sampled at 50 Hz, expected rate_hz = 60 Hz of the configuration"],
    ),
    "dropped block": (
        lambda c: c["vstim_loom"]["t_axis"][20:].add_(0.1),
        ["stimulus 'vstim_loom' has a t_axis whose step after sample 19 is 0.1167 s, expected 0.01667 s at 60 Hz"],
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_recording_is_named(tmp_path: Path, fault: str) -> None:
    change, sentences = FAULTS[fault]
    config = write_published(tmp_path)
    _damage(change, tmp_path / "ca" / "LC4" / "fly1.pt")
    with pytest.raises(DataError) as error:
        read_published(config)
    for sentence in sentences:
        assert sentence in str(error.value)


def test_all_faults_of_a_folder_in_one_message(tmp_path: Path) -> None:
    config = write_published(tmp_path)
    for cell_type in ("LC4", "LC11"):
        content = published_content()
        for entry in content.values():
            entry["Hz"] = 30
        torch.save(content, tmp_path / "ca" / cell_type / "fly1.pt")
    with pytest.raises(DataError, match=r"6 faults in .*\(1\) .*\(5\) .*; and 1 more"):
        read_published(config)


def test_a_missing_folder_and_an_empty_one(tmp_path: Path) -> None:
    config = write_published(tmp_path)
    missing = config.model_copy(update={"ca_path": tmp_path / "calcium"})
    with pytest.raises(FileError, match=r"calcium is not a folder, expected the folder of"):
        read_published(missing)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match=r"empty holds no vstim_\*.pt, expected movies"):
        read_published(config.model_copy(update={"mov_path": tmp_path / "empty"}))
    (tmp_path / "ca" / "LC4" / "fly1.pt").unlink()
    with pytest.raises(FileError, match=r"LC4 holds no \*.pt, expected recordings of lc4"):
        read_published(config)


def test_an_unknown_cell_type_and_a_wrong_file_order(tmp_path: Path) -> None:
    config = write_published(tmp_path)
    with pytest.raises(FileError, match=r"cell type 'lc12' has no folder in .* Did you mean 'lc11'"):
        read_published(config.model_copy(update={"cell_types": ("lc12",)}))
    with pytest.raises(FileError, match=r"file_order names fly2.pt but .*LC4 holds fly1.pt"):
        read_published(config.model_copy(update={"file_order": {"lc4": ("fly2.pt",)}}))


def test_a_truncated_file_a_pickle_and_a_list(tmp_path: Path) -> None:
    config = write_published(tmp_path)
    path = tmp_path / "ca" / "LC4" / "fly1.pt"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(
        StcnnError, match=r"fly1.pt cannot be read \(.*\), expected a complete file of stimuli, written by torch.save"
    ):
        read_published(config)
    torch.save({"vstim_bar": Path("/")}, path)
    with pytest.raises(StcnnError, match="holds objects other than tensors, numbers and dictionaries"):
        read_published(config)
    torch.save([1, 2], path)
    with pytest.raises(StcnnError, match=r"fly1.pt holds a list, expected a dictionary"):
        read_published(config)


def test_movies_of_different_sizes(tmp_path: Path) -> None:
    config = write_published(tmp_path)
    small = torch.from_numpy(movie_luminance("loom", (12, 20)))
    torch.save({"vstim_loom": {"rect_mov": small}}, tmp_path / "mov" / "vstim_loom.pt")
    with pytest.raises(ShapeError, match=r"has 16 x 20 px of 1 deg but .* has 12 x 20 px"):
        read_published(config)


def test_a_movie_with_impossible_luminance_or_of_unequal_length(tmp_path: Path) -> None:
    config = write_published(tmp_path)
    frames = torch.from_numpy(movie_luminance("loom"))
    torch.save({"vstim_loom": {"rect_mov": frames * 255}}, tmp_path / "mov" / "vstim_loom.pt")
    with pytest.raises(DataError, match=r"vstim_loom.pt, stimulus 'vstim_loom': movie luminance runs from 0 to 255"):
        read_published(config)
    torch.save({"vstim_loom": {"rect_mov": frames, "t_axis": torch.arange(3)}}, tmp_path / "mov" / "vstim_loom.pt")
    with pytest.raises(DataError, match="the movie has 40 frames but a t_axis of 3"):
        read_published(config)


def _second_fly(config: PublishedDataConfig, rename: dict[int, int] | None = None) -> None:
    """Write another file of LC4 with the same uids, or renamed ones."""
    content = published_content("LC4")
    for entry in content.values():
        entry["neuron"] = {(rename or {}).get(uid, uid): neuron for uid, neuron in entry["neuron"].items()}
    torch.save(content, config.ca_path / "LC4" / "fly2.pt")


def test_a_uid_in_two_files_is_never_merged(tmp_path: Path) -> None:
    config = write_published(tmp_path)
    _second_fly(config, {12: 13})
    said = r"the uid 7 of lc4 stands in fly1.pt and fly2.pt \(say dataset.repeated_uids=apart if these are different"
    with pytest.raises(DataError, match=said):
        read_published(config)
    apart = read_published(config.model_copy(update={"repeated_uids": "apart"}))
    assert list(apart.neurons["lc4"]) == ["fly1/7", "12", "fly2/7", "13"]
    assert list(apart.neurons["lc11"]) == ["7", "12"]
    assert len(apart.recordings) == 6 * len(apart.movies)
    with pytest.raises(DataError, match=r"neuron 7 of lc4 has the stimulus 'vstim_.*' twice"):
        read_published(config.model_copy(update={"repeated_uids": "one_neuron"}))


def test_a_neuron_whose_stimuli_are_in_two_files_is_one_if_told_so(tmp_path: Path) -> None:
    config = write_published(tmp_path, ("LC4",))
    first, *others = published_content("LC4").items()
    torch.save(dict([first]), config.ca_path / "LC4" / "fly1.pt")
    torch.save(dict(others), config.ca_path / "LC4" / "fly2.pt")
    with pytest.raises(DataError, match=r"stands in fly1.pt and fly2.pt, and 1 more uids in several files"):
        read_published(config)
    data = read_published(config.model_copy(update={"repeated_uids": "one_neuron"}))
    assert list(data.neurons["lc4"]) == ["7", "12"]
    assert {recording.animal for recording in data.recordings} == {"fly1"}
    assert len(data.recordings) == 2 * len(data.movies)


def test_a_uid_as_number_and_as_text_is_not_merged(tmp_path: Path) -> None:
    config = write_published(tmp_path, ("LC4",))
    content = published_content("LC4")
    for entry in content.values():
        entry["neuron"]["7"] = entry["neuron"][12]
    torch.save(content, config.ca_path / "LC4" / "fly1.pt")
    with pytest.raises(DataError, match=r"neuron 7 of lc4 has the stimulus 'vstim_\w+' twice, expected each uid once"):
        read_published(config)


def test_a_movie_in_two_files_is_refused(tmp_path: Path) -> None:
    config = write_published(tmp_path)
    first = sorted(config.mov_path.iterdir())[0]
    shutil.copy(first, config.mov_path / "vstim_zz.pt")
    with pytest.raises(DataError, match=rf"the movie of stimulus '{first.stem}' stands in .*{first.name} and again in"):
        read_published(config)
