"""How often the check of recordings is wrong: false alarms on clean simulated sets, and planted faults that it finds.

    python benchmarks/false_alarms.py

Sets of the default simulation (three cell types with two neurons in each animal, 24 stimuli, three trials at realistic
noise) with 1, 2, 3 and 5 animals, at the movie's rate and at 10 Hz with jitter. A fault is planted into one animal (the
labels that are exchanged are drawn anew for every set). Results go to ``benchmarks/results/false_alarms.json``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from record import arguments, write

from stcnn.data import Dataset
from stcnn.data.audit.checks import RED, Audit, audit
from stcnn.simulation import SimulatedDataConfig, simulate
from stcnn.simulation.faults import Fault, plant
from stcnn.simulation.imaging import Imaging

SPOILT = "animal_0"
FOUND_BY = {
    "shifted": ("latency", "dropped"),
    "dropped": ("latency", "dropped"),
    "inverted": ("polarity",),
    "swapped": ("label",),
}
"""Fault to the checks that may find it: which of two animals is late is not known from the two."""
Verdict = tuple[str, dict[str, bool]]
"""``clean`` or the kind of the fault, and what :func:`judged` says."""
COMPARISONS = ("latency", "dropped", "polarity", "label")


def recordings(seed: int, n_animals: int, n_neurons: int, clock: str) -> Dataset:
    """A clean set of single trials."""
    imaging = Imaging(clock="imaging") if clock == "imaging" else Imaging()
    config = SimulatedDataConfig(
        seed=seed, average_trials=False, n_animals=n_animals, neurons_per_animal=n_neurons, imaging=imaging
    )
    return simulate(config).dataset


def spoilt(data: Dataset, kind: str, seed: int) -> Dataset:
    """The set with a fault in one animal: 5 frames at the movie's rate, or as long on the imaging clock."""
    rng = np.random.default_rng(seed)
    stimuli = tuple(rng.choice(sorted(data.movies), 2, replace=False).tolist())
    late = 5 if data.table.rate_hz.median() > 30 else 2
    return plant(data, [Fault.model_validate({"kind": kind, "animal": SPOILT, "n_samples": late, "stimuli": stimuli})])


def judged(found: Audit, data: Dataset, kind: str) -> dict[str, bool]:
    """Whether a set is red, what its comparisons said, and whether they found the fault and nothing else."""
    own = {SPOILT, *data.table.neuron[data.table.animal == SPOILT]}
    compared = [flag for flag in found.flags if flag.check in COMPARISONS and "lead the stimulus" not in flag.reason]
    hits = [flag for flag in compared if flag.check in FOUND_BY.get(kind, ()) and _names(flag.what, own)]
    return {
        "red": found.colour == RED,
        "flagged": bool(compared),
        "found": bool(hits),
        "found_red": any(flag.colour == RED for flag in hits),
        "elsewhere": any(flag.colour == RED and not _names(flag.what, own) for flag in compared),
    }


def _names(what: str, own: set[str]) -> bool:
    return any(part.strip() in own for part in what.replace(" and ", ",").split(","))


def verdicts(seeds: range, n_spoilt: int, n_animals: int, n_neurons: int, clock: str) -> Iterator[Verdict]:
    """What is said of the clean set of every seed, and of each fault in the first of them."""
    for seed in seeds:
        data = recordings(seed, n_animals, n_neurons, clock)
        yield "clean", judged(audit(data), data, "clean")
        for kind in FOUND_BY if n_animals > 1 and seed < seeds.start + n_spoilt else ():
            yield kind, judged(audit(spoilt(data, kind, seed)), data, kind)


def main() -> None:
    options = arguments(
        __doc__,
        sets=(40, "clean sets of each kind"),
        spoilt=(20, "how many of them get each fault"),
        first_seed=(100, "seed of the first set"),
        animals=([1, 2, 3, 5], "animals in a set"),
        neurons=([2], "neurons of each type in an animal"),
        clocks=(["movie", "imaging"], "sampled at the movie's rate, or at 10 Hz with jitter"),
        name=("false_alarms", "name of the results"),
    )
    rows: list[dict[str, Any]] = []
    for n_animals, n_neurons, clock in product(options.animals, options.neurons, options.clocks):
        seeds = range(options.first_seed, options.first_seed + options.sets)
        found: dict[str, list[dict[str, bool]]] = {}
        for kind, verdict in verdicts(seeds, options.spoilt, n_animals, n_neurons, clock):
            found.setdefault(kind, []).append(verdict)
        for kind, all_of in found.items():
            counts = {name: sum(verdict[name] for verdict in all_of) for name in all_of[0]}
            circumstances = {"animals": n_animals, "neurons": n_neurons, "clock": clock, "set": kind}
            rows.append({**circumstances, "sets": len(all_of), **counts})
            print(rows[-1], flush=True)
    write(options.name, rows, first_seed=options.first_seed)


if __name__ == "__main__":
    main()
