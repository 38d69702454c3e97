"""Baselines on the same split, and the comparison that sets models side by side."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.signal import lfilter
from typer.testing import CliRunner

from stcnn.baselines import BASELINES, Workbench, features, named
from stcnn.baselines.averages import GrandMean, Population
from stcnn.baselines.comparison_table import ALL_TYPES, comparison_table, evaluation
from stcnn.commands.compare import app
from stcnn.comparison import names_of
from stcnn.data import Dataset, Recording
from stcnn.data.batching import BatchingConfig
from stcnn.data.splitting.split_config import SplitConfig
from stcnn.data.splitting.splits import split_recordings
from stcnn.errors import ConfigError, DataError
from stcnn.evaluate import Evaluation, Predictions
from stcnn.movie import Movie
from stcnn.run_folder import Run
from stcnn.viz.comparison import comparison_figure
from tests.support import made_up_data
from tests.support.made_up_data import write_published
from tests.support.made_up_training import trained
from tests.test_train import folders

RATE_HZ = 60.0
BATCHING = BatchingConfig(batch_size=4, pre_grey_s=0.2, loss_start_s=0.0)


def noise_movie(seed: int, n_frames: int = 150) -> Movie:
    """Grey for a third of a second, then blocks of 5 px that change their luminance every tenth of a second."""
    blocks = np.random.default_rng(seed).choice([0.0, 0.5, 1.0], (n_frames // 6, 5, 5)).astype(np.float32)
    frames = np.kron(blocks, np.ones((6, 5, 5), np.float32))
    frames[:20] = 0.5
    return Movie.from_luminance(frames, RATE_HZ, background=0.5)


def recording(neuron: str, stimulus: str, trace: np.ndarray, **more: object) -> Recording:
    time_s = np.arange(len(trace)) / RATE_HZ
    made = Recording("lc11", neuron, stimulus, trace.astype(np.float32), time_s, RATE_HZ, animal=f"fly{neuron}")
    return replace(made, **more)  # type: ignore[arg-type]


def three_neurons() -> Dataset:
    """One stimulus that rises, one that falls; the third neuron has twice the gain and an offset."""
    up, down = np.linspace(0, 1, 60), np.linspace(1, 0, 60)
    of = {"up": up, "down": down}
    movies = {name: noise_movie(seed, 60) for seed, name in enumerate(of)}
    made = [
        recording(n, s, k * trace + o) for n, k, o in (("1", 1, 0), ("2", 3, 0), ("3", 4, 1)) for s, trace in of.items()
    ]
    return Dataset.of(movies, made)


def test_population_ceiling_is_the_scaled_mean_of_the_others_by_hand():
    data = three_neurons()
    population = Population(data.subset([0, 1, 2, 3, 4]))  # the third neuron was seen with 'up' alone
    held_out = data.recordings[5]
    down = np.linspace(1, 0, 60)
    assert population.others(held_out, data) == pytest.approx((1 * down + 3 * down) / 2, abs=1e-6)
    scaling = population.scalings["lc11", "3"]  # 4 up + 1 on the others' mean 2 up
    assert (scaling.gain, scaling.offset) == pytest.approx((2, 1), abs=1e-4)
    np.testing.assert_allclose(population.trace(held_out, data), 4 * down + 1, atol=1e-4)


def test_others_count_where_they_saw_the_same_picture_at_the_same_place():
    data = three_neurons()
    moved = [replace(r, shift_px=(5, 0)) if r.neuron == "2" else r for r in data.recordings]
    here = Dataset.of(data.movies, moved)
    others = Population(here.subset([0, 1, 2, 3])).others(here.recordings[5], here)
    assert others == pytest.approx(here.recordings[1].trace, abs=1e-6)


def test_without_others_the_mean_of_the_type_stands_in():
    data = three_neurons()
    train = data.subset([0, 2])  # nobody saw 'down'
    trace = Population(train).trace(data.recordings[5], data)
    np.testing.assert_allclose(trace, 2 * np.linspace(0, 1, 60), atol=1e-6)
    np.testing.assert_allclose(trace, GrandMean(train).trace(data.recordings[5]), atol=1e-6)


def linear_neurons(n_stimuli: int = 12) -> Dataset:
    """A neuron that low-passes and rectifies the contrast of one block, computed with scipy; and one that is weaker."""
    movies = {f"noise_{seed}": noise_movie(seed) for seed in range(n_stimuli)}
    made = []
    for name, movie in movies.items():
        a = np.exp(-1 / RATE_HZ / 0.04)
        drive = 8 * lfilter([1 - a], [1, -a], movie.contrast()[:, 12, 12]) - 0.5
        a = np.exp(-1 / RATE_HZ / 0.5)
        calcium = lfilter([1 - a], [1, -a], np.where(drive > 0, drive + 1, np.exp(np.minimum(drive, 0))))
        made += [recording(neuron, name, gain * calcium + 0.1) for neuron, gain in (("1", 1.0), ("2", 0.4))]
    return Dataset.of(movies, made)


def one_pixel_a_block(data: Dataset) -> Dataset:
    """The same recordings with pictures of 5 x 5 px, whose blocks are those that baselines read."""
    small = {
        name: Movie.from_luminance(movie.luminance()[:, 2::5, 2::5], RATE_HZ, background=0.5)
        for name, movie in data.movies.items()
    }
    return Dataset.of(small, data.recordings)


def test_the_cascade_recovers_a_filter_an_indicator_and_gains():
    data = one_pixel_a_block(linear_neurons(n_stimuli=24))
    model = Workbench(data.subset(range(36)), BATCHING).behind_indicator(features.blocks)
    scores = model.predict(data.subset(range(36, 48)), BATCHING).scores(data.cell_types)
    assert scores.correlation.item() > 0.98
    assert model.tau_s.item() == pytest.approx(0.5, rel=0.1)
    assert (model.gain[1] / model.gain[0]).item() == pytest.approx(0.4, rel=0.05)
    weight = (model.signals.components @ model.weight(model.drawn)[..., 0]).detach().square().sum(-1)
    assert weight.argmax().item() == 5 * 11 + 5  # the middle block


def test_a_linear_filter_reads_around_the_neuron_whatever_the_batches():
    data = one_pixel_a_block(linear_neurons())
    shifted = {name: np.roll(movie.luminance(), 1, 2) for name, movie in data.movies.items()}
    movies = {n: Movie.from_luminance(frames, RATE_HZ, background=0.5) for n, frames in shifted.items()}
    moved = Dataset.of(movies, [replace(r, shift_px=(1, 0)) for r in data.recordings])
    model = Workbench(moved.subset(range(18)), BATCHING).linear(features.blocks)
    by_movie = BATCHING.model_copy(update={"kind": "movies"})
    found = [model.predict(moved.subset(range(18, 24)), batching) for batching in (BATCHING, by_movie)]
    a, b = (each.prediction[each.item.argsort()] for each in found)
    torch.testing.assert_close(a, b)


def test_features_are_zero_in_grey_and_motion_detectors_know_the_direction():
    frames = np.full((40, 55, 55), 0.5, np.float32)
    for t in range(30):
        frames[5 + t, :, 2 * t : 2 * t + 5] = 0.0  # a dark bar that moves right by 2 deg per frame
    moving = torch.from_numpy(frames - 0.5)[None]
    from stcnn.nn.frames import Whole

    for compute in (features.blocks, features.seen, features.energy, features.motion):
        assert not compute(Whole(moving * 0), RATE_HZ, 1.0).any()
    right, left = features.motion(Whole(moving), RATE_HZ, 1.0)[:, 0, :220].sum(0).chunk(2)
    assert right.sum() > 3 * left.sum()
    inverted = features.energy(Whole(-moving), RATE_HZ, 1.0)
    torch.testing.assert_close(inverted, features.energy(Whole(moving), RATE_HZ, 1.0))


QUICK = ("grand mean of the type", "linear filter", "LN model", "the other neurons")


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in BASELINES])
def test_no_baseline_sees_a_held_out_target(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("stcnn.baselines.recurrent.FRAMES", 1)
    whole = linear_neurons()
    small = {
        n: Movie.from_luminance(m.luminance()[:, 10:15, 5:15], RATE_HZ, background=0.5) for n, m in whole.movies.items()
    }
    data = Dataset.of(small, whole.recordings)
    split = split_recordings(data, SplitConfig(validation=0.2, test=0.2))
    rng = np.random.default_rng(2)
    hidden = set(split.validation) | set(split.test)
    noise = [rng.normal(size=len(r.trace)).astype(np.float32) for r in data.recordings]
    changed = Dataset.of(
        data.movies,
        [replace(r, trace=noise[i]) if i in hidden else r for i, r in enumerate(data.recordings)],
    )
    predictions = []
    for dataset in (data, changed):
        torch.manual_seed(0)
        fitted = BASELINES[name](Workbench(dataset.subset(split.train), BATCHING))
        predictions.append(fitted.predict(dataset.subset(split.validation), BATCHING).prediction)
    scored = evaluation(
        Predictions(predictions[0], *_rest(data.subset(split.validation))), data.subset(split.validation)
    )
    assert torch.equal(*predictions)
    assert len(scored.table) == len(split.validation)


def _rest(dataset: Dataset) -> tuple[torch.Tensor, ...]:
    whole = GrandMean(dataset).predict(dataset, BATCHING)
    return whole.target, whole.weight, whole.cell_type, whole.neuron, whole.item


def evaluations() -> dict[str, Evaluation]:
    data = made_up_data.dataset(neurons_per_type=4)
    rng = np.random.default_rng(3)
    whole = GrandMean(data).predict(data, BATCHING)
    noisy = whole.target + 0.5 * torch.from_numpy(rng.normal(size=whole.target.shape)).float()
    shuffled = torch.randperm(len(noisy))
    rows = {f: getattr(whole, f) for f in ("target", "weight", "cell_type", "neuron", "item")}
    good = Predictions(prediction=noisy[shuffled], **{f: v[shuffled] for f, v in rows.items()})
    return {"mean": evaluation(whole, data), "good": evaluation(good, data)}


def test_comparison_pairs_models_whatever_the_order_of_their_recordings():
    models = evaluations()
    table = comparison_table(models, "mean", n_draws=200)
    assert (table[table.model == "mean"].trial_mean_mse_dff2_difference.dropna() == 0).all()
    of = {name: model.scores_table(("cell_type",), n_draws=2).set_index("cell_type") for name, model in models.items()}
    difference = of["good"].single_trial_mse_dff2 - of["mean"].single_trial_mse_dff2
    good = table[table.model == "good"].set_index("cell_type")
    for name in ("lc11", "lc4"):
        assert good.single_trial_mse_dff2_difference[name] == pytest.approx(difference[name])
        assert good.single_trial_mse_dff2_difference_high[name] < 0
    score = good.single_trial_correlation
    assert score[ALL_TYPES] == pytest.approx((score["lc11"] + score["lc4"]) / 2)


def test_comparison_refuses_models_of_other_recordings():
    models = evaluations()
    part = replace(models["good"], table=models["good"].table[::-1].reset_index(drop=True))
    with pytest.raises(DataError, match="was evaluated on other recordings"):
        comparison_table({**models, "part": part}, "mean")


def test_the_figure_shows_every_model(tmp_path: Path):
    figure = comparison_figure(comparison_table(evaluations(), "mean", n_draws=50), "single_trial_correlation")
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()][:2] == ["mean", "good"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("compare")
    write_published(folder / "data")
    arguments = [*folders(folder / "data"), "training.epochs=1", f"experiments_dir={folder / 'runs'}", "split.test=0.2"]
    of = {"ours": "seed=1", "other": "seed=2", "split": "split.seed=9"}
    return [str(trained([*arguments, f"name={name}", change]).path) for name, change in of.items()]


def test_compare_writes_the_comparison_of_runs_and_baselines(runs: list[str]):
    chosen = "linear-filter,the_other_neurons,Grand mean of the type"
    result = CliRunner().invoke(app, [*runs[:2], "--baselines", chosen])
    assert result.exit_code == 0, result.output
    folder = Path(runs[0]) / "comparison_validation"
    table = pd.read_csv(folder / "comparison.csv")
    names = ["grand mean of the type", "linear filter", "the other neurons"]
    assert list(table.model.unique()) == ["ours", "other", *names]
    assert pd.read_parquet(folder / "comparison.parquet").shape == table.shape
    assert (folder / "comparison.png").stat().st_size > 10_000
    assert "fitting 2 of 3: linear filter (" in result.output
    (row,) = pd.read_csv(folder / "left_out.csv").to_dict("records")  # the traces are noise: no neuron is like others
    assert row["model"] == "the other neurons (lc11, mean of types)"


def test_every_rung_is_written_when_it_is_done_and_one_that_fails_is_named(
    runs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seen = []

    def fails(bench: Workbench) -> GrandMean:
        seen.append(list(pd.read_csv(tmp_path / "comparison.csv").model.unique()))
        raise DataError("nothing that this model reads changes in the training stimuli")

    mean = BASELINES["grand mean of the type"]
    monkeypatch.setattr("stcnn.baselines.BASELINES", {"grand mean": mean, "broken": fails, "last": mean})
    result = CliRunner().invoke(app, [runs[0], "--to", str(tmp_path), "--baselines"])
    assert result.exit_code == 0, result.output
    assert seen == [["ours", "grand mean"]]
    assert list(pd.read_csv(tmp_path / "comparison.csv").model.unique()) == ["ours", "grand mean", "last"]
    (row,) = pd.read_csv(tmp_path / "left_out.csv").to_dict("records")
    assert row == {"model": "broken", "reason": "nothing that this model reads changes in the training stimuli."}
    assert "left out: broken: nothing that this model reads changes" in result.output


def test_a_flat_prediction_is_named_beside_its_empty_score(
    runs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class Flat(GrandMean):
        def trace(self, recording: Recording) -> np.ndarray:
            return np.zeros(len(recording.trace))

    monkeypatch.setattr("stcnn.baselines.BASELINES", {"flat": lambda bench: Flat(bench.train)})
    result = CliRunner().invoke(app, [runs[0], "--to", str(tmp_path), "--baselines", "flat"])
    assert result.exit_code == 0, result.output
    row = pd.read_csv(tmp_path / "left_out.csv").iloc[0]
    assert row.model == "flat (lc11, lc4, mean of types)"
    assert row.reason == "trial mean correlation is not defined, the prediction is flat"


def test_a_baseline_that_does_not_exist_brings_the_nearest_name():
    with pytest.raises(ConfigError, match=r"there is no baseline 'liner-filter'. Did you mean 'linear-filter'\?"):
        named("liner filter")
    assert named("LN_model, grand mean of the type") == ["grand mean of the type", "LN model"]
    assert named("all") == list(BASELINES)


def test_compare_refuses_runs_that_held_out_other_recordings(runs: list[str]):
    result = CliRunner().invoke(app, [runs[0], runs[2]])
    assert "held out other recordings" in str(result.exception)


def test_looks_at_the_test_part_are_counted(runs: list[str], tmp_path: Path):
    arguments = [*runs[:2], "--split", "test", "--to", str(tmp_path)]
    assert "look 1 at the test set" in CliRunner().invoke(app, arguments).output
    assert "was looked at before" in str(CliRunner().invoke(app, arguments).exception)
    assert "look 2 at the test set" in CliRunner().invoke(app, [*arguments, "--again"]).output


def test_runs_are_named_without_their_dates_where_that_tells_them_apart():
    paths = ["2026-11-22_14-03-12_a", "2026-11-22_14-03-13_b", "2026-11-22_14-03-14_b"]
    assert names_of([Run(Path(p)) for p in paths]) == ["a", *paths[1:]]
