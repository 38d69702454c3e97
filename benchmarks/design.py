"""Stimuli that a new neuron must be shown until a family that is held out is predicted: chosen, at random, spread out.

    python benchmarks/physiology.py --models 3 --runs experiments      five types, 101 stimuli: the models
    python benchmarks/design.py --run experiments/RUN                  ten minutes on one core
    python benchmarks/design.py --run experiments/RUN --by readout --name design_readout --seeds 3

New neurons are simulated with noise, one trial per stimulus, five of the types that the models know and two that they
do not. What is not known of them (``--by``: of which known types they are a mix, or the weights of a readout) is fitted
by the closed loop of ``stcnn design`` after every presentation, and what it predicts is correlated with the noise-free
truth on a family that none of the stimuli belongs to. Counted are the presentations from which on the correlation stays
above 0.9 of its ceiling, that after all stimuli. Orders, for the same neuron and noise:

* ``information``, ``variance``: the closed loop with that criterion, per second of recording;
* ``aimed``: ``variance`` of the predictions of the family that is held out (its movies are known, its answers are not);
* ``random``;
* ``space filling``: the stimulus farthest, in its parameters, from all shown before (Gonzalez 1985,
  doi 10.1016/0304-3975(85)90224-5), from a random first one. Parameters count from 0 to 1, the kind as one of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from record import ROOT, arguments, write

from stcnn.experiments.asked_models import AskedModels, asked_models
from stcnn.experiments.design import Candidates, ClosedLoop, candidates, known_criterion, known_source
from stcnn.simulation import Simulation, simulate
from stcnn.simulation.imaging import Imaging
from stcnn.simulation.recordings import SimulatedDataConfig
from stcnn.stimuli import load_protocol

FAMILIES = {
    "size": ("klapoetke2022_size",),
    "looming": ("looming_rv", "klapoetke2022_looming"),
    "speed": ("speed",),
    "direction": ("direction",),
    "contrast": ("contrast",),
    "flicker": ("flicker",),
    "gratings": ("temporal_spatial_frequency",),
    "noise": ("noise",),
}
SHARE = 0.9
LEAST_CEILING = 0.5
"""Correlation below which the readout cannot predict a type at all; such types are left out, and named."""

Array = np.ndarray[Any, np.dtype[np.float64]]


def stimuli(rate_hz: float) -> dict[str, dict[str, Any]]:
    """All stimuli by family and name."""
    found = {}
    for family, protocols in FAMILIES.items():
        for protocol in protocols:
            for name, parameters in load_protocol(protocol).parameters.items():
                found[f"{family}/{protocol}/{name}"] = parameters
    return found


def simulated(asked: AskedModels, cell_types: list[str], n_neurons: int, noise_scale: float) -> Simulation:
    """One trial of every stimulus from neurons that look at the middle of the screen."""
    screen = asked.screen
    return simulate(
        SimulatedDataConfig(
            seed=100,
            cell_types=tuple(cell_types),
            stimuli=stimuli(screen.rate_hz),
            n_animals=n_neurons,
            neurons_per_animal=1,
            position_sd_deg=0,
            rate_hz=screen.rate_hz,
            shape_px=screen.shape_px,
            deg_per_px=screen.deg_per_px,
            n_trials=1,
            imaging=Imaging(noise_scale=noise_scale),
        )
    )


def sampled(trace: Array, found: Candidates, rate_hz: float) -> Array:
    step = round(rate_hz / found.sample_hz)
    return trace[: len(trace) // step * step].reshape(-1, step).mean(1)


class Neuron:
    """Recorded and true traces above grey of one neuron, at the samples of the design."""

    def __init__(self, simulation: Simulation, row: int, found: Candidates) -> None:
        rate_hz = simulation.config.rate_hz
        n_before = round(simulation.config.before_s * rate_hz)
        offset = simulation.neurons[row].offset_dff
        self.recorded, self.true = {}, {}
        for name, responses in simulation.responses.items():
            trial = responses.trials[0][row].astype(float)
            self.recorded[name] = sampled(trial - trial[:n_before].mean(), found, rate_hz)
            self.true[name] = sampled(responses.dff[row].astype(float) - offset, found, rate_hz)

    def noise_dff(self) -> float:
        errors = [self.recorded[name] - self.true[name] for name in self.true]
        return float(np.concatenate(errors).std())


class HeldOutFamily:
    """What a family would tell, and what a neuron truly answers to it.

    Args:
        neuron: the neuron.
        aim: the stimuli of the family.
    """

    def __init__(self, neuron: Neuron, aim: Candidates) -> None:
        self.true = np.concatenate([neuron.true[name] for name in aim.names])
        rows = [x[: len(neuron.true[name])] for name, x in zip(aim.names, aim.features[0], strict=True)]
        self.features = np.concatenate(rows)

    def score(self, loop: ClosedLoop) -> float:
        """Correlation of what the loop predicts with the truth, over all samples of the family."""
        predicted = self.features @ loop.weights()[0]
        varies = predicted.std() > 0 and self.true.std() > 0
        return float(np.corrcoef(predicted, self.true)[0, 1]) if varies else 0.0


def spread_out(parameters: Mapping[str, Mapping[str, Any]], rng: np.random.Generator) -> list[str]:
    """Names in the order in which each is farthest from those before it."""
    names = list(parameters)
    rows = pd.DataFrame([{k: v for k, v in parameters[n].items() if type(v) in (int, float)} for n in names])
    kinds = pd.get_dummies([parameters[name]["kind"] for name in names]).to_numpy(float)
    spans = (rows.max() - rows.min()).replace(0, 1).fillna(1)
    table = np.column_stack([((rows - rows.min()) / spans).fillna(0.5).to_numpy(float), kinds])
    chosen = [int(rng.integers(len(names)))]
    nearest = np.linalg.norm(table - table[chosen[0]], axis=1)
    while len(chosen) < len(names):
        nearest[chosen] = -1
        ties = np.flatnonzero(nearest == nearest.max())
        chosen.append(int(rng.choice(ties)))
        nearest = np.minimum(nearest, np.linalg.norm(table - table[chosen[-1]], axis=1))
    return [names[i] for i in chosen]


def followed(
    loop: ClosedLoop, chooses: Callable[[int], str], n: int, neuron: Neuron, judge: Callable[[], float]
) -> tuple[Array, Array, float]:
    """Scores and minutes after every presentation of an order, and the longest choice in milliseconds of CPU."""
    scores, minutes, slowest, spent_s = [], [], 0.0, 0.0
    (unit,) = loop.candidates.units
    for step in range(n):
        start = time.process_time()
        name = chooses(step)
        choice_s = time.process_time() - start
        start = time.process_time()
        loop.tell(name, {unit: neuron.recorded[name]})
        slowest = max(slowest, 1e3 * (choice_s + time.process_time() - start))
        spent_s += loop.cost_s[loop.candidates.number(name)]
        scores.append(judge())
        minutes.append(spent_s / 60)
    return np.array(scores), np.array(minutes), slowest


def stays_above(scores: Array, level: float) -> int:
    """Number of presentations from which on all scores lie at or above a level."""
    below = np.flatnonzero(scores < level)
    return min(int(below[-1]) + 2, len(scores)) if len(below) else 1


def rows_of(
    simulation: Simulation, everything: Candidates, neuron_row: int, unit: str, held_out: str, seed: int
) -> list[dict[str, Any]]:
    neuron = Neuron(simulation, neuron_row, everything)
    pool = [name for name in everything.names if not name.startswith(f"{held_out}/")]
    hidden = [name for name in everything.names if name.startswith(f"{held_out}/")]
    aim = everything.only(hidden)
    alone = everything.only(pool)
    family = HeldOutFamily(neuron, aim)
    rng = np.random.default_rng([seed, 1])
    parameters = {name: simulation.movies[name].parameters for name in pool}
    shuffled = [pool[i] for i in rng.permutation(len(pool))]
    spread = spread_out(parameters, rng)
    found = []
    for order in ("information", "variance", "aimed", "random", "space filling"):
        criterion = known_criterion("variance" if order in ("variance", "aimed") else "information")
        loop = ClosedLoop(alone, criterion, aim=aim if order == "aimed" else None)
        listed = {"random": shuffled, "space filling": spread}.get(order)
        chooses = (lambda step, names=listed: names[step]) if listed else (lambda step, loop=loop: loop.next())
        scores, minutes, slowest = followed(loop, chooses, len(pool), neuron, partial(family.score, loop))
        n = stays_above(scores, SHARE * scores[-1])
        about = {"held_out": held_out, "cell_type": unit, "seed": seed, "order": order, "n_pool": len(pool)}
        found.append(about | {"ceiling": scores[-1], "n": n, "minutes": minutes[n - 1], "slowest_ms": slowest})
    return found


def everything_for(unit: str, base: Candidates, noise_dff: float) -> Candidates:
    """What the stimuli tell of a new neuron with so much noise, from what they tell at a noise of one."""
    mine = tuple(x / noise_dff for x in base.features[0])
    rows = base.rows / noise_dff
    noise = np.array([noise_dff])
    return Candidates(base.names, base.duration_s, (unit,), noise, base.expected, (mine,), rows, base.sample_hz)


def compared(table: pd.DataFrame) -> tuple[list[dict[str, Any]], list[str]]:
    """Medians of every order for every case, and the cases that no readout predicts."""
    ceilings = table[table.order == "random"].groupby(["held_out", "cell_type"]).ceiling.median()
    found = []
    for (held_out, unit), mine in table.groupby(["held_out", "cell_type"]):
        wide = mine.pivot(index="seed", columns="order", values="n")
        for order, theirs in mine.groupby("order", sort=False):
            found.append(
                {
                    **{"held_out": held_out, "cell_type": unit, "order": order, "ceiling": theirs.ceiling.median()},
                    **{
                        "n": theirs.n.median(),
                        "minutes": theirs.minutes.median(),
                        "n_pool": int(theirs.n_pool.iloc[0]),
                    },
                    "to_random": float((wide[order] / wide["random"]).median()),
                    "fewer_than_space_filling": int((wide[order] < wide["space filling"]).sum()),
                    "as_few": int((wide[order] == wide["space filling"]).sum()),
                    "slowest_ms": theirs.slowest_ms.max(),
                }
            )
    poor = ceilings[ceilings < LEAST_CEILING]
    return found, [f"{held_out}/{unit}: {value:.2f}" for (held_out, unit), value in poor.items()]


def over_all(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Ratios to random over all neurons of the cases that can be predicted, paired; and against space filling."""
    case = ["held_out", "cell_type"]
    ceilings = table[table.order == "random"].groupby(case).ceiling.transform("median")
    counted = table.loc[ceilings.index][ceilings >= LEAST_CEILING][[*case, "seed"]]
    kept = table.merge(counted, on=[*case, "seed"])
    by_n, by_minutes = (kept.pivot(index=[*case, "seed"], columns="order", values=value) for value in ("n", "minutes"))
    found = {}
    for order in ("information", "variance", "aimed", "space filling"):
        ratio = by_n[order] / by_n["random"]
        found[order] = {
            "n": float(by_n[order].median()),
            "n_random": float(by_n["random"].median()),
            "median_ratio": float(ratio.median()),
            "geometric_mean_ratio": float(np.exp(np.log(ratio).mean())),
            "ratio_of_sums": float(by_n[order].sum() / by_n["random"].sum()),
            "median_ratio_of_minutes": float((by_minutes[order] / by_minutes["random"]).median()),
            "fewer_than_random": float((ratio < 1).mean()),
            "more_than_random": float((ratio > 1).mean()),
            "fewer_than_space_filling": float((by_n[order] < by_n["space filling"]).mean()),
            "more_than_space_filling": float((by_n[order] > by_n["space filling"]).mean()),
        }
    return found


