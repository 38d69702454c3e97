"""Tables of scores: the same from averages as from single trials, and what is said where something is not there."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from stcnn.baselines.comparison_table import comparison_table
from stcnn.data import BatchingConfig, Dataset, loader
from stcnn.data.dataset import select
from stcnn.errors import DataError
from stcnn.evaluate import Evaluation, Predictions, responses
from stcnn.evaluate.metric import METRICS
from stcnn.evaluate.tables import CEILINGS
from stcnn.metrics.traces import correlation
from stcnn.simulation import SimulatedDataConfig, simulate
from tests.support import made_up_data

BATCHING = BatchingConfig(kind="presentations", batch_size=3, pre_grey_s=0.1, loss_start_s=-0.2)
REPEATS = ("trial_mean_correlation", "trial_mean_signal_share", "feve", "split_half_reliability", *CEILINGS)


def predicted(dataset: Dataset, batching: BatchingConfig = BATCHING) -> Predictions:
    """Half of what was measured, the same for all trials of a neuron and stimulus, and some waves."""
    parts = []
    for batch in loader(dataset, batching):
        waves = torch.sin(torch.arange(batch.target.shape[1]) / 7)
        neuron = batch.neuron[:, None] + batch.cell_type[:, None]
        parts.append(Predictions.of(0.3 * waves + 0.1 * neuron, batch))
    return Predictions.concatenated(parts)


def repeated(trials: int = 3) -> Dataset:
    """Noise on a wave that all trials share."""
    data = made_up_data.dataset(neurons_per_type=3, trials=trials)
    wave = np.sin(np.arange(1000) / 7).astype(np.float32)
    recordings = [replace(r, trace=0.5 * r.trace + wave[: len(r.trace)]) for r in data.recordings]
    return Dataset.of(data.movies, recordings)


def test_averages_and_single_trials_give_the_same_table() -> None:
    single = repeated()
    average = select(single, average_trials=True)
    tables = [Evaluation.of(predicted(data), data).scores_table(n_draws=50) for data in (single, average)]
    keys = ["level", "cell_type", "family", "neuron"]
    one, other = (table.set_index(keys).sort_index() for table in tables)
    pd.testing.assert_frame_equal(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("rate_hz", [5.0, 12.0])
def test_the_ceiling_of_trials_at_times_of_their_own_is_what_the_truth_reaches(rate_hz: float) -> None:
    looms = {f"{v}": {"kind": "looming_disc", "edge_speed_deg_s": v} for v in (30, 60, 120)}
    imaging = {"clock": "imaging", "volume_rate_hz": rate_hz, "trial_gain_cv": 0, "drift_dff_s": 0}
    cells = {"cell_types": ["lplc2"], "n_animals": 3, "neurons_per_animal": 8, "n_trials": 4, "average_trials": False}
    simulated = simulate(SimulatedDataConfig.model_validate({"stimuli": looms, "imaging": imaging, **cells}))
    data = simulated.dataset
    measured = predicted(data)
    rows = []
    for row, item in enumerate(measured.item.tolist()):
        places = np.flatnonzero(measured.weight[row].numpy())
        truth = simulated.truth.recordings[item]
        answer = np.interp(data.recordings[item].time_s, truth.time_s, truth.trace)
        rows.append(np.pad(answer[places], (places[0], measured.weight.shape[1] - places[-1] - 1)))
    perfect = replace(measured, prediction=torch.from_numpy(np.stack(rows)).float())
    table = Evaluation.of(perfect, data).scores_table(("cell_type",), n_draws=20)
    scored = table.iloc[0]
    assert scored.single_trial_ceiling == pytest.approx(scored.single_trial_correlation, abs=0.01)
    assert scored.neuron_single_trial_ceiling == pytest.approx(scored.neuron_single_trial_correlation, abs=0.02)
    assert scored.normalised_correlation == pytest.approx(1, abs=0.015)
    assert scored.feve == pytest.approx(1, abs=0.03)
    assert scored.n_repeated == scored.n_recordings == 3 * 24 * 4
    assert np.isnan([scored.trial_mean_correlation, scored.trial_mean_ceiling, scored.split_half_reliability]).all()
    assert np.isnan([scored.neuron_correlation, scored.neuron_ceiling]).all()


def test_scores_of_a_neuron_are_those_of_its_joined_traces() -> None:
    data = select(repeated(), average_trials=True)
    predictions = predicted(data)
    table = Evaluation.of(predictions, data).scores_table(("neuron",), n_draws=50)
    row = table[(table.cell_type == "lc4") & (table.neuron == "1")].iloc[0]
    mine = (predictions.cell_type == data.cell_types.index("lc4")) & (predictions.neuron == 1)
    scored = predictions.weight[mine] > 0
    x, y = predictions.prediction[mine][scored], predictions.target[mine][scored]
    assert row.trial_mean_correlation == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-5)
    assert row.trial_mean_mse_dff2 == pytest.approx(float((x - y).square().mean()), rel=1e-4)
    assert row.n_recordings == row.n_repeated == 3
    assert row.n_trials == 3


def test_a_neuron_of_which_a_model_says_nothing_counts_as_zero() -> None:
    """Left out, a model that gives up difficult neurons would be above one that tries."""
    data = select(repeated(), average_trials=True)
    predictions = predicted(data)
    flat = ((predictions.neuron == 1) & (predictions.cell_type == 0))[:, None]
    mute = replace(predictions, prediction=torch.where(flat, 0.3, predictions.prediction))
    neurons = Evaluation.of(predictions, data).scores_table(("neuron",), n_draws=50)
    each = neurons[neurons.cell_type == data.cell_types[0]].set_index("neuron")
    table = Evaluation.of(mute, data).scores_table(("cell_type",), n_draws=50).set_index("cell_type")
    for score in ("trial_mean_correlation", "single_trial_correlation"):
        found = table[f"neuron_{score.removeprefix('trial_mean_')}"][data.cell_types[0]]
        assert found == pytest.approx(each[score].drop("1").sum() / len(each), abs=1e-6)
    before, after = (p.scores(data.cell_types).neuron_correlation[0] for p in (predictions, mute))
    assert after == pytest.approx(before * 2 / 3, rel=0.05)


def test_a_neuron_without_a_response_is_left_out() -> None:
    data = select(repeated(), average_trials=True)
    predictions = predicted(data)
    flat = ((predictions.neuron == 1) & (predictions.cell_type == 0))[:, None]
    still = replace(predictions, target=torch.where(flat, 0.3, predictions.target))
    others = predictions.neuron[predictions.cell_type == 0] != 1
    mine = predictions.cell_type == 0
    prediction, target, weight, neuron = (
        value[mine][others]
        for value in (predictions.prediction, predictions.target, predictions.weight, predictions.neuron)
    )
    expected = correlation(prediction, target, weight, neuron.unique(return_inverse=True)[1]).mean().item()
    assert still.scores(data.cell_types).neuron_correlation[0] == pytest.approx(expected, abs=1e-6)


def test_trials_stand_beside_the_samples_that_were_scored() -> None:
    data = select(repeated(), average_trials=True)
    predictions = predicted(data)
    of_item = dict(zip(predictions.item.tolist(), range(len(predictions.item)), strict=True))
    for response in responses(predictions, data):
        row = of_item[response.item]
        measured = predictions.target[row][predictions.weight[row] > 0].numpy()
        np.testing.assert_allclose(response.trials.mean(0), measured, atol=1e-6)
        assert response.time_s[0] == pytest.approx(-0.2, abs=0.02)


def test_without_repeats_only_scores_against_single_trials_are_there() -> None:
    data = repeated(trials=1)
    table = Evaluation.of(predicted(data), data).scores_table(n_draws=50)
    assert table[list(REPEATS)].isna().all(axis=None)
    assert table.single_trial_correlation.notna().all()


def test_averages_whose_trials_are_lost_have_no_ceiling_and_no_score_against_single_trials() -> None:
    whole = select(repeated(), average_trials=True)
    lost = Dataset.of(whole.movies, [replace(r, repeats=None) for r in whole.recordings])
    changed = Dataset.of(whole.movies, [replace(r, trace=r.trace + 1) for r in whole.recordings])
    for data in (lost, changed):
        table = Evaluation.of(predicted(data), data).scores_table(("cell_type",), n_draws=50)
        assert table[["trial_mean_ceiling", "feve", "single_trial_correlation"]].isna().all(axis=None)
        assert table.trial_mean_correlation.notna().all()


def test_no_column_is_of_single_trials_and_of_their_mean() -> None:
    kinds = {name.split("_correlation")[0] for name in METRICS if "correlation" in name}
    assert {"single_trial", "trial_mean"} <= kinds
    data = repeated()
    row = Evaluation.of(predicted(data), data).scores_table(("cell_type",), n_draws=50).iloc[0]
    assert row.single_trial_correlation < row.trial_mean_correlation
    assert row.single_trial_ceiling < row.trial_mean_ceiling <= 1


def test_animals_are_drawn_where_there_are_three_and_neurons_where_there_are_fewer() -> None:
    data = repeated()
    few = Evaluation.of(predicted(data), data)
    assert {group.unit for group in few.groups("cell_type")} == {"neuron"}
    many = replace(few, table=few.table.assign(animal="fly" + few.table.neuron))
    assert {group.unit for group in many.groups("cell_type")} == {"animal"}
    assert {group.unit for group in many.groups("neuron")} == {"stimulus"}


def test_differences_of_a_model_to_itself_are_zero_and_other_recordings_are_refused() -> None:
    data = select(repeated(), average_trials=True)
    evaluation = Evaluation.of(predicted(data), data)
    differences = (
        comparison_table({"itself": evaluation}, "itself", n_draws=50).filter(like="_difference").to_numpy(float)
    )
    assert np.isfinite(differences).any()
    assert (differences[np.isfinite(differences)] == 0).all()
    some = data.subset(range(9))
    with pytest.raises(DataError, match="evaluated on other recordings"):
        comparison_table({"itself": evaluation, "other": Evaluation.of(predicted(some), some)}, "itself")


def test_a_paired_difference_is_surer_than_its_parts() -> None:
    data = select(repeated(), average_trials=True)
    predictions = predicted(data)
    rng = torch.Generator().manual_seed(0)
    worse = replace(
        predictions, prediction=predictions.prediction + 0.2 * torch.randn(predictions.target.shape, generator=rng)
    )
    one, other = Evaluation.of(predictions, data), Evaluation.of(worse, data)
    rows = comparison_table({"one": one, "other": other}, "other", n_draws=500).set_index(["model", "cell_type"])
    mine, theirs = rows.loc["one"], rows.loc["other"]
    difference = mine.trial_mean_correlation_difference
    np.testing.assert_allclose(difference, mine.trial_mean_correlation - theirs.trial_mean_correlation)
    width = mine.trial_mean_correlation_difference_high - mine.trial_mean_correlation_difference_low
    assert (width < mine.trial_mean_correlation_high - mine.trial_mean_correlation_low).all()


def test_families_are_patterns_else_generators_else_names_without_numbers() -> None:
    data = repeated(trials=1)
    movies = {f"{name}_{i}": movie for i, (name, movie) in enumerate(data.movies.items())}
    movies["bar_1"] = replace(movies["bar_1"], parameters={"kind": "moving_bar"})
    number = {name.rpartition("_")[0]: name for name in movies}
    data = Dataset.of(movies, [replace(r, stimulus=number[r.stimulus]) for r in data.recordings])
    table = Evaluation.of(predicted(data), data, {"dots": ("spot*",)}).table
    assert dict(zip(table.stimulus, table.family, strict=True)) == {
        "loom_0": "loom",
        "bar_1": "moving_bar",
        "spot_2": "dots",
    }


def test_the_truth_of_simulated_recordings_reaches_their_ceiling() -> None:
    stimuli = {f"bar_{w}": {"kind": "moving_rectangle", "width_deg": w, "height_deg": 9} for w in (5, 9, 15)}
    config = SimulatedDataConfig(cell_types=("lc11",), stimuli=stimuli, n_animals=4)
    simulation = simulate(config)
    measured = list(loader(simulation.dataset, BATCHING))
    truth = loader(replace(simulation.dataset, recordings=simulation.truth.recordings), BATCHING)
    predictions = Predictions.concatenated([Predictions.of(t.target, b) for t, b in zip(truth, measured, strict=True)])
    table = Evaluation.of(predictions, simulation.dataset).scores_table(("cell_type",), n_draws=200)
    assert 0.5 < table.trial_mean_ceiling.item() < 1
    assert table.normalised_correlation.item() == pytest.approx(1, abs=0.05)
    assert table.feve.item() == pytest.approx(1, abs=0.1)
