"""Size and latency of simulated cell types by the answers of networks that differ by their seed.

    python benchmarks/seeds.py --seeds 5
    python benchmarks/seeds.py --seeds 3 --smoothness 0.3 --to seeds_smooth
    python benchmarks/seeds.py --seeds 5 --probing --to seeds_probing
    python benchmarks/seeds.py --seeds 5 --mapping --to seeds_mapping
    python benchmarks/seeds.py --run experiments/ENSEMBLE

Trains the default recipe on the simulated set, one seed after the other, where ``experiments/comparisons/simulated``
lacks one, or, with ``--probing``, on that set and the thirteen stimuli of ``probing.yaml``: squares and flashes of
other sides than those that are asked about, or, with ``--mapping``, the twelve of ``mapping.yaml``: squares, bars and
discs beside the middle. Asked is by how much seeds agree on size and latency when they are measured
as in an experiment: the preferred side of moving squares, the side from which on the response is half of the largest,
the time from a flash to half of the peak; and width, height and latencies by the stimulus that each type answers most
of a panel (``response_field``), which the mean of the networks chooses for the detectors as well. Given are the mean,
every seed, the largest over the smallest, and the factor from the middle to the ends of the 95 % interval into which
one more training falls (Student's t of logarithms); 1.15 was asked for.
``truth`` is what the detectors answer that made the recordings. Results go to ``benchmarks/results/seeds.json``.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from comparisons import trained
from numpy.typing import NDArray
from record import ROOT, write

from stcnn.config import validate
from stcnn.experiments.physiology import ANALYSES, Bench, Models
from stcnn.experiments.physiology.response_field import mapped, strongest
from stcnn.experiments.physiology.tuning_numbers import first_crossing
from stcnn.metrics.intervals import reach_of_another
from stcnn.run_folder import open_run
from stcnn.simulation import SimulatedDataConfig
from stcnn.simulation.truth import Truth
from stcnn.stimuli import Screen

Values = NDArray[np.float64]
ANSWERED = ("preferred_side_deg", "half_side_deg", "latency_s", "dff_latency_s")


def by_responses(bench: Bench, chosen: Mapping[str, str | None]) -> dict[str, Values]:
    """Numbers of each member and cell type, ``(M, N)``, fields mapped with the chosen stimulus of each cell type."""
    size = ANALYSES["size"].measure(bench)
    latency = ANALYSES["latency"].measure(bench)
    found = {number.name: number.values for result in (size, latency) for number in result.numbers}
    curve = size.curves[0]
    half = first_crossing(np.log(curve.axis.values), curve.values, curve.values.max(-1) / 2)
    found["half_side_deg"] = np.exp(half)
    field = mapped(bench, [chosen[name] for name in bench.cell_types])
    return {name: found[name] for name in ANSWERED} | {number.name: number.values for number in field.numbers}


def rows(values: Mapping[str, Values], truth: Mapping[str, Values], cell_types: Sequence[str]) -> list[dict[str, Any]]:
    """Agreement of the seeds on each number of each cell type."""
    table = []
    for name, each in values.items():
        for i, cell_type in enumerate(cell_types):
            mine = each[:, i]
            usable = bool(np.isfinite(mine).all() and (mine > 0).all())
            factor = float(np.exp(reach_of_another(np.log(mine)))) if usable and len(mine) > 1 else None
            table.append(
                {
                    "number": name,
                    "cell_type": cell_type,
                    "mean": float(np.mean(mine)),
                    "seeds": " ".join(f"{value:.4g}" for value in mine),
                    "largest_over_smallest": float(mine.max() / mine.min()) if usable else None,
                    "factor": factor,
                    "truth": float(truth[name][0, i]) if name in truth else None,
                }
            )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="seeds 1, 2, ...")
    parser.add_argument("--smoothness", type=float, default=0.0, help="training.smoothness of the recipe")
    parser.add_argument("--probing", action="store_true", help="simulate responses to probing.yaml as well")
    parser.add_argument("--mapping", action="store_true", help="simulate responses to mapping.yaml as well")
    parser.add_argument("--run", type=Path, help="an ensemble of simulated recordings that is there already")
    parser.add_argument("--to", default="seeds", help="name of the result")
    options = parser.parse_args()
    more = [f"training.smoothness={options.smoothness}"] if options.smoothness else []
    wider = [str(ROOT / f"benchmarks/{name}.yaml") for name in ("probing", "mapping") if getattr(options, name)]
    if wider:
        more.append(f"dataset.stimuli=[{','.join(['mixed', *wider])}]")
    seeds = range(1, options.seeds + 1)
    runs = open_run(options.run).members() if options.run else [trained("simulated", seed, more)[0] for seed in seeds]
    config = validate(runs[0].config())
    assert isinstance(config.dataset, SimulatedDataConfig)
    screen = Screen(rate_hz=config.dataset.rate_hz)
    models = Models([run.model() for run in runs])
    subject = Truth(config.dataset)
    asked = Bench(models, screen)
    chosen = dict(zip(models.cell_types, strongest(asked)[0], strict=True))
    truth = by_responses(Bench(subject, screen), chosen)
    found = by_responses(asked, chosen)
    order = [list(subject.cell_types).index(name) for name in models.cell_types]
    truth = {name: each[:, order] for name, each in truth.items()}
    write(options.to, rows(found, truth, models.cell_types), smoothness=options.smoothness, mapped_with=chosen)


if __name__ == "__main__":
    main()
