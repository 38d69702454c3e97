"""A model trained on simulated recordings against their noise-free truth, over several simulated experiments.

    python benchmarks/recovery.py                        four experiments, some five minutes on one core
    python benchmarks/recovery.py --seeds 2 --epochs 5   a quick look

Asked is whether the model finds what the noise hides: the traces of pairs of neuron and stimulus it never saw, the
tuning of each cell type, and the decay of the indicator. The latter starts at half or at twice the truth and is free.
Only the filters of the network itself are kept below 0.1 s, faster than the indicator, since a slow filter before the
rectifier can stand in for one behind it.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from record import ROOT, arguments, write
from scipy.stats import t as student

from stcnn.config import compose
from stcnn.data.batching import loader
from stcnn.data.dataset import Dataset
from stcnn.data.splitting.splits import Split
from stcnn.evaluate import Response, predict, responses
from stcnn.metrics import mean_squared_error
from stcnn.nn.bounds import project
from stcnn.nn.model import STCNN
from stcnn.run_folder import Run
from stcnn.simulation import SimulatedDataConfig, Simulation, simulate
from stcnn.simulation.indicator import INDICATORS
from stcnn.training.fit import train
from stcnn.training.recipe import Recipe
from stcnn.viz.theme import PALETTE, Theme, themed

DECAY_S = INDICATORS["lobula"].decay_tau_s
STARTS = (0.5, 2.0)
"""Where the decay starts, as factors on the true one, in turn."""
KINDS = ("recorded", "truth", "predicted")


@dataclass(frozen=True)
class Experiment:
    """One simulated experiment and the model trained on it.

    Args:
        simulation: the recordings and their truth.
        responses: the prediction for every recording.
        tested: indices of the recordings that training never saw.
        decay_s: of the indicator, as training found it.
    """

    simulation: Simulation
    responses: list[Response]
    tested: frozenset[int]
    decay_s: float

    def trace(self, response: Response, kind: str) -> np.ndarray:
        """What was recorded, predicted, or true at the samples of a response."""
        if kind == "truth":
            truth = self.simulation.truth.recordings[response.item]
            return np.interp(response.time_s, truth.time_s, truth.trace)
        return response.predicted if kind == "predicted" else response.mean

    def of(self, cell_type: str, *, tested: bool) -> list[Response]:
        """The responses of a cell type."""
        types = self.simulation.dataset.table.cell_type
        mine = [response for response in self.responses if types[response.item] == cell_type]
        return [response for response in mine if response.item in self.tested] if tested else mine


def experiment(seed: int, epochs: int) -> Experiment:
    """Simulate and train. All neurons look at one place, so that few movies have to pass through the network."""
    simulation = simulate(SimulatedDataConfig(seed=seed, position_sd_deg=0.0, after_s=1.5))
    start_s = DECAY_S * STARTS[seed % len(STARTS)]
    overrides = [
        f"seed={seed}",
        f"training.epochs={epochs}",
        "batching.batch_size=1",
        "batching.pre_grey_s=1.0",
        "model.hidden.channels=[8,8,8]",
        f"model.calcium.tau_init_s=[{start_s},{start_s}]",
        "bounds.calcium_tau_s=[0.02,4.0]",
        "bounds.filter_tau_s=[0.005,0.1]",
    ]
    recipe, data = compose(overrides), simulation.dataset
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(Path(folder), "recovery", recipe.model_dump(mode="json", exclude={"resume"}))
        model = train(data, recipe, run)
        split = Split.from_json(run.split(), data)
    settle(model, data.subset(split.train), recipe)
    found = responses(predict(model, data, recipe.batching), data)
    return Experiment(simulation, found, frozenset(split.test), float(model.calcium.tau_s.detach()))


def settle(model: STCNN, data: Dataset, recipe: Recipe, n_steps: int = 300) -> None:
    """Train readouts and indicator on, all recordings in every step, with the hidden layers as they are.

    The decay moves slowly while the whole network learns from one clip after another; here its gradient has no noise.
    """
    whole = recipe.batching.model_copy(update={"batch_size": len(data.movies)})
    (batch,) = loader(data, whole)
    with torch.no_grad():
        maps = model.maps(batch.contrast(), batch.rate_hz)[f"norm.{len(model.hidden) - 1}"]
        maps = model.readouts.window.crop(maps).contiguous()
    importance = 1 / torch.stack([batch.target[batch.cell_type == i].var() for i in range(len(model.cell_types))])
    optimiser = torch.optim.Adam([*model.readouts.parameters(), *model.calcium.parameters()], lr=5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, n_steps)
    for _ in range(n_steps):
        voltage = model.readouts([maps], batch.rate_hz)[0].transpose(0, 1)
        found = model.calcium_of(voltage, batch.clip, batch.cell_type, batch.neuron, batch.rate_hz)
        error = mean_squared_error(batch.at_samples(found), batch.target, batch.weight)
        optimiser.zero_grad()
        (error * importance[batch.cell_type]).mean().backward()
        optimiser.step()
        schedule.step()
        project(model, recipe.bounds)


def correlation(shown: Experiment, cell_type: str, one: str, other: str) -> float:
    """Correlation of two kinds of trace over all recordings of a type that training never saw, joined."""
    mine = shown.of(cell_type, tested=True)
    joined = [np.concatenate([shown.trace(response, kind) for response in mine]) for kind in (one, other)]
    return float(np.corrcoef(*joined)[0, 1])


def tuning(shown: Experiment, cell_type: str, kind: str) -> pd.Series:
    """Peak above baseline by stimulus, averaged over neurons; of all recordings."""
    table = shown.simulation.dataset.table
    peaks: dict[str, list[float]] = {name: [] for name in shown.simulation.movies}
    for response in shown.of(cell_type, tested=False):
        trace, after = shown.trace(response, kind), response.time_s >= 0
        peaks[table.stimulus[response.item]].append(trace[after].max() - trace[~after].mean())
    return pd.Series({name: np.mean(values) for name, values in peaks.items()})


def interval(values: list[float], level: float = 0.95) -> tuple[float, float, float]:
    """Mean of independent estimates and its confidence interval after Student."""
    half = student.ppf((1 + level) / 2, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return float(np.mean(values)), float(np.mean(values) - half), float(np.mean(values) + half)


def rows(shown: Experiment, seed: int) -> list[dict[str, object]]:
    """A row of numbers per cell type."""
    table = []
    for name in shown.simulation.config.cell_types:
        numbers = {
            "model_to_truth": correlation(shown, name, "predicted", "truth"),
            "model_to_recorded": correlation(shown, name, "predicted", "recorded"),
            "recorded_to_truth": correlation(shown, name, "recorded", "truth"),
            "tuning": tuning(shown, name, "predicted").corr(tuning(shown, name, "truth")),
        }
        table.append({"seed": seed, "cell_type": name, **{key: float(value) for key, value in numbers.items()}})
    return table


def figure(experiments: list[Experiment], table: pd.DataFrame) -> None:
    """Test traces and tuning curves of the first experiment, and the decay in all."""
    first = experiments[0]
    types = first.simulation.config.cell_types
    with themed() as theme:
        figure, axes = plt.subplots(2, len(types) + 1, figsize=(15, 6), layout="constrained")
        for column, (name, colour) in enumerate(zip(types, PALETTE, strict=False)):
            draw_traces(axes[0, column], first, name, colour, theme)
            draw_tuning(axes[1, column], first, name, colour, theme)
        draw_decay(axes[0, -1], [e.decay_s for e in experiments], theme)
        scores = table.groupby("cell_type", sort=False)[["model_to_truth", "recorded_to_truth", "model_to_recorded"]]
        scores.mean().plot.bar(ax=axes[1, -1], rot=0, ylim=(0, 1), color=[PALETTE[0], theme.ink, theme.faint])
        axes[1, -1].set(ylabel="correlation, test recordings", xlabel="")
        axes[1, -1].legend(loc="lower center", bbox_to_anchor=(0.5, 1))
        target = ROOT / "docs" / "images" / "recovery.png"
        figure.savefig(target, dpi=100)
        print(f"written to {target}")


def draw_traces(axes: Axes, shown: Experiment, cell_type: str, colour: str, theme: Theme) -> None:
    """The first test recordings of a type, one after the other."""
    start_s = 0.0
    looks = {"recorded": {"color": theme.faint}, "truth": {"color": theme.ink}, "predicted": {"color": colour}}
    for response in shown.of(cell_type, tested=True)[:7]:
        time_s = start_s + response.time_s - response.time_s[0]
        for kind in KINDS:
            axes.plot(time_s, shown.trace(response, kind), label=kind if start_s == 0 else None, **looks[kind])
        start_s = time_s[-1] + 0.3
    axes.set(title=f"{cell_type}: recordings never seen", xlabel="time (s)", ylabel="dF/F")
    axes.legend(loc="upper right")


def draw_tuning(axes: Axes, shown: Experiment, cell_type: str, colour: str, theme: Theme) -> None:
    """Tuning of the model above that of the truth, in the order of the latter."""
    truth, found = (tuning(shown, cell_type, kind) for kind in ("truth", "predicted"))
    order = truth.sort_values(ascending=False).index
    axes.plot(truth[order].to_numpy(), "o-", ms=3, color=theme.ink, label="truth")
    axes.plot(found[order].to_numpy(), "o-", ms=3, color=colour, label="model")
    axes.set_xticks(range(len(order)), order, rotation=90, fontsize=5)
    axes.set(title=f"r = {truth.corr(found):.3f}", ylabel="peak dF/F")
    axes.legend()


def draw_decay(axes: Axes, decays_s: list[float], theme: Theme) -> None:
    """The decay that each training started with and found."""
    _, low, high = interval(decays_s)
    for seed, found_s in enumerate(decays_s):
        axes.annotate(
            "", (seed, found_s), (seed, DECAY_S * STARTS[seed % 2]), arrowprops={"arrowstyle": "->", "color": "0.6"}
        )
    axes.axhline(DECAY_S, color=theme.ink, lw=1, label="truth")
    axes.axhspan(low, high, color=PALETTE[0], alpha=0.15, lw=0, label="95 % interval of the mean")
    axes.plot(decays_s, "o", color=PALETTE[0], label="found; arrows from the start")
    axes.set(ylim=(0, 3 * DECAY_S), xlim=(-0.5, len(decays_s) - 0.5), xticks=range(len(decays_s)))
    axes.set(ylabel="decay of the indicator (s)", xlabel="experiment")
    axes.legend()


def report(experiments: list[Experiment], epochs: int) -> None:
    """Write the numbers and draw the figure."""
    table = [row for seed, shown in enumerate(experiments) for row in rows(shown, seed)]
    decays_s = [shown.decay_s for shown in experiments]
    mean, low, high = interval(decays_s)
    notes = {"decay_true_s": DECAY_S, "decays_s": decays_s, "decay_mean_s": mean, "decay_interval_s": [low, high]}
    write("recovery", table, epochs=epochs, **notes)
    print(f"decay of the indicator: {mean:.3f} s, 95 % interval {low:.3f} to {high:.3f}, truth {DECAY_S:.3f}")
    figure(experiments, pd.DataFrame(table))


def main() -> None:
    options = arguments(__doc__, seeds=(4, "number of simulated experiments"), epochs=(16, "epochs of each training"))
    report([experiment(seed, options.epochs) for seed in range(options.seeds)], options.epochs)


if __name__ == "__main__":
    main()
