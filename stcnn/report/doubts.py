"""Doubts about a run: every reason that can be read off its numbers, with what to do about it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from stcnn.data.audit.checks import RED
from stcnn.invocation import train_command
from stcnn.nn.bounds import Bounds, on_bounds
from stcnn.report.findings import Findings, FittedTrace

POOR_CORRELATION = 0.3
"""Held-out correlation below which a neuron without a known ceiling counts as poorly fitted."""
POOR_SHARE = 0.5
"""Share of its own ceiling below which a neuron does."""
NEAR_THE_START = 0.9
"""Correlation of weights with their start above which a layer counts as hardly changed."""
FEW_RECORDINGS = 3
"""Held-out recordings of a neuron below which its correlation says little."""

FEW_STEPS = 200
"""Steps below which a training is short."""
FAR_BELOW = 0.5
"""Share of the ceiling below which a correlation is far below it."""
FLAT = 0.05
"""Standard deviation of a flat prediction, as a share of that of the traces."""


class Doubt(NamedTuple):
    """One reason for caution.

    Args:
        title: what it is, in a few words.
        found: what was found, in a sentence.
        remedy: what to do about it, in a sentence.
    """

    title: str
    found: str
    remedy: str


def doubts(findings: Findings, bounds: Bounds) -> list[Doubt]:
    """Return all reasons for caution, the gravest first."""
    checks: tuple[Callable[[Findings], Iterator[Doubt]], ...] = (
        _other_recordings,
        _nothing_held_out,
        _worse_than_other_neurons,
        _poor_neurons,
        _flagged_recordings,
        lambda found: _on_bounds(found, bounds),
        _short_training,
        _course_of_training,
        _near_the_start,
        _far_below_ceiling,
        _flat_predictions,
        _few_recordings,
        _changed_code,
    )
    return [doubt for check in checks for doubt in check(findings)]


def _other_recordings(findings: Findings) -> Iterator[Doubt]:
    known = findings.run.environment().get("data_sha256")
    found = findings.dataset.content_hash()
    if known and found != known:
        yield Doubt(
            "These are not the recordings that were trained on",
            f"Their SHA-256 is {found[:16]}…, that of the training was {known[:16]}…: files or the simulation have "
            "changed since. Scores and traces are of the recordings as they are now.",
            "Bring the recordings back, or train again.",
        )


def _nothing_held_out(findings: Findings) -> Iterator[Doubt]:
    if not findings.held_out:
        yield Doubt(
            "Nothing was held out",
            "Every recording was trained on, so nothing here says how the model answers to new stimuli.",
            "Set split.validation above 0 and train again.",
        )


def _worse_than_other_neurons(findings: Findings) -> Iterator[Doubt]:
    table = findings.cell_types
    worse = table[table.others_better] if len(table) else table
    if len(worse):
        listed = ", ".join(
            f"{row.cell_type} ({row.neuron_correlation:.2f} against {row.others:.2f})" for row in worse.itertuples()
        )
        yield Doubt(
            "Other neurons predict better than the model",
            "On average over neurons, the mean trace of the other neurons of the type to the same stimulus correlates "
            f"better with held-out recordings in {listed}; the 95 % interval of the paired difference excludes zero. "
            "This reference has seen the stimulus; it shows how well the response can be predicted at best.",
            "Train longer, or on more kinds of stimulus.",
        )


def _poor_neurons(findings: Findings) -> Iterator[Doubt]:
    neurons = findings.neurons
    limit = (POOR_SHARE * neurons.ceiling).fillna(POOR_CORRELATION)
    poor = neurons[~(neurons.correlation >= limit)]
    if len(poor):
        listed = ", ".join(_of_its_ceiling(row) for _, row in poor.head(8).iterrows())
        more = f" and {len(poor) - 8} more" if len(poor) > 8 else ""
        yield Doubt(
            f"{len(poor)} of {len(findings.neurons)} neurons are fitted poorly",
            "Their held-out correlation is below half of what the noise of their own recordings allows (below "
            f"{POOR_CORRELATION} where that is not known): {listed}{more}.",
            "Look at their traces: noise, a receptive field that is not where the shift says, or a stimulus the "
            "model has learned nothing about.",
        )


def _of_its_ceiling(row: pd.Series) -> str:
    of = f" of {row.ceiling:.2f}" if row.ceiling == row.ceiling else ""
    return f"{row.cell_type} {row.neuron} ({row.correlation:.2f}{of})"


def _flagged_recordings(findings: Findings) -> Iterator[Doubt]:
    audit = findings.audit
    if audit is None:
        yield Doubt(
            "The recordings were not checked here",
            f"There are {len(findings.dataset):,} of them, which takes longer than a report may.",
            "Check them with: stcnn data check",
        )
    elif audit.flags:
        red = sum(flag.colour == RED for flag in audit.flags)
        first = "; ".join(f"{flag.what}: {flag.reason}" for flag in audit.worst_first()[:3])
        yield Doubt(
            f"{len(audit.flags)} flag{'s' if len(audit.flags) > 1 else ''} on the recordings, {red} of them red",
            f"A network fits its errors with its data. The gravest: {first}.",
            "The table below lists them; leave out what is wrong and train again.",
        )


def _on_bounds(findings: Findings, bounds: Bounds) -> Iterator[Doubt]:
    sitting = on_bounds(findings.model, bounds)
    if not sitting:
        return
    sizes = {name: parameter.numel() for name, parameter in findings.model.named_parameters()}
    counts = Counter((place.name, place.bound, place.value) for place in sitting)
    listed = "; ".join(
        f"{n} of {sizes[name]} {in_words(name)} on the {bound} bound of {_with_unit(name, value)}"
        for (name, bound, value), n in counts.items()
    )
    yield Doubt(
        f"{len(sitting)} parameter{'s' if len(sitting) > 1 else ''} on a bound",
        f"They would have gone further had they been allowed to, so their values are not estimates: {listed}.",
        "Read nothing into these values, or widen the bound and train again.",
    )


def in_words(parameter: str) -> str:
    """Name a parameter for somebody who does not know the code: ``time constants of hidden layer 1``."""
    owner, _, kind = parameter.rpartition(".")
    kinds = {"tau_s": "time constants", "n": "exponents", "weight": "weights", "bias": "biases"}
    part = owner.removesuffix(".filter")
    place, _, which = part.partition(".")
    owners = {"hidden": f"hidden layer {int(which) + 1}" if which.isdigit() else which, "readouts": f"readout {which}"}
    of = owners.get(place, "the calcium indicator" if place == "calcium" else place)
    return f"{kinds.get(kind, kind)} of {of}"


def _with_unit(parameter: str, value: float) -> str:
    return f"{1000 * value:g} ms" if parameter.endswith("tau_s") else f"{value:g}"


def _course_of_training(findings: Findings) -> Iterator[Doubt]:
    scores = findings.run.scores()
    trained = scores[scores.epoch > 0].groupby("epoch", as_index=False)[["loss", "training_loss"]].sum(min_count=1)
    if trained.loss.notna().sum() < 2:
        return
    kept = findings.run.finished_epoch()
    last = int(trained.epoch.max())
    if kept == last and trained.loss.iloc[-1] < 0.98 * trained.loss.iloc[-2]:
        yield Doubt(
            "The training may not have converged",
            f"The held-out loss was still falling by more than 2 % per epoch when it ended after {last} epochs.",
            f"Train longer: {train_command(f'resume={findings.run.path}', _twice_as_long(findings, last))}",
        )
    rise = trained.loss.iloc[-1] / trained.loss.min() - 1
    if rise > 0.1:
        yield Doubt(
            "Overfitting",
            f"The held-out loss rose by {100 * rise:.0f} % from its lowest value to the last epoch, while the training "
            f"loss went on falling. Epoch {kept} was kept.",
            "More recordings or a smaller network would help; the epochs after the kept one do not matter.",
        )


def _near_the_start(findings: Findings) -> Iterator[Doubt]:
    near = {name: r for name, r in findings.likeness_to_start.items() if name != "readouts" and r > NEAR_THE_START}
    if near:
        listed = ", ".join(f"{name.replace('layer', 'layer ')} ({r:.2f})" for name, r in near.items())
        yield Doubt(
            "Hidden layers stayed near their random start",
            f"Their spatial weights correlate with the weights they started from: {listed}. Readouts and time "
            "constants did most of the fitting.",
            "Do not read their weights as receptive fields of neurons in between.",
        )


def _twice_as_long(findings: Findings, n_epochs: int) -> str:
    """Return the key that makes the training twice as long, in the unit of its length."""
    if (findings.run.config().get("training") or {}).get("epochs") is None:
        return f"training.steps={2 * int(findings.run.losses().step.max())}"
    return f"training.epochs={2 * n_epochs}"


def _short_training(findings: Findings) -> Iterator[Doubt]:
    losses = findings.run.losses()
    n_steps = int(losses.step.max()) if len(losses) else 0
    if n_steps < FEW_STEPS:
        yield Doubt(
            "The training was short",
            f"It took {n_steps} steps, after which a network has hardly left its first weights.",
            f"Train longer: {train_command('training.steps=600')}",
        )


def _far_below_ceiling(findings: Findings) -> Iterator[Doubt]:
    table = findings.cell_types
    far = table[table.share < FAR_BELOW] if len(table) else table
    if len(far):
        listed = ", ".join(f"{row.cell_type} ({row.correlation:.2f} of {row.ceiling:.2f})" for row in far.itertuples())
        yield Doubt(
            "The fit is far below its ceiling",
            f"Held-out correlations are less than half of what the noise of the recordings allows in {listed}.",
            "Train longer, see whether the indicator and the loss are those of the recordings (model.calcium, "
            "training.loss), and look at simple models on the same recordings: stcnn compare",
        )


def _flat_predictions(findings: Findings) -> Iterator[Doubt]:
    of_neuron: dict[str, list[FittedTrace]] = defaultdict(list)
    for trace in findings.traces:
        of_neuron[f"{trace.cell_type} {trace.neuron}"].append(trace)
    flat = []
    for name, mine in of_neuron.items():
        predicted, measured = (np.concatenate([getattr(t, what) for t in mine]) for what in ("predicted", "measured"))
        if predicted.std() < FLAT * measured.std():
            flat.append(name)
    if flat:
        more = f" and {len(flat) - 8} more" if len(flat) > 8 else ""
        yield Doubt(
            f"Predictions of {len(flat)} of {len(of_neuron)} neurons are flat",
            f"They vary by less than {100 * FLAT:g} % of the standard deviation of the traces: "
            f"{', '.join(flat[:8])}{more}.",
            "Either these neurons do not answer to these stimuli, or the network has not found what they answer to: "
            "train longer, or look whether their position and stimuli are right.",
        )


def _few_recordings(findings: Findings) -> Iterator[Doubt]:
    few: pd.DataFrame = findings.neurons[findings.neurons.n_recordings < FEW_RECORDINGS]
    if len(few):
        yield Doubt(
            f"{len(few)} of {len(findings.neurons)} neurons have fewer than {FEW_RECORDINGS} held-out recordings",
            "Their correlations rest on little, and so do means over them.",
            "Hold out more (split.validation), or repeat with other values of split.seed.",
        )


def _changed_code(findings: Findings) -> Iterator[Doubt]:
    git = findings.run.environment().get("git")
    if git and git["changed"]:
        yield Doubt(
            "The program had changes that were not committed",
            f"The commit {git['commit'][:10]} alone may not give these numbers again.",
            "Commit before a training whose numbers are to be kept.",
        )
