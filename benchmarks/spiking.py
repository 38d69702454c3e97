"""Planted spiking neurons: does the network reach the LN model that made them, and pass it where it is wrong?

    python benchmarks/spiking.py retina     eight full-field LN neurons, flicker at 75 Hz, 20 minutes
    python benchmarks/spiking.py cortex     four LN neurons, 9 x 9 probes at 60 Hz, 20 minutes
    python benchmarks/spiking.py control    eight full-field neurons with contrast gain control, contrast that switches

Scored are twenty repeats of 20 s of frozen noise. Beside the network stand an LN model fitted to the same spikes (ridge
regression, then the mean count in 25 classes of its output), the model that made them, and that model with its numbers
fitted anew from the true ones on: what no fit to so much data gets back. Differences are means over neurons with a 95 %
bootstrap interval.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from ln_models import fitted_ln, refitted
from record import write

from stcnn.config import compose
from stcnn.data.dataset import Dataset, select
from stcnn.evaluate import Evaluation, predict
from stcnn.metrics.likelihoods import LIKELIHOODS
from stcnn.nn.model import STCNN
from stcnn.run_folder import Run
from stcnn.simulation.spiking import (
    GainControl,
    Noise,
    SpikingNeuron,
    cortical_neuron,
    retinal_neurons,
    spike_counts,
)
from stcnn.training.fit import train
from stcnn.training.recipe import Recipe

SEGMENT_S = 20.0
N_REPEATS = 20

PROBES = [
    *("model.eye.lattice=[9,9]", "model.eye.acceptance_fwhm_deg=1", "model.eye.window_deg=3.9"),
    *("model.readout.weights.kind=factorised", "model.cell_types.default.window_columns=9"),
    *("batching.kind=presentations", "training.learning_rate=0.02"),
]
"""What `model=spikes` is told about 9 x 9 probes: twelve filters that all share, one mixture of them and one field of
81 weights for each neuron."""


@dataclass(frozen=True)
class Case:
    """A planted experiment and the network for it."""

    noise: Noise
    neurons: list[SpikingNeuron]
    overrides: list[str] | None
    """Of `model=spikes`; None is the network with layers that rectify, for what no LN model holds."""


def case_of(name: str, rng: np.random.Generator) -> Case:
    if name == "cortex":
        noise = Noise((9, 9), 4.0, 60.0)
        return Case(noise, [cortical_neuron(noise.rate_hz, noise.sd, angle) for angle in (0.2, 0.9, 1.7, 2.5)], PROBES)
    noise = Noise((1, 1), 30.0, 75.0, weak_share=1 / 3 if name == "control" else 1.0)
    neurons = retinal_neurons(8, noise.rate_hz, noise.sd, rng)
    if name == "control":
        return Case(noise, [replace(neuron, control=GainControl()) for neuron in neurons], None)
    return Case(noise, neurons, [])


def recipe(case: Case, steps: int) -> Recipe:
    if case.overrides is None:
        return rectifying(steps)
    split = ["split.kind=stimulus", "split.validation=0.1", "split.test=0", "training.device=cpu"]
    config = compose(
        ["dataset=store", "dataset.path=none", "model=spikes", *split, f"training.steps={steps}", *case.overrides]
    )
    return Recipe.model_validate({name: getattr(config, name) for name in Recipe.model_fields})


def rectifying(steps: int) -> Recipe:
    filters = {"tau_init_s": [0.01, 0.06]}
    hidden = {"channels": [10, 10, 10, 10], "kernel_columns": 1, "filter": {"kind": "exponential", **filters}}
    model = {
        "eye": {"lattice": [1, 1]},
        "hidden": {**hidden, "norm": {"kind": "none"}},
        "readout": {"filter": filters, "weight_init": 0.1, "bias_init": [-1, -1]},
        "cell_types": {"default": {"window_columns": 1}},
        "calcium": {"kind": "none", "rectifier": "softplus"},
    }
    training = {"steps": steps, "learning_rate": 0.015, "loss": "poisson", "compute": "native", "device": "cpu"}
    return Recipe.model_validate(
        {
            "model": model,
            "split": {"kind": "stimulus", "validation": 0.1, "test": 0.0},
            "batching": {"batch_size": 4, "pre_grey_s": 0.5, "loss_start_s": 0.4},
            "training": {**training, "patience": None},
        }
    )


def measured(name: str, seed: int, steps: int, minutes: float, folder: Path, for_s: float) -> dict:
    rng = np.random.default_rng(seed)
    case = case_of(name, rng)
    segments = {f"noise{i}": case.noise.movie(SEGMENT_S, rng) for i in range(round(60 * minutes / SEGMENT_S))}
    movies = {**segments, "frozen": case.noise.movie(SEGMENT_S, rng)}
    data = spike_counts(case.neurons, movies, {m: N_REPEATS if m == "frozen" else 1 for m in movies}, rng)
    is_frozen = (data.table.stimulus == "frozen").to_numpy()
    shown = data.subset(np.flatnonzero(~is_frozen).tolist())
    repeats = select(data.subset(np.flatnonzero(is_frozen).tolist()), average_trials=True)
    chosen = recipe(case, steps)
    model, training_cpu_s = trained(shown, chosen, folder / f"{name}_{seed}_{steps}_{minutes:g}", for_s)
    contrasts = [movie.contrast().astype(float) for movie in segments.values()]
    frozen = movies["frozen"].contrast().astype(float)
    counts = counts_of(shown, list(segments), len(case.neurons))
    rate_hz = case.noise.rate_hz
    truth = np.stack([neuron.rate_hz(frozen, rate_hz) / rate_hz for neuron in case.neurons], 1)
    predictions = {"network": None, "LN fitted": fitted_ln(contrasts, counts, frozen), "model that made them": truth}
    if name != "control":
        predictions["the same refitted from the truth"] = refitted(case.neurons, contrasts, counts, frozen)
    network = predict(model, repeats, chosen.batching)
    tables = {}
    for label, rates in predictions.items():
        own = network if rates is None else replace(network, prediction=laid_over(network, rates))
        tables[label] = Evaluation.of(own, repeats, None, LIKELIHOODS["poisson"]).scores_table(["cell_type"])
    scores = {}
    for score in ("single_trial_correlation", "deviance_explained"):
        scores[score] = {label: table[score].tolist() for label, table in tables.items()}
    ceilings = {c: tables["network"][c].tolist() for c in ("single_trial_ceiling", "deviance_ceiling")}
    told = {"seed": seed, "steps": steps, "minutes": minutes, "training_cpu_s": training_cpu_s}
    return told | {"scores": scores} | ceilings


def trained(shown: Dataset, recipe: Recipe, folder: Path, for_s: float) -> tuple[STCNN, float]:
    """Train, or go on, for so long; return the finished network and the processor seconds of all calls together.

    Raises:
        TrainingStopped: it is not finished.
    """
    folder.mkdir(parents=True, exist_ok=True)
    begun = sorted(path.parent for path in folder.glob("*/config.yaml"))
    run = Run(begun[0]) if begun else Run.create(folder, "planted", {})
    spent = folder / "cpu_s.txt"
    before_s = float(spent.read_text()) if spent.exists() else 0.0
    if (run.path / "model.safetensors").exists():
        return run.model(), before_s
    start_s = time.process_time()
    try:
        model = train(shown, recipe, run, resume=bool(begun), deadline_s=time.monotonic() + for_s)
    finally:
        cpu_s = before_s + time.process_time() - start_s
        spent.write_text(f"{cpu_s}\n")
    return model, cpu_s


def counts_of(shown: Dataset, stimuli: list[str], n_neurons: int) -> np.ndarray:
    """Counts ``(segments, T, N)``."""
    found = {(r.stimulus, r.cell_type): r.trace for r in shown.recordings}
    return np.stack([np.stack([found[s, f"unit{n}"] for n in range(n_neurons)], 1) for s in stimuli]).astype(float)


def laid_over(network: object, rates: np.ndarray) -> torch.Tensor:
    """The rates ``(T, N)`` in place of the predictions at the scored samples, which end with the last but one."""
    prediction = network.prediction.clone()
    for row, cell_type in enumerate(network.cell_type.tolist()):
        scored = network.weight[row] > 0
        last = len(rates) - 1
        prediction[row, scored] = torch.from_numpy(rates[last - int(scored.sum()) : last, cell_type]).float()
    return prediction


def difference(a: list[float], b: list[float], n_draws: int = 10_000) -> dict[str, float]:
    """Mean over neurons of ``a - b``, with a 95 % bootstrap interval."""
    apart = np.subtract(a, b)
    drawn = np.random.default_rng(0).choice(apart, (n_draws, len(apart))).mean(1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return {"network_minus": float(apart.mean()), "low": float(low), "high": float(high)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=("retina", "cortex", "control"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--folder", type=Path, help="of trainings that go on where a call was cut off")
    parser.add_argument("--for-s", type=float, default=math.inf, help="seconds on the clock of a training in this call")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        found = measured(given.case, given.seed, given.steps, given.minutes, folder, given.for_s)
    rows = []
    for score, models in found["scores"].items():
        for label, values in models.items():
            apart = {} if label == "network" else difference(models["network"], values)
            rows.append({"score": score, "model": label, "mean": float(np.mean(values)), **apart})
    for ceiling in ("single_trial_ceiling", "deviance_ceiling"):
        rows.append({"score": ceiling, "model": "ceiling", "mean": float(np.mean(found[ceiling]))})
    notes = {key: found[key] for key in ("seed", "steps", "minutes", "training_cpu_s")}
    write(f"spiking_{given.case}", rows, **notes)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
