"""The test set of a split: scored once, never seen by a training, and every look at it counted."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from stcnn.commands.evaluate import app as evaluate
from stcnn.config import compose
from stcnn.data import Dataset, Split, split_recordings, write_store
from stcnn.data.recordings import Recording
from stcnn.data.splitting.splits import recording_keys, require_no_leak
from stcnn.errors import DataError
from stcnn.movie import Movie
from stcnn.run_folder import Run
from stcnn.training import held_out
from stcnn.training.fit import train
from tests.support import made_up_data
from tests.support.made_up_training import dataset, new_run, recipe


class Watched(Sequence[Recording]):
    """Recordings that note which of them were read, and how many checkpoints there were by then."""

    def __init__(self, recordings: Sequence[Recording], run: Run) -> None:
        self.recordings, self.run = recordings, run
        self.read: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self.recordings)

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401 - a number or a slice
        self.read.append((index, len(self.run.checkpoints())))
        return self.recordings[index]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Watched, Split]:
    """A finished run, and what its training read when."""
    run = new_run(tmp_path_factory.mktemp("runs"))
    data = dataset()
    recordings = Watched(list(data.recordings), run)
    split = split_recordings(data, recipe().split)
    train(replace(data, recordings=recordings, known_hash=data.content_hash()), recipe(), run)
    return run, recordings, split


@pytest.fixture
def run(watched: tuple[Run, Watched, Split], tmp_path: Path) -> Run:
    """A copy of the run in a folder of its own."""
    return Run(Path(shutil.copytree(watched[0].path, tmp_path / "runs" / "one")))


def test_a_training_reads_no_test_recording_before_its_last_checkpoint(watched: tuple[Run, Watched, Split]) -> None:
    run, recordings, split = watched
    assert split.test
    read_at = [n_checkpoints for item, n_checkpoints in recordings.read if item in split.test]
    assert set(read_at) == {len(run.checkpoints())}
    assert len(read_at) <= 2 * len(split.test)  # once to predict it, once to set its trials beside


def test_the_end_of_a_training_seals_the_test_scores_of_the_kept_epoch(run: Run) -> None:
    seal = json.loads((run.path / "test_looks.json").read_text())
    assert len(seal["scored"]) == 1
    assert seal["looks"] == []
    sealed = held_out.sealed_scores(run, dataset(), recipe())
    again = held_out.score_part(run, dataset(), recipe(), "test")
    assert set(sealed.level) == {"cell_type", "family", "neuron"}
    np.testing.assert_allclose(sealed.single_trial_mse_dff2, again.single_trial_mse_dff2, rtol=1e-6)
    assert len(json.loads((run.path / "test_looks.json").read_text())["scored"]) == 2


def test_a_second_look_must_be_asked_for_and_is_counted(run: Run) -> None:
    assert held_out.look_at_test([run]) == 1
    with pytest.raises(DataError, match=r"was looked at before \(1 times, last on 20.*--again, and report how often"):
        held_out.look_at_test([run])
    assert held_out.look_at_test([run], again=True) == 2
    assert len(held_out.looks([run])) == 2


def test_a_look_through_another_run_that_holds_out_the_same_counts_too(run: Run) -> None:
    other = Run(Path(shutil.copytree(run.path, run.path.with_name("two"))))
    held_out.look_at_test([other])
    with pytest.raises(DataError, match="looked at before"):
        held_out.look_at_test([run])
    elsewhere = Run(Path(shutil.copytree(run.path, run.path.with_name("three"))))
    split = elsewhere.split()
    elsewhere.write_json("split.json", {**split, "test": split["test"][:1]})
    (elsewhere.path / "test_looks.json").unlink()
    assert held_out.look_at_test([elsewhere]) == 1


def test_runs_that_are_looked_at_together_are_looked_at_once(run: Run) -> None:
    other = Run(Path(shutil.copytree(run.path, run.path.with_name("two"))))
    assert held_out.look_at_test([run, other]) == 1
    assert len(held_out.looks([run, other])) == 1


def test_a_leak_planted_in_a_split_is_refused(run: Run) -> None:
    data, split = dataset(), run.split()
    leaking = {**split, "test": [*split["test"], split["train"][0]]}
    run.write_json("split.json", leaking)
    with pytest.raises(DataError, match=r"the split leaks: '.*' of the test set is in the training set, expected sets"):
        held_out.score_part(run, data, recipe(), "validation")
    with pytest.raises(DataError, match="the split leaks"):
        train(data, recipe(epochs=4), run, resume=True)


def test_a_copy_of_a_movie_on_the_other_side_is_a_leak() -> None:
    data = made_up_data.dataset(trials=2)
    copies = [replace(r, stimulus="copy") for r in data.recordings if r.stimulus == "bar"]
    data = Dataset.of({**data.movies, "copy": data.movies["bar"]}, [*data.recordings, *copies])
    stimulus = data.table.stimulus.to_numpy(str)
    kept, copied = (tuple(np.flatnonzero(which).tolist()) for which in (stimulus != "copy", stimulus == "copy"))
    with pytest.raises(DataError, match=r"'.*/copy/0' of the test set belongs together with '.*/bar/0', which is in"):
        require_no_leak(Split(kept, (), copied), data, recipe().split)
    trials = data.table.trials.map(lambda numbers: numbers[0]).to_numpy()
    torn = Split(tuple(np.flatnonzero(trials == 0).tolist()), tuple(np.flatnonzero(trials == 1).tolist()), ())
    with pytest.raises(DataError, match="of the validation set belongs together with"):
        require_no_leak(torn, data, recipe().split)
    require_no_leak(torn, data, recipe().split.model_copy(update={"kind": "repeat"}))


def test_other_recordings_are_scored_by_the_neurons_that_are_known_and_the_average_for_others(run: Run) -> None:
    model, data = run.model(), dataset()
    other = held_out.with_neurons(model, {"lc11": ("2", "new"), "lc4": ("0",)})
    gains = model.calcium.each[model.cell_types.index("lc11")].gain
    torch.testing.assert_close(other.calcium.each[0].gain, torch.stack([gains[2], gains.mean()]))
    renamed = [replace(_new_trial(r), neuron=f"new {r.neuron}") for r in data.recordings if r.cell_type == "lc4"]
    table = held_out.score_other(run, Dataset.of(data.movies, renamed), recipe())
    assert set(table.cell_type) == {"lc4"}
    assert table.single_trial_mse_dff2.notna().all()
    strange = [replace(r, cell_type="lc99") for r in data.recordings]
    with pytest.raises(DataError, match="the cell types of the data are lc99, expected some of those that"):
        held_out.score_other(run, Dataset.of(data.movies, strange), recipe())


def _shifted(movie: Movie) -> Movie:
    return Movie.from_luminance(np.roll(movie.luminance(), (3, 2), (1, 2)), movie.rate_hz, background=movie.background)


def _grey_around(movie: Movie) -> Movie:
    """Grey before, after and on all sides."""
    margins = ((9, 5), (4, 4), (6, 2))
    wider = np.pad(movie.luminance(), margins, constant_values=np.float32(movie.background))
    return Movie.from_luminance(wider, movie.rate_hz, background=movie.background)


def _new_trial(recording: Recording) -> Recording:
    trace = np.random.default_rng(9).normal(size=len(recording.trace)).astype(np.float32)
    return replace(recording, trials=(7,), trace=trace)


RENAMED: dict[str, Callable[[Recording], Recording]] = {
    "the same": lambda r: r,
    "another trial": _new_trial,
    "another trial of a renamed movie": lambda r: replace(_new_trial(r), stimulus=f"my {r.stimulus}"),
    "a renamed neuron": lambda r: replace(r, neuron=f"my {r.neuron}"),
    "everything renamed": lambda r: replace(
        r, neuron=f"my {r.neuron}", animal="mine", session="mine", stimulus=f"my {r.stimulus}", trials=(7,)
    ),
}


@pytest.mark.parametrize("movies", [lambda m: m, _shifted, _grey_around], ids=["movies", "shifted", "grey around"])
@pytest.mark.parametrize("name", RENAMED)
def test_what_was_trained_on_is_known_again_among_other_recordings(
    run: Run, tmp_path: Path, name: str, movies: Callable[[Movie], Movie]
) -> None:
    data = dataset()
    shown = {n: movies(m) for n, m in data.movies.items()}
    trained = data.recordings[recording_keys(data.table).index(run.split()["train"][0])]
    new = [replace(_new_trial(r), neuron=f"new {r.neuron}") for r in data.recordings[:4]]
    held_out.score_other(run, Dataset.of(shown, new), recipe())
    planted = Dataset.of(shown | {f"my {n}": m for n, m in shown.items()}, [*new, RENAMED[name](trained)])
    with pytest.raises(DataError, match=r"^1 of the recordings were trained on .*, expected other rec"):
        held_out.score_other(run, planted, recipe())


def test_stcnn_evaluate_refuses_a_data_set_with_what_was_trained_on(run: Run, tmp_path: Path) -> None:
    run.save_config(compose([]).model_copy(update=dict(recipe())).saved())
    data = dataset()
    mine = [replace(r, neuron=f"my {r.neuron}", animal="mine", stimulus=f"my {r.stimulus}") for r in data.recordings]
    movies = {f"my {name}": _shifted(movie) for name, movie in data.movies.items()}
    leaking = write_store(Dataset.of(movies, mine), tmp_path / "leaking.zarr")
    with pytest.raises(DataError, match=rf"{len(run.split()['train'])} of the recordings were trained on"):
        CliRunner().invoke(evaluate, [str(run.path), "--dataset", str(leaking)], catch_exceptions=False)
    new = write_store(Dataset.of(movies, list(map(_new_trial, mine))), tmp_path / "new.zarr")
    result = CliRunner().invoke(evaluate, [str(run.path), "--dataset", str(new)], catch_exceptions=False)
    assert "on " in result.output
    assert (run.path / "new_scores.parquet").is_file()
