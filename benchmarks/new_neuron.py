"""How many minutes of recording a new neuron needs on a trained core.

    python benchmarks/new_neuron.py --run experiments/RUN     a run of the simulated data set; a minute on one core

New neurons of the core's cell types are simulated in other animals, at positions that the fit is not told. A quarter of
the stimuli is held out; position, readout scale, gain and offset are fitted to more and more of the other recordings,
single trials in random order, and the held-out predictions are correlated with the noise-free truth.
"""

from __future__ import annotations

import time
from dataclasses import replace

import matplotlib

matplotlib.use("Agg")
import numpy as np
import pandas as pd
import torch
from record import RESULTS, arguments, write

from stcnn.config import validate
from stcnn.data import Dataset
from stcnn.experiments.new_neuron import NeuronFit, average_neuron, by_neuron, fit_neuron
from stcnn.experiments.shown import Shown, show
from stcnn.nn.model import STCNN
from stcnn.run_folder import open_run
from stcnn.simulation import Simulation, simulate
from stcnn.viz.theme import Margins, colours, panels, themed

N_RECORDINGS = (1, 3, 9, 27, 54)
HELD_OUT = 4
"""One stimulus of so many is held out."""


def unplaced(dataset: Dataset) -> Dataset:
    """The same recordings without the shift that brings each neuron to the middle."""
    return Dataset.of(dataset.movies, [replace(r, shift_px=(0, 0)) for r in dataset.recordings])


def held_out_score(model: STCNN, fit: NeuronFit, held_out: list[Shown], truth: Dataset) -> dict[str, float]:
    """Share of the variance of a neuron's noise-free traces that the predictions explain, and their correlation."""
    parts = []
    for each in held_out:
        scored = each.batch.weight[0] > 0
        true = truth.recordings[each.item].trace[-1 - int(scored.sum()) : -1]
        parts.append((fit.trace(model, each)[scored].numpy(), true))
    predicted, true = (np.concatenate(side) for side in zip(*parts, strict=True))
    explained = 1 - np.mean((predicted - true) ** 2) / np.var(true)
    return {"explained": float(explained), "correlation": float(np.corrcoef(predicted, true)[0, 1])}


def curve(model: STCNN, simulation: Simulation, shown: list[Shown], n_draws: int) -> pd.DataFrame:
    """Score every neuron after fits to more and more of its recordings."""
    stimuli = list(simulation.movies)
    hidden = set(stimuli[::HELD_OUT])
    truth, recordings, rows = simulation.truth, simulation.dataset.recordings, []
    for (cell_type, number), mine in by_neuron(shown).items():
        held_out = [e for e in mine if recordings[e.item].stimulus in hidden and recordings[e.item].trials == (0,)]
        pool = [e for e in mine if recordings[e.item].stimulus not in hidden]
        name = simulation.dataset.cell_types[cell_type]
        known = next(n for n in simulation.neurons if n.name == simulation.dataset.neurons[name][number])
        rng = np.random.default_rng([cell_type, number])
        untold = held_out_score(model, average_neuron(model, mine[0].cell_type), held_out, truth)
        away = float(np.hypot(*known.position_deg))
        rows.append({"cell_type": name, "neuron": number, "n": 0, "minutes": 0.0, **untold, "position_error_deg": away})
        for _ in range(n_draws):
            order = rng.permutation(len(pool))
            for n in (n for n in N_RECORDINGS if n <= len(pool)):
                seen = [pool[i] for i in order[:n]]
                start = time.perf_counter()
                fit = fit_neuron(model, seen)
                off = np.hypot(fit.azimuth_deg - known.position_deg[0], fit.elevation_deg - known.position_deg[1])
                rows.append(
                    {
                        "cell_type": name,
                        "neuron": number,
                        "n": n,
                        "minutes": sum(e.duration_s for e in seen) / 60,
                        **held_out_score(model, fit, held_out, truth),
                        "position_error_deg": float(off),
                        "fit_s": time.perf_counter() - start,
                    }
                )
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame) -> None:
    """Median and middle half over the neurons of each cell type; dotted: the average neuron, nothing fitted."""
    with themed():
        figure, ((scores, places),) = panels(1, 2, (2.7, 2.1), Margins(left=0.8, right=0.9, top=0.1, across=0.75))
        for name, colour in colours(list(table.cell_type.unique())).items():
            mine = table[(table.cell_type == name) & (table.n > 0)].groupby("n")
            scores.plot(mine.minutes.mean(), mine.explained.median(), "o-", ms=3.5, color=colour, label=name)
            low, high = mine.explained.quantile(0.25), mine.explained.quantile(0.75)
            scores.fill_between(mine.minutes.mean(), low, high, color=colour, alpha=0.15, lw=0)
            untold = table[(table.cell_type == name) & (table.n == 0)].median(numeric_only=True)
            scores.axhline(untold.explained, color=colour, lw=0.9, ls=":")
            places.axhline(untold.position_error_deg, color=colour, lw=0.9, ls=":")
            places.plot(mine.minutes.mean(), mine.position_error_deg.median(), "o-", ms=3.5, color=colour, label=name)
        for axes in (scores, places):
            axes.set_xscale("log")
            axes.set_xlabel("minutes of recording")
        scores.set(ylabel="variance of the truth\nexplained, held-out stimuli", ylim=(0, 1))
        places.set(ylabel="error of the position (deg)", ylim=(0, None))
        places.legend(loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(RESULTS / "new_neuron.png")


def main() -> None:
    options = arguments(
        __doc__, run=("", "run folder of the core"), draws=(1, "orders of the recordings"), seed=(100, "")
    )
    run = open_run(options.run)
    config = validate(run.config())
    assert config.dataset.kind == "simulated"
    model = run.model()
    new = {"seed": options.seed, "average_trials": False, "n_trials": 3, "n_animals": 3, "neurons_per_animal": 1}
    simulation = simulate(config.dataset.model_copy(update=new))
    start = time.perf_counter()
    with torch.no_grad():
        shown = show(model, unplaced(simulation.dataset), config.batching)
    show_s = time.perf_counter() - start
    table = curve(model, simulation, shown, options.draws)
    draw(table)
    means = table.groupby(["cell_type", "n"], sort=False).median(numeric_only=True).drop(columns="neuron").reset_index()
    write("new_neuron", means.to_dict("records"), core=run.path.name, drives_s=show_s, n_neurons=len(by_neuron(shown)))


if __name__ == "__main__":
    main()
