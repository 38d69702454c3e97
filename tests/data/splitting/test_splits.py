"""Splits: nothing of a neuron's stimulus stands on two sides, whatever the movie is called."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stcnn.data import Dataset, Split, SplitConfig, open_store, split_recordings, write_store
from stcnn.data.dataset import select
from stcnn.data.splitting.duplicates import fingerprint, same_content
from stcnn.data.splitting.splits import recording_keys, require_no_leak
from stcnn.errors import ConfigError, DataError
from stcnn.movie import Movie
from tests.support.made_up_data import GREY, RATE_HZ, dataset

CONFIG = {"validation": 0.2, "test": 0.2}


def _many_stimuli(n_stimuli: int = 12, neurons_per_type: int = 4, trials: int = 2) -> Dataset:
    """Twelve squares of different sizes; every neuron of both types saw all of them."""
    data = dataset(neurons_per_type, ("loom",), trials)
    movies, recordings = {}, []
    for size in range(1, n_stimuli + 1):
        frames = np.full((40, 16, 20), GREY, np.float32)
        frames[5:30, 2 : 2 + size, 3 : 3 + size] = 0
        movies[f"square_{size}"] = Movie.from_luminance(frames, RATE_HZ, background=GREY)
        recordings += [replace(r, stimulus=f"square_{size}") for r in data.recordings]
    return Dataset.of(movies, recordings)


def _sides(split: Split) -> dict[str, set[int]]:
    return {"train": set(split.train), "validation": set(split.validation), "test": set(split.test)}


@pytest.mark.parametrize("kind", ["stimulus_x_neuron", "stimulus", "neuron"])
def test_a_split_is_a_partition_with_the_wanted_shares(kind: str) -> None:
    data = _many_stimuli(neurons_per_type=10)
    split = split_recordings(data, SplitConfig.model_validate(CONFIG | {"kind": kind}))
    assert sorted([*split.train, *split.validation, *split.test]) == list(range(len(data)))
    for side in (split.validation, split.test):
        shares = data.subset(side).table.cell_type.value_counts() / data.table.cell_type.value_counts()
        assert shares.to_numpy() == pytest.approx(0.2, abs=0.05)


@given(seed=st.integers(0, 1000), kind=st.sampled_from(["stimulus_x_neuron", "stimulus", "neuron"]))
def test_trials_of_one_neuron_and_stimulus_stay_together(seed: int, kind: str) -> None:
    data = _many_stimuli(6)
    split = split_recordings(data, SplitConfig.model_validate(CONFIG | {"kind": kind, "seed": seed}))
    rows = data.table
    pairs = [
        set(zip(rows.cell_type[list(s)], rows.neuron[list(s)], rows.stimulus[list(s)], strict=True))
        for s in _sides(split).values()
    ]
    assert not pairs[0] & pairs[1]
    assert not pairs[0] & pairs[2]
    assert not pairs[1] & pairs[2]
    trained = data.subset(split.train).table
    if kind == "stimulus_x_neuron":
        assert set(trained.cell_type + trained.neuron) == set(rows.cell_type + rows.neuron)


def test_the_seed_decides_the_split() -> None:
    data = _many_stimuli()
    splits = [split_recordings(data, SplitConfig(seed=seed)) for seed in (1, 1, 2)]
    assert splits[0] == splits[1] != splits[2]


def _copy_of(original: Movie, how: str) -> Movie:
    frames = original.luminance()
    changed = {
        "same": frames,
        "mirrored": frames[:, :, ::-1],
        "upside down": frames[:, ::-1],
        "shifted": np.roll(frames, (3, 2), (1, 2)),
        "later": np.concatenate([np.full_like(frames[:7], GREY), frames]),
        "longer": np.concatenate([frames, np.full_like(frames[:7], GREY)]),
        "many grey values": frames,
    }[how]
    copy = Movie.from_luminance(changed.copy(), RATE_HZ, background=GREY)
    return Movie(copy.luminance(), RATE_HZ, background=GREY) if how == "many grey values" else copy


HOW = ["same", "mirrored", "upside down", "shifted", "later", "longer", "many grey values"]


@pytest.mark.parametrize("how", HOW)
def test_a_planted_copy_under_another_name_is_caught(how: str) -> None:
    data = _many_stimuli()
    planted = [replace(r, stimulus="planted") for r in data.recordings if r.stimulus == "square_4"]
    movies = dict(data.movies) | {"planted": _copy_of(data.movies["square_4"], how)}
    data = Dataset.of(movies, [*data.recordings, *planted])
    copied, kept = (tuple(np.flatnonzero(data.table.stimulus == n).tolist()) for n in ("planted", "square_4"))
    with pytest.raises(DataError, match=r"the split leaks: .*/planted/.* of the test set belongs together with"):
        require_no_leak(Split(kept, (), copied), data, SplitConfig())
    for seed in range(20):
        split = split_recordings(data, SplitConfig.model_validate(CONFIG | {"seed": seed}))
        for indices in _sides(split).values():
            side = data.subset(sorted(indices)).table
            shown = {
                name: set(zip(side.cell_type[rows], side.neuron[rows], strict=True))
                for name, rows in ((n, side.stimulus == n) for n in ("planted", "square_4"))
            }
            assert shown["planted"] == shown["square_4"]


@pytest.mark.parametrize("kind", ["stimulus_x_neuron", "neuron", "animal", "session", "repeat"])
def test_one_neuron_under_two_names_stays_on_one_side(kind: str) -> None:
    """A file was imported twice: the samples are the same, the names of animal, neuron and movie are not."""
    data = dataset(neurons_per_type=6, trials=3)
    apart = [replace(r, animal=f"fly{r.neuron}", session=r.neuron) for r in data.recordings]
    copies = [
        replace(r, neuron="copy", animal="fly of the copy", session="copy", stimulus=f"copy of {r.stimulus}")
        for r in apart
        if r.neuron == "2" and r.cell_type == "lc4"
    ]
    movies = dict(data.movies) | {f"copy of {name}": movie for name, movie in data.movies.items()}
    data = Dataset.of(movies, [*apart, *copies])
    place = {key: i for i, key in enumerate(recording_keys(data.table))}
    fly, copy = "lc4/fly2/2/", "lc4/fly of the copy/copy/copy of "
    copied = [(i, place[key.replace(copy, fly)]) for key, i in place.items() if key.startswith(copy)]
    assert len(copied) == 9
    config = SplitConfig.model_validate(CONFIG | {"kind": kind})
    for seed in range(10):
        sides = _sides(split_recordings(data, config.model_copy(update={"seed": seed}))).values()
        assert all((i in side) == (j in side) for side in sides for i, j in copied)
    i, j = copied[0]
    with pytest.raises(DataError, match=r"the split leaks: .*lc4/fly.* belongs together with .*lc4/fly"):
        require_no_leak(Split((i,), (j,), ()), data, config)


def test_constant_traces_of_dead_cells_are_no_copies() -> None:
    data = dataset(neurons_per_type=6)
    dead = Dataset.of(data.movies, [replace(r, trace=np.zeros_like(r.trace)) for r in data.recordings])
    assert split_recordings(dead, SplitConfig(kind="neuron")) == split_recordings(data, SplitConfig(kind="neuron"))


def test_copies_are_found_among_averages_by_a_trial_and_in_stores_without_reading_a_trace(tmp_path: Path) -> None:
    data = dataset(neurons_per_type=6, trials=3)
    (*_, last) = (r for r in data.recordings if r.neuron == "2" and r.stimulus == "loom" and r.cell_type == "lc4")
    data = Dataset.of(data.movies, [*data.recordings, replace(last, neuron="copy", trials=(0,))])
    stored = open_store(write_store(data, tmp_path / "set.zarr"))
    assert stored.trace_prints() == data.trace_prints()
    unread = replace(stored, recordings=[])
    for found in (select(data, average_trials=True), select(unread, average_trials=True)):
        table = found.table
        mine = np.flatnonzero(
            table.neuron.isin(["2", "copy"]) & (table.cell_type == "lc4") & (table.stimulus == "loom")
        )
        one, other = mine.tolist()
        with pytest.raises(DataError, match="belongs together with"):
            require_no_leak(Split((one,), (other,), ()), found, SplitConfig(kind="neuron"))


def _prints(**frames: np.ndarray) -> dict[str, np.ndarray]:
    return {n: fingerprint(Movie.from_luminance(f, RATE_HZ, background=GREY)) for n, f in frames.items()}


def _disc(row: int, column: int, radius: float = 5) -> np.ndarray:
    y, x = np.mgrid[:24, :24]
    distance = np.hypot(y - row, x - column)
    frames = np.full((12, 24, 24), GREY, np.float32)
    for t in range(12):
        frames[t][distance < radius * t / 11] = 0
    return frames


@given(down=st.integers(-9, 9), right=st.integers(-9, 9))
def test_a_shift_that_cuts_the_picture_off_at_the_edge_is_still_the_same(down: int, right: int) -> None:
    content = same_content(_prints(centre=_disc(12, 12), edge=_disc(12 + down, 12 + right), other=_disc(12, 12, 4)))
    assert content["centre"] == content["edge"] != content["other"]


def test_shifts_can_be_told_apart_and_then_mirrors_are_still_the_same() -> None:
    prints = _prints(left=_disc(12, 8), right=_disc(12, 15), far_right=_disc(12, 16))
    assert same_content(prints, shifted=False) == {"left": 0, "right": 0, "far_right": 1}


def test_different_movies_are_different() -> None:
    data = dataset()
    content = same_content({name: fingerprint(shown) for name, shown in data.movies.items()})
    assert len(set(content.values())) == len(data.movies)


def test_a_stored_split_is_found_again_in_another_order() -> None:
    data = _many_stimuli()
    split = split_recordings(data, SplitConfig())
    stored = split.to_json(data)
    backwards = Dataset.of(data.movies, data.recordings[::-1], data.neurons)
    again = Split.from_json(stored, backwards)
    assert again.to_json(backwards).keys() == stored.keys()
    assert {k: sorted(v) for k, v in again.to_json(backwards).items()} == {k: sorted(v) for k, v in stored.items()}
    with pytest.raises(DataError, match=r"the split names \d+ recordings that the data set lacks, first 'lc"):
        Split.from_json(stored, data.subset(split.train))


@pytest.mark.parametrize("kind", ["animal", "session"])
def test_animals_and_sessions_stay_whole(kind: str) -> None:
    data = dataset(neurons_per_type=12)
    number = {r.neuron: int(r.neuron) for r in data.recordings}
    recordings = [
        replace(r, animal=f"fly{number[r.neuron] % 6}", session=str(number[r.neuron] % 12)) for r in data.recordings
    ]
    data = Dataset.of(data.movies, recordings)
    split = split_recordings(data, SplitConfig.model_validate(CONFIG | {"kind": kind}))
    whole = [set(data.table[kind].iloc[list(side)]) for side in (split.train, split.validation, split.test)]
    assert all(whole)
    assert sum(map(len, whole)) == data.table[kind].nunique()


def test_families_stay_whole_and_a_copy_joins_two() -> None:
    data = _many_stimuli()
    families = {"small": ("square_?",), "large": ("square_1?",)}
    config = {"kind": "family", "families": families, "validation": 0, "test": 0.2}
    held_out = data.subset(split_recordings(data, SplitConfig.model_validate(config)).test).table.stimulus.unique()
    assert set(held_out) in ({"square_10", "square_11", "square_12"}, {f"square_{i}" for i in range(1, 10)})
    planted = [replace(r, stimulus="square_1x") for r in data.recordings if r.stimulus == "square_4"]
    movies = dict(data.movies) | {"square_1x": _copy_of(data.movies["square_4"], "shifted")}
    with pytest.raises(DataError, match="too few families of stimuli to hold some out for test"):
        split_recordings(Dataset.of(movies, [*data.recordings, *planted]), SplitConfig.model_validate(config))


def test_families_for_the_test_part_are_there_whole_and_nowhere_else() -> None:
    data = _many_stimuli()
    families = {"small": ("square_?",), "large": ("square_1?",)}
    config = SplitConfig(families=families, test_families=("large",), validation=0.2, test=0)
    split = split_recordings(data, config)
    shown = [set(data.subset(side).table.stimulus) for side in (split.train, split.validation, split.test)]
    large = {"square_10", "square_11", "square_12"}
    assert shown[2] == large
    assert shown[0] & large == shown[1] & large == set()
    assert len(split.test) == data.table.stimulus.isin(large).sum()
    assert len(split.validation) == pytest.approx(0.2 * (len(data) - len(split.test)), rel=0.2)
    require_no_leak(split, data, config)


def test_a_family_for_the_test_part_that_does_not_exist_is_refused() -> None:
    config = SplitConfig(families={"small": ("square_?",)}, test_families=("smal",), test=0)
    with pytest.raises(ConfigError, match=r"split.test_families names 'smal', but no stimulus.* Did you mean 'small'"):
        split_recordings(_many_stimuli(), config)


def test_stimuli_of_one_generator_are_a_family() -> None:
    data = _many_stimuli(6)
    movies = {n: replace(m, parameters={"kind": "loom" if n < "square_4" else "bar"}) for n, m in data.movies.items()}
    data = Dataset.of(movies, data.recordings)
    split = split_recordings(data, SplitConfig(kind="family", validation=0, test=0.3))
    assert {m.parameters["kind"] for n, m in movies.items() if n in set(data.subset(split.test).table.stimulus)} in (
        {"loom"},
        {"bar"},
    )


def test_stimuli_whose_names_are_alike_are_no_family_for_that() -> None:
    data = _many_stimuli(6)
    split = split_recordings(data, SplitConfig(kind="family", validation=0, test=0.3))
    assert 1 <= data.subset(split.test).table.stimulus.nunique() < 6


def test_repeats_are_held_out_one_by_one_and_never_all() -> None:
    data = dataset(trials=5)
    split = split_recordings(data, SplitConfig.model_validate(CONFIG | {"kind": "repeat"}))
    trained = data.subset(split.train).table
    assert len(trained.groupby(["cell_type", "neuron", "stimulus"])) == 18
    assert len(split.test) == len(split.validation) == 18
    averaged = Dataset.of(data.movies, [replace(r, trials=(0, 1)) for r in data.recordings])
    with pytest.raises(DataError, match=r"needs single trials. Set dataset.average_trials to false"):
        split_recordings(averaged, SplitConfig(kind="repeat"))


def test_too_little_to_hold_out_is_a_sentence() -> None:
    data = _many_stimuli(1)
    with pytest.raises(DataError, match=r"'lc11' has too few stimuli per neuron .* set split.shifted_movies=apart"):
        split_recordings(data, SplitConfig())
    with pytest.raises(DataError, match=r"'lc11' has too few neurons to hold some out for test"):
        split_recordings(dataset(1), SplitConfig(kind="neuron"))
    with pytest.raises(ConfigError, match=r"split.validation \+ split.test = 1.2, expected less than 1"):
        split_recordings(data, SplitConfig(validation=0.6, test=0.6))


@pytest.mark.parametrize("kind", ["stimulus_x_neuron", "stimulus", "neuron"])
@settings(max_examples=8)
@given(seed=st.integers(0, 1000), folds=st.integers(2, 5))
@example(seed=230, folds=2)  # all groups but one of a neuron are drawn into the last fold
def test_every_recording_that_is_not_tested_is_validated_in_one_fold(kind: str, seed: int, folds: int) -> None:
    data = _many_stimuli(neurons_per_type=8, trials=1)
    shared = {"kind": kind, "seed": seed, "folds": folds, "test": 0.2}
    splits = [split_recordings(data, SplitConfig.model_validate({**shared, "fold": fold})) for fold in range(folds)]
    test = set(splits[0].test)
    assert all(set(split.test) == test for split in splits)
    assert sorted(item for split in splits for item in split.validation) == sorted(set(range(len(data))) - test)
    for split in splits:
        assert sorted([*split.train, *split.validation, *split.test]) == list(range(len(data)))
        require_no_leak(split, data, SplitConfig.model_validate({**shared, "fold": 0}))
        shares = data.subset(split.validation).table.cell_type.value_counts() / (len(data) - len(test)) * 2
        assert shares.to_numpy() == pytest.approx(1 / folds, abs=1 / 6)  # six neurons are left


def test_who_has_one_group_only_is_trained_on_in_every_fold() -> None:
    data = _many_stimuli(6)
    keep = [i for i, r in enumerate(data.recordings) if r.neuron != "0" or r.stimulus == "square_1"]
    chosen = data.subset(keep)
    alone = [i for i, r in enumerate(chosen.recordings) if r.neuron == "0"]
    for fold in range(3):
        split = split_recordings(chosen, SplitConfig(folds=3, fold=fold, test=0))
        assert set(alone) <= set(split.train)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"folds": 5}, "folds is given without fold: give both, or neither"),
        ({"fold": 0}, "fold is given without folds: give both, or neither"),
        ({"folds": 3, "fold": 3}, "there is no fold 3 of 3: they are counted from 0"),
    ],
)
def test_a_fold_that_cannot_be_is_refused(values: dict[str, int], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        SplitConfig.model_validate(values)


def test_too_few_groups_for_the_folds_are_told() -> None:
    with pytest.raises(DataError, match="too few stimuli to hold some out for each of 5 folds"):
        split_recordings(_many_stimuli(4), SplitConfig(kind="stimulus", folds=5, fold=0, test=0))
