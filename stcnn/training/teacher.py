"""Teacher of a training: a finished run, usually an ensemble, whose mean answers are learned beside the traces.

An ensemble answers better than its members, at their cost; one network that learns its answers is nearly as good at the
cost of one (Hinton, Vinyals and Dean 2015, arXiv 1503.02531). The answers have no noise of the recording, and are
those of several networks. What is learned is the mixture ``(1 - w) trace + w answer``: for the squared, Poisson and
gamma losses its gradient is that of ``(1 - w) loss(trace) + w loss(answer)``, because all three are linear in what was
measured but for terms without the prediction. Losses of training steps are against the mixture, held-out ones against
the recorded traces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from stcnn.data.batch import Batch
from stcnn.data.batching import BatchingConfig
from stcnn.data.dataset import Dataset
from stcnn.data.splitting.splits import SIDES
from stcnn.errors import ConfigError, DataError
from stcnn.evaluate.ensemble import Ensemble
from stcnn.reading import sha256_of
from stcnn.run_folder import Run, open_run

RECORD = "teacher.json"
"""File of a run that says who taught it."""


@dataclass(frozen=True)
class Teacher:
    """Answers of a finished run to the recordings of a training set.

    Args:
        answers: mean of its members, ``(R, S)``: a row for each recording, at the times of its samples in a batch.
        weight: share of the answers in what is learned.
    """

    answers: Tensor
    weight: float

    @classmethod
    def of(cls, run: Run, train: Dataset, batching: BatchingConfig, weight: float) -> Self:
        """Let the models of a run predict a training set, each once.

        Args:
            run: a finished run that knows its neurons.
            train: the recordings to learn from.
            batching: of the training.
            weight: share of the answers.
        """
        predictions = Ensemble(run.models()).predict(train, batching)
        return cls(predictions.prediction[predictions.item.argsort()], weight)

    def teach(self, batch: Batch) -> Batch:
        """Return a batch whose targets are mixtures of traces and answers."""
        samples = slice(batch.first_sample, batch.first_sample + batch.target.shape[1])
        answers = self.answers[batch.item.cpu(), samples].to(batch.target)
        return replace(batch, target=torch.lerp(batch.target, answers, self.weight))


def finished_run(folder: Path) -> Run:
    """Open a run that is to teach another one.

    Raises:
        FileError: the folder is no run.
        ConfigError: the run is not finished.
    """
    teacher = open_run(folder)
    if not teacher.is_finished():
        raise ConfigError(
            f"training.teacher={folder} is not finished",
            remedy=f"finish it first: python train.py resume={folder}",
        )
    return teacher


def opened_teacher(folder: Path, run: Run, data_sha256: str, goes_on: bool) -> Run:
    """Open the teacher of a run, and record in the run who it is.

    Args:
        folder: of the teacher, a finished run.
        run: the run that learns, which has its split.
        data_sha256: content hash of its recordings.
        goes_on: it was begun before, so that it has its record.

    Raises:
        FileError: the folder is no run.
        ConfigError: the teacher is not finished, or not the one that the run was begun with.
        DataError: it learned from other recordings, or held out others.
    """
    teacher = finished_run(folder)
    members = teacher.members() or [teacher]
    if teacher.environment()["data_sha256"] != data_sha256:
        raise DataError(
            f"the teacher {folder} learned from other recordings than those of this training",
            expected="the same recordings, so that its neurons, rates and units are those of here",
            remedy="train it with this dataset, or leave training.teacher out",
        )
    _require_same_split(teacher.split(), run.split(), folder)
    record = {"source": str(folder), "sha256": [sha256_of(member.path / "model.safetensors") for member in members]}
    if goes_on:
        _require_same_teacher(record, run.read_json(RECORD), folder)
    else:
        run.write_json(RECORD, record)
        n = f"{len(members)} models" if len(members) > 1 else "one model"
        print(f"teacher: {n} of {folder}")
    return teacher


def _require_same_split(theirs: Mapping[str, list[str]], ours: Mapping[str, list[str]], folder: Path) -> None:
    for side in SIDES[1:]:
        apart = set(ours[side]) ^ set(theirs[side])
        if apart:
            raise DataError(
                f"the teacher {folder} has another {side} set than this training: {len(apart)} recordings are in one "
                f"of them alone, first '{min(apart)}'",
                expected="the same split, so that nothing held out here reaches the training through its teacher",
                remedy="give this training the split.* of the teacher, or train the teacher with this split",
            )


def _require_same_teacher(found: Mapping[str, Any], recorded: Mapping[str, Any], folder: Path) -> None:
    if found["sha256"] != recorded["sha256"]:
        raise ConfigError(
            f"the teacher {folder} is not the one that this training was begun with: its weights have changed",
            remedy="restore it, or start a new training",
        )
