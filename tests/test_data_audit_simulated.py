"""The audit on simulated recordings: planted faults are found where they are, clean ones raise hardly an alarm."""

from functools import cache

import pytest

from stcnn.data import Dataset
from stcnn.data.checks import RED, Audit, audit
from stcnn.simulation import SimulatedDataConfig, simulate
from stcnn.simulation.faults import Fault, plant
from stcnn.simulation.imaging import Imaging

SEEDS = (0, 3)
FOUND_BY = {"shifted": "latency", "dropped": "dropped", "inverted": "polarity", "swapped": "label"}


@cache
def recordings(seed: int, *, own_clock: bool = False) -> Dataset:
    """Three cell types in five animals, 24 stimuli, three trials; at the movie's rate or at 10 Hz with jitter."""
    imaging = Imaging(clock="imaging") if own_clock else Imaging()
    return simulate(SimulatedDataConfig(seed=seed, average_trials=False, imaging=imaging)).dataset


@cache
def clean_audit(seed: int, *, own_clock: bool = False) -> Audit:
    return audit(recordings(seed, own_clock=own_clock))


@pytest.mark.parametrize("kind", FOUND_BY)
def test_a_planted_fault_is_found_in_its_animal(kind: str) -> None:
    found = audit(plant(recordings(0), [Fault.model_validate({"kind": kind, "animal": "animal_1"})]))
    assert [(flag.check, flag.what) for flag in found.flags if flag.colour == RED] == [(FOUND_BY[kind], "animal_1")]
    assert set(found.neurons.animal[found.neurons.colour == RED]) == {"animal_1"}


def test_exchanged_labels_are_named() -> None:
    stimuli = ("looming_50_deg_s", "rectangle_9x9")
    found = audit(plant(recordings(0), [Fault(kind="swapped", animal="animal_2", stimuli=stimuli)]))
    (flag,) = (flag for flag in found.flags if flag.check == "label")
    assert all(f"'{name}'" in flag.reason for name in stimuli)


def test_onsets_misread_in_all_animals_show_against_the_stimulus() -> None:
    found = audit(plant(recordings(0), [Fault(kind="dropped", n_samples=25)]))
    leading = {flag.what for flag in found.flags if flag.check == "latency"}
    assert len(leading) > len(found.neurons) / 2


def test_false_alarms_on_clean_recordings_are_rare() -> None:
    """Measured on seeds 0 to 9: see docs/data.md."""
    audits = [clean_audit(seed) for seed in SEEDS] + [clean_audit(0, own_clock=True)]
    assert [flag for found in audits for flag in found.flags if flag.colour == RED] == []
    n_neurons = sum(len(found.neurons) for found in audits)
    assert sum(len(found.flags) for found in audits) <= 0.05 * n_neurons
