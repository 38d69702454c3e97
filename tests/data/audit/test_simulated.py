"""The audit on simulated recordings: planted faults are found where they are, clean ones raise hardly an alarm."""

from dataclasses import replace
from functools import cache

import pytest

from stcnn.data import Dataset
from stcnn.data.audit.checks import AMBER, RED, Audit, audit
from stcnn.simulation import SimulatedDataConfig, simulate
from stcnn.simulation.faults import Fault, plant
from stcnn.simulation.imaging import Imaging

SEEDS = (0, 3)
FOUND_BY = {"shifted": "latency", "dropped": "dropped", "inverted": "polarity", "swapped": "label"}
CHECKS = set(FOUND_BY.values())


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
    """Measured on more seeds by benchmarks/false_alarms.py: see docs/data.md."""
    audits = [clean_audit(seed) for seed in SEEDS] + [clean_audit(0, own_clock=True)]
    assert [flag for found in audits for flag in found.flags if flag.colour == RED] == []
    n_neurons = sum(len(found.neurons) for found in audits)
    assert sum(len(found.flags) for found in audits) <= 0.05 * n_neurons


def few(n_animals: int) -> Dataset:
    """The recordings of the first animals of a set."""
    data = recordings(0)
    first = {f"animal_{number}" for number in range(n_animals)}
    return data.subset([row for row, recording in enumerate(data.recordings) if recording.animal in first])


@pytest.mark.parametrize("n_animals", [1, 2, 3])
def test_few_clean_animals_raise_no_alarm(n_animals: int) -> None:
    """Before, neurons of two animals were compared, and 18 of 20 clean sets called red."""
    assert [flag for flag in audit(few(n_animals)).flags if flag.check in CHECKS] == []


@pytest.mark.slow
@pytest.mark.parametrize("n_animals", [1, 2, 3, 5])
def test_many_sets_of_few_clean_animals(n_animals: int) -> None:
    configs = [SimulatedDataConfig(seed=seed, average_trials=False, n_animals=n_animals) for seed in range(200, 220)]
    audits = [audit(simulate(config).dataset) for config in configs]
    flagged = [found for found in audits if any(flag.check in CHECKS for flag in found.flags)]
    assert len(flagged) <= 1


@pytest.mark.parametrize("kind", FOUND_BY)
def test_two_animals_show_that_they_differ_but_not_which_is_at_fault(kind: str) -> None:
    fault = {"kind": kind, "animal": "animal_1", "stimuli": ("looming_100_deg_s", "rectangle_9x9")}
    found = audit(plant(few(2), [Fault.model_validate(fault)]))
    (flag,) = (flag for flag in found.flags if flag.check in CHECKS and "neuron" not in flag.what)
    assert (flag.colour, flag.what) == (AMBER, "animal_0 and animal_1")
    assert "two animals do not tell which of them is at fault" in flag.reason
    assert found.colour == AMBER
    assert (found.neurons.colour == AMBER).all()


@pytest.mark.parametrize("kind", ["shifted", "inverted"])
def test_of_three_animals_the_odd_one_is_named_and_no_other(kind: str) -> None:
    found = audit(plant(few(3), [Fault.model_validate({"kind": kind, "animal": "animal_2"})]))
    assert [(flag.colour, flag.what) for flag in found.flags if flag.check in CHECKS] == [(RED, "animal_2")]


def test_sessions_of_one_animal_are_compared() -> None:
    data = plant(few(2), [Fault(kind="shifted", animal="animal_1")])
    recordings = [replace(r, session=f"day {r.animal[-1]}", animal="fly") for r in data.recordings]
    (flag,) = (flag for flag in audit(Dataset.of(data.movies, recordings)).flags if flag.check in CHECKS)
    assert (flag.colour, flag.check, flag.what) == (AMBER, "latency", "session day 0 and session day 1")


def test_an_animal_and_a_neuron_of_one_name_are_told_apart() -> None:
    data = plant(few(3), [Fault(kind="inverted", animal="animal_2")])
    first = next(r.neuron for r in data.recordings if r.animal == "animal_0")
    recordings = [replace(r, neuron="animal_2" if r.neuron == first else r.neuron) for r in data.recordings]
    neurons = audit(Dataset.of(data.movies, recordings)).neurons.set_index("neuron")
    assert neurons.colour["animal_2"] != RED
    assert (neurons.colour[neurons.animal == "animal_2"] == RED).all()
