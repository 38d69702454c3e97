"""Stimuli that are searched for, against the best of 10,000 random ones of the same family.

    python benchmarks/optimal_stimuli.py --run experiments/RUN --families moving_rectangle looming_disc

For every cell type of a run: what the strongest stimulus that a search finds is predicted to evoke, on the screen of
the run, and the same of the best of so many stimuli drawn at random from the family (evenly in the scale of each
parameter). Every type is searched for by itself, as ``stcnn optimise --cell-type`` does, and has its own time; what is
compiled once is not timed. The random ones are drawn on the coarse screen of the search and the best of them, for each
type, answered on the screen of the run.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from record import arguments, write

from stcnn.experiments.asked_models import asked_models
from stcnn.experiments.optimal import Search, goal, load_family
from stcnn.stimuli import render

BLOCK = 64
N_FINALISTS = 16


def best_random(search: Search, n_random: int, seed: int) -> list[float]:
    """The strongest rise of every cell type among random stimuli."""
    rng = np.random.default_rng(seed)
    peaks, kept = [], []
    while len(kept) < n_random:
        places = rng.random((BLOCK, len(search.family.search)))
        usable, answers = search._answers(places)
        kept += [places[i] for i in usable]
        peaks += [one.peak()[0] for one in answers]
    table = torch.stack(peaks[:n_random])
    best = []
    for number in range(table.shape[1]):
        first = table[:, number].topk(N_FINALISTS).indices.tolist()
        movies = [render(search.final.screen, search.family.parameters(kept[i])) for i in first]
        best.append(max(float(one.peak()[0, number]) for one in search.final.answers(movies)))
    return best


def main() -> None:
    options = arguments(
        __doc__,
        run=("", "run folder, or folder of published checkpoints"),
        families=(["moving_rectangle"], "families of stimuli"),
        random=(10_000, "random stimuli"),
        seed=(0, "of the search; the random ones have the next"),
        name=("optimal_stimuli", "of the file of results"),
    )
    asked = asked_models([options.run])
    goals = [goal(asked, "strongest", name) for name in asked.cell_types]
    rows = []
    for name in options.families:
        search = Search(asked, load_family(name))
        middle = search.family.parameters(np.full(len(search.family.search), 0.5))
        search.coarse.answers([render(search.coarse.screen, middle)])  # what is compiled once is not timed
        drawn = best_random(search, options.random, options.seed + 1)
        for wanted, random in zip(goals, drawn, strict=True):
            start, start_cpu = time.perf_counter(), time.process_time()
            (one,) = search.found([wanted], options.seed)
            spent = {"wall_s": time.perf_counter() - start, "cpu_s": time.process_time() - start_cpu}
            row = {"family": name, "cell_type": wanted.cell_type, "found": one.value, "best_random": random}
            rows.append({**row, "ratio": one.value / random, **spent, "n_asked": one.n_asked})
    write(options.name, rows, run=options.run, n_random=options.random, seed=options.seed)


if __name__ == "__main__":
    main()
