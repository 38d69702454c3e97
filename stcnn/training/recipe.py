"""Recipe of a training: all but the recordings themselves."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from stcnn.data.batching import BatchingConfig
from stcnn.data.splitting.split_config import SplitConfig
from stcnn.metrics.likelihoods import LIKELIHOODS, LikelihoodName
from stcnn.nn.bounds import Bounds
from stcnn.nn.calcium import POSITIVE
from stcnn.nn.model_config import ModelConfig
from stcnn.validation import Config

Decay = Annotated[float, Field(ge=0, lt=1)]
TEACHER_WEIGHT = 0.5
"""Share of a teacher's answers where none is given; written into configurations without a teacher, too."""


class TrainingConfig(Config):
    """Optimiser, schedule and what is kept; YAML ``training:`` in ``conf/config.yaml``, key by key."""

    epochs: PositiveInt | None = None
    """Length in passes over the recordings; None lets ``steps`` say it."""
    steps: PositiveInt | None = None
    """Length in optimiser steps, where ``epochs`` is not given; None is 600, and at least five passes."""
    validate_every: PositiveInt | None = None
    """Steps from one validation and checkpoint to the next, where ``epochs`` is not given; None divides the training
    into 20 such epochs."""
    patience: PositiveInt | None = 8
    """Stop when the held-out loss has not fallen for so many epochs; None goes on to the end, as did the trainings that
    were begun when there was no such key: where ``epochs`` is given and this is not, it is None."""
    learning_rate: PositiveFloat = 3e-3
    """Step size of Adam at the top of the schedule."""
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    """Decay per step of Adam's running mean of the gradient and of its square."""
    schedule: Literal["constant", "cosine"] = "cosine"
    """``cosine`` lets the learning rate fall to zero over the whole training."""
    warmup_steps: int = Field(50, ge=0)
    """Steps over which the learning rate first rises linearly from zero; at most a tenth of the training."""
    start: Literal["drawn", "scaled"] = "scaled"
    """``scaled``: layers without normalisation start with maps of unit variance on the first batches, neurons at the
    mean of their traces (:mod:`stcnn.training.start`); ``drawn``: as they were drawn."""
    loss: LikelihoodName = "squared"
    """How far a prediction is from a trace, by the deviance of a likelihood (:mod:`stcnn.metrics.likelihoods`):
    ``squared`` for dF/F and voltages, ``poisson`` for spike counts and rates, ``gamma`` for positive measurements whose
    noise grows with them."""
    balance: Literal["none", "variance"] = "variance"
    """``variance``: the loss of a cell type counts as a share of the variance of its traces, so that weak types are
    learned as well as strong ones (of another loss, of their deviance from their mean); ``none``: in units of dF/F
    squared, as published."""
    neurons: Literal["gradient", "regression"] = "regression"
    """How gain and offset of every neuron are found: by regression of its traces on what the network makes of its
    stimuli, after every epoch (:mod:`stcnn.training.neurons`), or by gradient steps like all else, as published."""
    smoothness: float = Field(0.0, ge=0, le=1e6)
    """Weight of the prior of smooth readouts beside the losses (:mod:`stcnn.training.smoothness`); 0 is none."""
    smoothness_deg: PositiveFloat = 5.0
    """Standard deviation of a receptive field that is smooth enough."""
    sparseness: float = Field(0.0, ge=0, le=1e6)
    """Weight of the prior of sparse readouts beside the losses (:mod:`stcnn.training.sparseness`); 0 is none."""
    sparseness_deg: PositiveFloat = 5.0
    """Standard deviation of the Gaussian fields in which it counts what a readout reads."""
    clip_norm: PositiveFloat | None = 1.0
    """The gradient of all parameters together is scaled down to this norm; None leaves it as it is."""
    max_batches: PositiveInt | None = None
    """Batches of an epoch and of its validation, for a quick look; None is all there are."""
    shuffle: bool = True
    """Draw a new order of the batches every epoch; False keeps the order of the recordings."""
    keep: Literal["best", "last"] = "best"
    """Which epoch the finished run opens with: the one of lowest held-out loss, or the last."""
    freeze: Literal["none", "core"] = "none"
    """``core``: eye and hidden layers stay as they start, their normalisation included; only readouts, indicator and
    neurons are trained."""
    teacher: Path | None = None
    """Finished run on the same recordings and split, usually an ensemble, whose mean answers are learned beside the
    recorded traces (:mod:`stcnn.training.teacher`)."""
    teacher_weight: float = Field(TEACHER_WEIGHT, gt=0, le=1)
    """Share of the teacher's answers in what is learned; only with ``teacher``."""
    precision: Literal["float32", "float64", "bfloat16"] = "float32"
    """Of the numbers in training."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """Where it trains; ``auto`` takes a GPU that PyTorch finds."""
    compute: Literal["auto", "reference", "torch", "native", "triton"] = "auto"
    """Engine of the hidden layers: PyTorch, compiled code, or the kernels of a GPU; the numbers are the same."""
    devices: PositiveInt = 1
    """Processes on each machine that train one model together, each with a GPU of its own or on the CPU; every batch is
    shared between them clip by clip (:mod:`stcnn.ranks`)."""
    nodes: PositiveInt = 1
    """Machines that do so; ``torchrun`` or ``srun`` starts the processes."""
    n_workers: int = Field(0, ge=0, le=256)
    """Processes that prepare batches; 0 prepares them in the training process."""

    @model_validator(mode="before")
    @classmethod
    def _as_it_was_begun(cls, given: Any) -> Any:  # noqa: ANN401 - whatever was given
        if isinstance(given, dict) and given.get("epochs") is not None:
            return {"patience": None, **given}
        return given

    @model_validator(mode="after")
    def _has_a_teacher(self) -> Self:
        if self.teacher is None and "teacher_weight" in self.model_fields_set and self.teacher_weight != TEACHER_WEIGHT:
            raise ValueError(
                f"teacher_weight is {self.teacher_weight:g} without a teacher: name the run in training.teacher"
            )
        return self

    @field_validator("teacher")
    @classmethod
    def _absolute(cls, folder: Path | None) -> Path | None:
        """Keep the path valid wherever the run is opened."""
        return None if folder is None else folder.expanduser().absolute()


class Recipe(Config):
    """Everything that turns a data set into a trained model."""

    seed: int = Field(1, ge=0, lt=2**32)
    """Seed of the initial weights and of the order of the batches."""
    init_from: Path | None = None
    """Folder whose weights the training starts from: a run, or published checkpoints. Its network comes with them."""
    init_epoch: int | None = Field(None, ge=0)
    """Which checkpoint of ``init_from``; None is the finished model, of a published folder the last one."""
    split: SplitConfig = Field(default_factory=SplitConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    batching: BatchingConfig = Field(default_factory=BatchingConfig)
    training: TrainingConfig = Field(default_factory=TrainingConfig)
    bounds: Bounds = Field(default_factory=Bounds)

    @model_validator(mode="after")
    def _predicts_what_the_loss_allows(self) -> Self:
        rectifier = self.model.calcium.rectifier
        if math.isfinite(LIKELIHOODS[self.training.loss].lowest) and rectifier not in POSITIVE:
            raise ValueError(
                f"training.loss is '{self.training.loss}', which needs predictions above zero, but "
                f"model.calcium.rectifier is '{rectifier}': choose {', '.join(POSITIVE)}"
            )
        return self

    @model_validator(mode="after")
    def _is_trained_together(self) -> Self:
        if self.training.devices * self.training.nodes > 1 and self.batching.in_pieces:
            raise ValueError("batching.piece_s is for one process: leave training.devices and training.nodes at 1")
        return self

    @field_validator("init_from")
    @classmethod
    def _absolute(cls, folder: Path | None) -> Path | None:
        """Keep the path valid wherever the run is opened."""
        return None if folder is None else folder.expanduser().absolute()
