"""Simulated recordings: the same configuration gives the same, the truth lies beside them, the cache is safe."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pydantic import ValidationError
from typer.testing import CliRunner

from stcnn.commands.simulate import app
from stcnn.data.store import StoreDataConfig, read_store
from stcnn.errors import ConfigError, FileError
from stcnn.simulation import SimulatedDataConfig, Simulation, cached_simulation, simulate
from stcnn.simulation.folder import write_simulation
from stcnn.simulation.imaging import Imaging

SMALL = {
    "dot": {"kind": "moving_rectangle", "height_deg": 4.5, "width_deg": 4.5, "timing": {"before_s": 0.2}},
    "bar": {"kind": "moving_rectangle", "height_deg": 60, "width_deg": 4.5, "timing": {"before_s": 0.2}},
    "loom": {"kind": "looming_disc", "edge_speed_deg_s": 50, "timing": {"before_s": 0.2, "after_s": 0.2}},
}


def config(**changes: Any) -> SimulatedDataConfig:
    return SimulatedDataConfig(stimuli=SMALL, n_animals=2, **changes)


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    return simulate(config())


def test_same_seed_same_recordings_other_seed_others(simulation: Simulation) -> None:
    assert simulate(config()).dataset.content_hash() == simulation.dataset.content_hash()
    assert simulate(config(seed=1)).dataset.content_hash() != simulation.dataset.content_hash()


@pytest.mark.parametrize(("cell_type", "preferred"), [("lc11", "dot"), ("lc15", "bar"), ("lplc2", "loom")])
def test_each_default_type_prefers_its_stimulus(simulation: Simulation, cell_type: str, preferred: str) -> None:
    rows = [i for i, neuron in enumerate(simulation.neurons) if neuron.cell_type == cell_type]
    peak = {stimulus: np.ptp(r.dff[rows], axis=1).mean() for stimulus, r in simulation.responses.items()}
    assert max(peak, key=lambda stimulus: float(peak[stimulus])) == preferred
    assert sorted(peak.values())[1] < 0.6 * peak[preferred]


def test_without_noise_every_trial_is_the_truth() -> None:
    quiet = Imaging(noise_scale=0, drift_dff_s=0, trial_gain_cv=0, exposure_s=0, volume_rate_hz=600)
    for responses in simulate(config(imaging=quiet)).responses.values():
        np.testing.assert_allclose(responses.trials, [responses.dff] * 3, atol=0.01)


def test_recordings_and_truth_have_one_order() -> None:
    simulation = simulate(config(imaging=Imaging(noise_scale=0.3)))
    pairs = list(zip(simulation.dataset.recordings, simulation.truth.recordings, strict=True))
    assert len(pairs) == len(simulation.neurons) * len(SMALL)
    correlations = [np.corrcoef(r.trace, t.trace)[0, 1] for r, t in pairs if np.ptp(t.trace) > 0.3]
    assert min(correlations) > 0.8


def test_single_trials_average_to_the_recording(simulation: Simulation) -> None:
    trials = simulate(config(average_trials=False)).dataset.recordings
    assert [r.trials for r in trials[:3]] == [(0,), (1,), (2,)]
    np.testing.assert_allclose(
        np.mean([r.trace for r in trials[:3]], 0), simulation.dataset.recordings[0].trace, atol=1e-6
    )


def test_shift_brings_the_receptive_field_to_within_half_a_pixel_of_the_middle(simulation: Simulation) -> None:
    for neuron in simulation.neurons:
        assert np.abs(np.subtract(neuron.position_deg, neuron.shift_px)).max() <= 0.5


def test_movies_are_8_bit_with_exact_grey(simulation: Simulation) -> None:
    for movie in simulation.movies.values():
        assert movie.frames.dtype == np.uint8
        assert not movie.contrast()[0].any()


def test_cache_returns_what_was_simulated_and_mends_a_damaged_file(tmp_path: Path, simulation: Simulation) -> None:
    expected = simulation.dataset.content_hash()
    assert cached_simulation(config(), tmp_path).dataset.content_hash() == expected
    (file,) = tmp_path.iterdir()
    again = cached_simulation(config(), tmp_path)
    assert again.dataset.content_hash() == expected
    assert again.neurons == simulation.neurons
    file.write_bytes(file.read_bytes()[:1000])
    assert cached_simulation(config(), tmp_path).dataset.content_hash() == expected


def test_cache_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match=r"file.* cannot be written .*STCNN_CACHE"):
        cached_simulation(config(), tmp_path / "file")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"cell_types": ("lc111",)}, "no cell type 'lc111'.*'lc11'"),
        ({"indicator": "gcamp6"}, "no indicator 'gcamp6'.*'gcamp6"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(changes: dict, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        simulate(config(**changes))


def test_unknown_protocol_is_named() -> None:
    with pytest.raises(FileError, match=r"no protocol 'mixd'.*'mixed'"):
        simulate(SimulatedDataConfig(stimuli="mixd"))


def test_misspelt_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="n_trails"):
        SimulatedDataConfig.model_validate({"n_trails": 2})


def test_recordings_keep_the_clock_of_the_microscope_if_asked() -> None:
    imaging = Imaging(volume_rate_hz=8, exposure_s=0.1, clock="imaging")
    simulation = simulate(config(imaging=imaging, average_trials=False))
    first, second = simulation.dataset.recordings[:2]
    assert (first.rate_hz, first.exposure_s) == (8, 0.1)
    assert first.time_s[0] != second.time_s[0]  # trials are not locked to the microscope
    assert np.diff(first.time_s) == pytest.approx(1 / 8)
    assert simulation.truth.recordings[0].rate_hz == 60


def test_averages_of_trials_with_their_own_clocks_are_refused() -> None:
    with pytest.raises(ValidationError, match="set average_trials to false"):
        config(imaging=Imaging(clock="imaging"))


def test_folder_holds_recordings_and_truth_and_makes_the_same_again(tmp_path: Path, simulation: Simulation) -> None:
    folder = write_simulation(simulation, tmp_path / "made")
    stored = read_store(StoreDataConfig(path=folder / "recordings.zarr"))
    np.testing.assert_array_equal(stored.recordings[4].trace, simulation.dataset.recordings[4].trace)
    with np.load(folder / "truth.npz") as truth:
        np.testing.assert_array_equal(truth["dff/loom"], simulation.responses["loom"].dff)
    again = SimulatedDataConfig.model_validate(yaml.safe_load((folder / "simulation.yaml").read_text()))
    assert simulate(again).responses["dot"].voltage.tolist() == simulation.responses["dot"].voltage.tolist()
    with pytest.raises(FileError, match="made exists already"):
        write_simulation(simulation, folder)


def test_command_writes_the_folder_and_answers_faults_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(yaml.safe_dump({"stimuli": SMALL, "n_animals": 1, "cell_types": ["lc11"]}))
    (tmp_path / "wrong.yaml").write_text("n_animal: 1")
    for name, fault in (("small", None), ("wrong", "no key 'n_animal'.*'n_animals'")):
        result = CliRunner().invoke(app, [str(tmp_path / name), "--config", str(tmp_path / f"{name}.yaml")])
        if fault is None:
            assert result.output.startswith("2 neurons and 3 stimuli in")
        else:
            assert isinstance(result.exception, ConfigError)
            assert re.search(fault, str(result.exception))


def test_an_exposure_longer_than_a_stimulus_is_a_sentence() -> None:
    with pytest.raises(ConfigError, match=r"the stimulus 'dot' lasts .* s with the grey around it, .* up to 10.1 s"):
        simulate(config(imaging=Imaging(exposure_s=10)))
