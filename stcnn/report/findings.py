"""Findings of a run: predicted and measured traces, scores of neurons and cell types beside what was available.

Nothing here touches the test set of the split.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from stcnn.data.audit.checks import Audit, audit
from stcnn.data.batching import BatchingConfig
from stcnn.data.clocks import sampled_at_frames
from stcnn.data.dataset import Dataset
from stcnn.data.recordings import Recording
from stcnn.data.splitting.splits import Split
from stcnn.evaluate import Evaluation, Predictions, predict
from stcnn.evaluate.responses import scored_samples
from stcnn.metrics import half_of_mean
from stcnn.metrics.moments import Moments
from stcnn.metrics.traces import correlation_or_zero
from stcnn.nn.model import STCNN
from stcnn.report.learned import likeness_to_start
from stcnn.run_folder import Run

MOST_TRACES = 600
"""Recordings that a report holds at most: all held-out ones first, then an even choice of those trained on."""

MOST_CHECKED = 2000
"""Recordings above which a report leaves the audit to ``stcnn data check``: it would take more than some seconds."""

Trace = NDArray[np.floating]


@dataclass(frozen=True)
class FittedTrace:
    """A recording and its prediction at the scored samples.

    Args:
        cell_type: of the neuron.
        neuron: identifier within the cell type.
        stimulus: the movie.
        held_out: whether the training never saw it.
        time_s: ``(S,)``, zero at stimulus onset.
        measured: dF/F, ``(S,)``.
        predicted: dF/F, ``(S,)``.
        signal_share: share of the variance of ``measured`` that is signal, from repeated trials; NaN without.
        others: mean dF/F of the other neurons of the cell type to the same stimulus, ``(S,)``; None if there are none.
    """

    cell_type: str
    neuron: str
    stimulus: str
    held_out: bool
    time_s: Trace
    measured: Trace
    predicted: Trace
    signal_share: float = float("nan")
    others: Trace | None = None

    @property
    def correlation(self) -> float:
        """Pearson correlation of measured and predicted, zero where this is constant, NaN where the other one is."""
        return joined_correlation([self])


def joined_correlation(traces: Sequence[FittedTrace], source: str = "predicted") -> float:
    """Return the correlation of measured traces with ``predicted`` or ``others``, all joined end to end."""
    pairs = [(getattr(trace, source), trace.measured) for trace in traces if getattr(trace, source) is not None]
    if not pairs:
        return float("nan")
    x, y = (torch.from_numpy(np.concatenate(side))[None] for side in zip(*pairs, strict=True))
    return float(correlation_or_zero(x, y, torch.ones_like(y)))


@dataclass(frozen=True)
class Findings:
    """Everything a report says about the fit.

    Args:
        run: the finished run.
        dataset: all recordings.
        split: which of them are on which side.
        model: the finished model.
        traces: fitted traces, held-out ones first.
        neurons: ``cell_type``, ``neuron``, ``n_recordings``, ``correlation``, ``others`` of held-out recordings, and
            ``ceiling``, the most that their own noise allows (NaN without repeats).
        evaluation: held-out predictions beside the trials, for scores with ceilings; None if nothing was held out.
        audit: what the audit of the recordings found; None where they are too many to be checked by the way.
    """

    run: Run
    dataset: Dataset
    split: Split
    model: STCNN
    traces: Sequence[FittedTrace]
    neurons: pd.DataFrame
    evaluation: Evaluation | None = None
    audit: Audit | None = None

    @property
    def held_out(self) -> list[FittedTrace]:
        """The fitted traces that the training never saw."""
        return [trace for trace in self.traces if trace.held_out]

    @cached_property
    def likeness_to_start(self) -> dict[str, float]:
        """Correlation of the spatial weights of each layer with those it started from."""
        return likeness_to_start(self.model, self.untrained)

    @cached_property
    def untrained(self) -> STCNN:
        """The network as it was before the first step."""
        return self.run.model(0)

    @cached_property
    def cell_types(self) -> pd.DataFrame:
        """Return how good the fit of each cell type is, beside what could be had.

        Returns:
            A row per ``cell_type``: ``n_neurons``, ``n_recordings``, ``correlation`` (all traces of the type joined;
            with the mean of the trials, or with single trials where there is no other) with ``low`` and ``high``,
            ``ceiling`` (what the noise of the recordings allows; NaN without repeats), ``share`` (correlation by
            ceiling), the means over neurons ``neuron_correlation`` and ``others``, and ``others_better``: whether the
            95 % interval of their paired difference is above zero.
        """
        if self.evaluation is None:
            return pd.DataFrame()
        scores = self.evaluation.scores_table(["cell_type"])
        kind = "trial_mean" if scores.trial_mean_correlation.notna().any() else "single_trial"
        table = scores[["cell_type", "n_neurons", "n_recordings"]].assign(
            correlation=scores[f"{kind}_correlation"],
            low=scores[f"{kind}_correlation_low"],
            high=scores[f"{kind}_correlation_high"],
            ceiling=scores[f"{kind}_ceiling"],
        )
        means = self.neurons.groupby("cell_type")[["correlation", "others"]].mean()
        return table.assign(
            share=table.correlation / table.ceiling,
            neuron_correlation=table.cell_type.map(means.correlation),
            others=table.cell_type.map(means.others),
            others_better=[_others_better(self.neurons[self.neurons.cell_type == name]) for name in table.cell_type],
        )

    @property
    def headline(self) -> dict[str, float]:
        """The one score of the run: mean over cell types of ``correlation``, and what ``share`` of the ceiling it is.

        The share is that of the types whose ceiling is known; NaN where none is.
        """
        table = self.cell_types
        if not len(table):
            return {}
        known = table[table.ceiling.notna()]
        share = known.correlation.mean() / known.ceiling.mean()
        return {"correlation": float(table.correlation.mean()), "share": float(share)}


def _others_better(neurons: pd.DataFrame) -> bool:
    difference = (neurons.others - neurons.correlation).dropna().to_numpy()
    return len(difference) > 1 and bool(difference.mean() > half_of_mean(difference))


def find(run: Run, dataset: Dataset, batching: BatchingConfig) -> Findings:
    """Predict the held-out recordings and some of those trained on, and score them.

    Args:
        run: a finished run.
        dataset: the recordings it was trained on.
        batching: padding and scored window, as in training.
    """
    split = Split.from_json(run.split(), dataset)
    model = run.model()
    n_left = max(0, MOST_TRACES - len(split.validation))
    chosen = np.unique(np.linspace(0, len(split.train) - 1, min(n_left, len(split.train))).astype(int))
    shown = [*split.validation, *(split.train[i] for i in chosen)]
    part = dataset.subset(shown)
    predictions = predict(model, part, batching)
    traces = fitted_traces(part, predictions, len(split.validation))
    evaluation = None
    neurons = score_neurons(traces).assign(ceiling=np.nan)
    if split.validation:
        kept = predictions.item < len(split.validation)
        held_out = Predictions(*(getattr(predictions, field.name)[kept] for field in fields(Predictions)))
        evaluation = Evaluation.of(held_out, part)
        neurons = with_own_ceilings(neurons, evaluation)
    checked = audit(dataset) if len(dataset) <= MOST_CHECKED else None
    return Findings(run, dataset, split, model, traces, neurons, evaluation, checked)


def fitted_traces(dataset: Dataset, predictions: Predictions, n_held_out: int) -> list[FittedTrace]:
    """Cut predictions to the scored samples, and set the other neurons beside them.

    Args:
        dataset: recordings, the first ``n_held_out`` of which were held out.
        predictions: their predictions; ``item`` counts in ``dataset``.
        n_held_out: see there.
    """
    at_frames = sampled_at_frames(dataset.table)
    traces: list[FittedTrace | None] = [None] * len(dataset)
    for row, item in enumerate(predictions.item.tolist()):
        recording = dataset.recordings[item]
        weight = (predictions.weight[row] > 0).numpy()
        scored = scored_samples(recording, weight, bool(at_frames[item]))
        predicted = predictions.prediction[row].numpy()[weight]
        traces[item] = FittedTrace(
            *(recording.cell_type, recording.neuron, recording.stimulus, item < n_held_out, recording.time_s[scored]),
            *(predictions.target[row].numpy()[weight], predicted, _signal_share(recording, scored, predicted)),
        )
    return with_others([trace for trace in traces if trace is not None])


def _signal_share(recording: Recording, scored: NDArray[np.intp], predicted: Trace) -> float:
    if recording.repeats is None or len(recording.repeats) < 2:
        return float("nan")
    trials = recording.repeats[:, scored].astype(float)
    return float(Moments.of_trial_mean(predicted.astype(float), trials).explainable())


def with_others(traces: Sequence[FittedTrace]) -> list[FittedTrace]:
    """Give each trace the mean of the other neurons of its type to the same stimulus, at its own times."""
    together: dict[tuple[str, str], list[FittedTrace]] = defaultdict(list)
    for trace in traces:
        together[trace.cell_type, trace.stimulus].append(trace)

    def mean_of_others(trace: FittedTrace) -> Trace | None:
        others = [o for o in together[trace.cell_type, trace.stimulus] if o.neuron != trace.neuron]
        return np.mean([np.interp(trace.time_s, o.time_s, o.measured) for o in others], axis=0) if others else None

    return [FittedTrace(**{**trace.__dict__, "others": mean_of_others(trace)}) for trace in traces]


def score_neurons(traces: Sequence[FittedTrace]) -> pd.DataFrame:
    """Return ``cell_type``, ``neuron``, ``n_recordings``, ``correlation`` and ``others`` of held-out recordings."""
    of_neuron: dict[tuple[str, str], list[FittedTrace]] = defaultdict(list)
    for trace in traces:
        if trace.held_out:
            of_neuron[trace.cell_type, trace.neuron].append(trace)
    rows = [
        (*key, len(mine), joined_correlation(mine), joined_correlation(mine, "others"))
        for key, mine in sorted(of_neuron.items())
    ]
    return pd.DataFrame(rows, columns=["cell_type", "neuron", "n_recordings", "correlation", "others"])


def with_own_ceilings(neurons: pd.DataFrame, evaluation: Evaluation) -> pd.DataFrame:
    """Return the neurons with the ``ceiling`` of their own held-out recordings, trial means where there are some."""
    scores = evaluation.scores_table(["cell_type", "neuron"])
    scores = scores[scores.level == "neuron"]
    kind = "trial_mean" if scores.trial_mean_ceiling.notna().any() else "single_trial"
    own = scores[["cell_type", "neuron"]].assign(ceiling=scores[f"{kind}_ceiling"])
    return neurons.drop(columns="ceiling").merge(own, on=["cell_type", "neuron"], how="left")


def peaks_by_stimulus(traces: Sequence[FittedTrace]) -> pd.DataFrame:
    """Return the peak of each cell type to each stimulus, mean over neurons, measured and predicted.

    Returns:
        ``cell_type``, ``stimulus``, ``measured`` (mean over neurons) with its 95 % interval ``low`` and ``high``,
        ``predicted``; the peak of a neuron is its largest scored sample, noise included.
    """
    rows = []
    together: dict[tuple[str, str], list[FittedTrace]] = defaultdict(list)
    for trace in traces:
        together[trace.cell_type, trace.stimulus].append(trace)
    for (cell_type, stimulus), mine in together.items():
        measured = np.array([trace.measured.max() for trace in mine])
        half = half_of_mean(measured)
        predicted = np.mean([trace.predicted.max() for trace in mine])
        mean = measured.mean()
        rows.append((cell_type, stimulus, mean, mean - half, mean + half, predicted))
    return pd.DataFrame(rows, columns=["cell_type", "stimulus", "measured", "low", "high", "predicted"])
