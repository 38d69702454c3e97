"""Models side by side on the recordings that they hold out: trained runs, and simple models fitted beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Literal

import pandas as pd

from stcnn import baselines
from stcnn.baselines import Workbench
from stcnn.baselines.comparison_table import ComparisonTable, evaluation
from stcnn.config import Config, validate
from stcnn.data.dataset import Dataset
from stcnn.data.splitting.splits import Split, require_no_leak
from stcnn.errors import ConfigError, DataError, StcnnError, TrainingError, nearest
from stcnn.evaluate.ensemble import Ensemble
from stcnn.evaluate.metric import METRICS
from stcnn.metrics.likelihoods import LIKELIHOODS
from stcnn.run_folder import Run
from stcnn.training.held_out import look_at_test
from stcnn.viz.comparison import comparison_figure
from stcnn.writing import atomic_write

if TYPE_CHECKING:
    from stcnn.evaluate import Evaluation, Predictions, Predictor

Part = Literal["validation", "test"]
PREFERRED = ("trial_mean_correlation", "single_trial_correlation")
"""The first of these that the recordings allow is printed and drawn."""


@dataclass
class Comparison:
    """Models on the same recordings, written into a folder as they are added.

    Args:
        folder: where the tables and figures are.
        score: which score is drawn.
        config: of the first run, against which the others are held.
        train: recordings that all runs were trained on, and simple models are.
        held_out: recordings that are scored.
        n_looks: how often the test set was looked at, this time included; 0 for the validation set.
        scored: the models.
        left_out: name of each model that is left out, or only in part, to the reason.
    """

    folder: Path
    score: str
    config: Config
    train: Dataset
    held_out: Dataset
    n_looks: int = 0
    scored: ComparisonTable = field(default_factory=ComparisonTable)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def table(self) -> pd.DataFrame:
        """Scores of every model and cell type, as of :func:`stcnn.baselines.comparison_table.comparison_table`."""
        return self.scored.table()

    @classmethod
    def of_runs(
        cls,
        runs: Sequence[Run],
        part: Part = "validation",
        *,
        score: str = "",
        folder: Path | None = None,
        again: bool = False,
    ) -> Comparison:
        """Score runs on the held-out recordings that they share.

        Args:
            runs: finished runs; the others are held against the first.
            part: which recordings.
            score: to draw; by default the first of :data:`PREFERRED` that the recordings allow.
            folder: to write to; by default one in the first run.
            again: evaluate the test set again; every look is recorded.

        Raises:
            ConfigError: there is no such score.
            DataError: the runs do not hold out the same recordings, or a second look was not asked for.
            FileError: a run is damaged, or the folder cannot be written.
        """
        if score and score not in METRICS:
            raise ConfigError(f"there is no score '{score}'", remedy=nearest(score, METRICS))
        config = validate(runs[0].config())
        dataset = config.open_dataset()
        split = shared_split(runs, dataset)
        require_no_leak(split, dataset, config.split)
        n_looks = look_at_test(runs, again) if part == "test" else 0
        held_out = dataset.subset(getattr(split, part))
        train = dataset.subset(split.train)
        made = cls(folder or runs[0].path / f"comparison_{part}", score, config, train, held_out, n_looks)
        for name, run in zip(names_of(runs), runs, strict=True):
            predictor = Ensemble(run.models())
            own = validate(run.config())
            made.scored.add(name, made._evaluated(predictor.predict(held_out, own.batching), own))
        table = made.table
        made.score = score or next((name for name in PREFERRED if table[name].notna().any()), PREFERRED[0])
        made.write()
        return made

    def fit(self, names: Sequence[str]) -> Iterator[str]:
        """Fit simple models to the training set, one after the other, and add and write each as it is done.

        Args:
            names: of :data:`stcnn.baselines.BASELINES`.

        Yields:
            What is done, in pieces of lines.
        """
        bench = Workbench(self.train, self.config.batching, self.config.split)
        for number, name in enumerate(names, 1):
            yield f"fitting {number} of {len(names)}: {name}"
            start_s = perf_counter()
            found = self._fitted(name, bench)
            yield f" ({perf_counter() - start_s:.0f} s)" + (f": {found}\n" if isinstance(found, StcnnError) else "\n")
            self.add(name, found)
            self.write()

    def _fitted(self, name: str, bench: Workbench) -> Evaluation | StcnnError:
        """A simple model, or the reason why there is none."""
        try:
            baseline: Predictor = baselines.BASELINES[name](bench)
            predictions = baseline.predict(self.held_out, self.config.batching)
            if not predictions.prediction.isfinite().all():
                return TrainingError("its prediction is not finite")
            return self._evaluated(predictions, self.config)
        except StcnnError as error:
            return error
        except RuntimeError as error:  # of linear algebra: a matrix that cannot be decomposed
            return TrainingError(f"the fit broke off: {str(error).splitlines()[0]}")

    def _evaluated(self, predictions: Predictions, own: Config) -> Evaluation:
        """Predictions of the held-out recordings beside them, by the likelihood of the first run."""
        likelihood = LIKELIHOODS[self.config.training.loss]
        return evaluation(predictions, self.held_out, own.split.families, likelihood)

    def add(self, name: str, found: Evaluation | StcnnError) -> None:
        """Put a fitted model into the comparison, or its reason among what is left out."""
        if isinstance(found, StcnnError):
            self.left_out[name] = str(found)
            return
        self.scored.add(name, found)
        if silent := self.scored.undefined(name, self.score):
            reason = f"{self.score.replace('_', ' ')} is not defined, the prediction is flat"
            self.left_out[f"{name} ({', '.join(silent)})"] = reason

    def write(self) -> None:
        """Write the comparison as CSV, Parquet, PNG and SVG and what is left out as CSV, each whole or not at all.

        Raises:
            FileError: the folder cannot be written.
        """
        table = self.table
        figure = comparison_figure(table, self.score)
        with atomic_write(self.folder / "comparison.csv") as draft:
            table.to_csv(draft, index=False)
        with atomic_write(self.folder / "comparison.parquet") as draft:
            table.to_parquet(draft, index=False)
        for name in ("comparison.png", "comparison.svg"):
            with atomic_write(self.folder / name) as draft:
                figure.savefig(draft)
        path = self.folder / "left_out.csv"
        if not self.left_out:
            path.unlink(missing_ok=True)
            return
        with atomic_write(path) as draft:
            pd.DataFrame({"model": self.left_out.keys(), "reason": self.left_out.values()}).to_csv(draft, index=False)


def shared_split(runs: Sequence[Run], dataset: Dataset) -> Split:
    """The split of all runs.

    Raises:
        DataError: they were trained on other recordings, or held out others.
    """
    sha256 = dataset.content_hash()
    for run in runs:
        if run.environment()["data_sha256"] != sha256:
            raise DataError(
                f"{run.path} was trained on other recordings than {runs[0].path} has now",
                remedy="compare runs of one data set with the same dataset settings",
            )
        if run.split() != runs[0].split():
            raise DataError(
                f"{run.path} held out other recordings than {runs[0].path}",
                expected="one split, so that what one model learned from is not held out for another",
                remedy="train with the same split settings",
            )
    return Split.from_json(runs[0].split(), dataset)


def names_of(runs: Sequence[Run]) -> list[str]:
    """Names of run folders without their dates, as far as that tells them apart."""
    short = [re.sub(r"^\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_", "", run.path.resolve().name) for run in runs]
    return [run.path.name if short.count(name) > 1 else name for name, run in zip(short, runs, strict=True)]