def main() -> None:
    options = arguments(
        __doc__,
        run=(str(ROOT / "stcnn" / "example"), "run folder or ensemble"),
        by=("types", "what is not known of a new neuron: types or readout"),
        cell_types=(["lc11", "lc15", "lplc2", "lc4", "lc12", "lplc1", "lc17"], "of the new neurons"),
        held_out=(["size", "looming", "direction"], "families that are not shown"),
        window=("lplc2", "cell type whose window, filter and indicator readouts have"),
        noise_scale=(0.3, "noise of a trial, against that of the simulated data set"),
        seeds=(10, "neurons of each type, with their noise"),
        name=("design", "of the file of results"),
    )
    asked = asked_models([options.run])
    simulation = simulated(asked, options.cell_types, options.seeds, options.noise_scale)
    source = known_source(options.by, asked)
    base = candidates(asked, simulation.movies, source, [options.window], {options.window: 1.0})
    rows: list[dict[str, Any]] = []
    for unit in options.cell_types:
        places = [i for i, neuron in enumerate(simulation.neurons) if neuron.cell_type == unit]
        noise = float(np.mean([Neuron(simulation, i, base).noise_dff() for i in places]))
        everything = everything_for(unit, base, noise)
        for held_out in options.held_out:
            for seed, place in enumerate(places):
                rows += rows_of(simulation, everything, place, unit, held_out, seed)
    table = pd.DataFrame(rows)
    cases, left_out = compared(table)
    summary = over_all(table)
    print(pd.DataFrame(summary).T.to_string(float_format=lambda value: f"{value:.3g}"))
    circumstances = {"by": options.by, "models": len(asked.models), "known_types": list(asked.cell_types)}
    counts = {"seeds": options.seeds, "noise_scale": options.noise_scale}
    write(options.name, cases, over_all=summary, not_counted=left_out, **circumstances, **counts)


if __name__ == "__main__":
    main()
