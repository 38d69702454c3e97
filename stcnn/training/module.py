"""The Lightning module: one training step, what is checked before it and what holds after it.

The loss is that of the published program: the mean squared error of each recording over its scored samples, averaged
over the recordings of a cell type in the batch, summed over cell types; or instead of the squared error the deviance of
another likelihood (``training.loss``). With ``balance: variance`` each cell type's share is divided by the variance of
its traces (their deviance from their mean); what is recorded stays in units of dF/F squared (of the deviance).
"""

from __future__ import annotations

import math
from typing import Any

import lightning.pytorch as L
import pandas as pd
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader

from stcnn.data.batch import Batch
from stcnn.data.batching import loader
from stcnn.data.dataset import Dataset
from stcnn.errors import TrainingError
from stcnn.evaluate import Passes, Predictions
from stcnn.gradients import backward
from stcnn.metrics.likelihoods import LIKELIHOODS
from stcnn.nn.bounds import project
from stcnn.nn.model import STCNN
from stcnn.ranks import ranks, sum_gradients, take_those_of_the_first
from stcnn.training.batches import EpochBatches, share_batches, share_clips
from stcnn.training.length import length_of
from stcnn.training.neurons import NeuronRegression
from stcnn.training.offsets import LeastOffsets
from stcnn.training.place_search import AWAY_COLUMNS, SEARCHED_EPOCHS, PlaceSearch, of_cell_types
from stcnn.training.places import STEP_DEG, PlaceBounds, PlacePrior, displacements
from stcnn.training.recipe import Recipe, TrainingConfig
from stcnn.training.teacher import Teacher
from stcnn.training.traces import all_samples, null_deviances, samples_of_neurons
from stcnn.training.type_losses import TypeLosses
from stcnn.training.weight_priors import weight_penalty


class TrainingModule(L.LightningModule):
    """A model, its recordings and the recipe that fits one to the other.

    Args:
        model: the model; trained in place.
        recipe: optimiser, batching, bounds and seed.
        train: recordings to learn from.
        validation: held-out recordings, scored after every epoch.
        teacher: whose answers are learned beside the traces, if anybody's.
    """

    def __init__(
        self, model: STCNN, recipe: Recipe, train: Dataset, validation: Dataset, teacher: Teacher | None = None
    ) -> None:
        super().__init__()
        if recipe.training.precision == "float64":
            model.double()  # Lightning would convert it only after it loaded a checkpoint, whose digits would be lost
        model.hidden.compute = recipe.training.compute
        if recipe.training.freeze == "core":
            model.hidden.freeze()
        self.model = model
        self.recipe = recipe
        self.train_data = train
        self.validation_data = validation
        self.teacher = teacher
        self.likelihood = LIKELIHOODS[recipe.training.loss]
        self.offsets = LeastOffsets(model, train, self.likelihood)
        self.importance = importances(train, recipe.training)
        """Factor on the loss of each cell type."""
        by_regression = recipe.training.neurons == "regression"
        self.neurons = NeuronRegression(model, train, self.offsets) if by_regression else None
        """Sums of the epoch so far of every neuron's gain and offset."""
        learned = model.config.readout.place == "learned"
        self.place_prior = PlacePrior(model, train) if learned else None
        """Prior of the places of neurons, where they are learned."""
        self.place_bounds = PlaceBounds(model, (train, validation)) if learned else None
        searched = learned and model.config.readout.place_start == "searched"
        self.place_search = PlaceSearch(model, train) if searched else None
        """Search of the places of neurons of which nothing is known."""
        self.step_losses: dict[str, tuple[float, int]] = {}
        """Loss and number of recordings of each cell type in the last training step."""
        self.held_out: pd.DataFrame | None = None
        """Scores of the last validation, see :meth:`stcnn.evaluate.Predictions.scores`."""
        self._predictions: list[tuple[Tensor, Batch]] = []
        self.passes = Passes(model)
        """Predicts the batches that are learned from."""
        self._held_out_passes = Passes(model)
        workers = recipe.training.n_workers
        order: dict[str, Any] = {"seed": recipe.seed, "shuffle": recipe.training.shuffle, "n_workers": workers}
        order["repeated"] = True
        self.train_loader = loader(train, recipe.batching, **order)
        """Whole batches."""
        several = ranks().number > 1
        self._own_loader = share_clips(loader(train, recipe.batching, **order)) if several else self.train_loader
        self.length = length_of(recipe.training, len(self.train_loader))
        held_out = loader(validation, recipe.batching, n_workers=workers) if len(validation) else None
        self._validation_loader = None if held_out is None else share_batches(held_out, recipe.training.max_batches)
        self._is_shared = self._validation_loader is not held_out
        """Whether other processes have other batches of the held-out recordings."""

    def train_dataloader(self) -> EpochBatches:
        """This process's share of the batches of the current epoch; Lightning asks anew before every epoch."""
        return EpochBatches(self._own_loader, self.current_epoch, self.length)

    def val_dataloader(self) -> DataLoader[Batch] | list[Batch]:
        """Batches of the held-out recordings."""
        return self._validation_loader or []

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch.

        Raises:
            TrainingError: the loss of a cell type is not finite.
        """
        if self.teacher is not None:
            batch = self.teacher.teach(batch)
        prediction = self.passes.predict(batch)
        error, scored = self._errors(batch, prediction)
        losses = TypeLosses.of(error, batch.cell_type, scored, len(self.model.cell_types))
        names = [self.model.cell_types[i] for i in losses.types]
        self.step_losses = dict(zip(names, zip(losses.means.tolist(), losses.counts, strict=True), strict=True))
        if not names:
            return 0 * prediction.sum()
        if not losses.means.isfinite().all():
            raise self._not_finite(batch, error, batch_idx)
        if self.neurons:
            self.neurons.observe(batch, prediction)
        importance = losses.own.new_tensor([self.importance[name] for name in names])
        loss = (losses.own * importance).sum()
        if ranks().number > 1:
            loss = loss + 0 * prediction.sum()  # the network takes part where none of its recordings does
        if not ranks().is_first:
            return loss  # what does not come from recordings counts once
        if self.place_prior is not None:
            weighted = (losses.means * importance).tolist()
            loss = loss + self.place_prior.penalty(dict(zip(losses.types, weighted, strict=True)))
        return loss + weight_penalty(self.model, self.recipe.training)

    def _errors(self, batch: Batch, prediction: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss of each recording ``(R,)``, and whether it counts.

        In a piece of a movie, and in the share of one of several processes, some recordings, or all, may have no
        sample; their loss would be NaN, and so would its gradient.
        """
        if batch.piece is None and ranks().number == 1:
            scored = torch.ones_like(batch.cell_type, dtype=torch.bool)
            return self.likelihood.loss(prediction, batch.target, batch.weight), scored
        scored = batch.weight.sum(1) > 0
        error = prediction.new_zeros(len(prediction))
        error[scored] = self.likelihood.loss(prediction[scored], batch.target[scored], batch.weight[scored])
        return error, scored

    def _not_finite(self, batch: Batch, error: Tensor, batch_idx: int) -> TrainingError:
        name, value = next((name, value) for name, (value, _) in self.step_losses.items() if not math.isfinite(value))
        mine = (batch.cell_type == self.model.cell_types.index(name)) & ~error.isfinite() & (batch.weight.sum(1) > 0)
        first = "in a recording of another process"
        if mine.any():
            recording = self.train_data.recordings[int(batch.item[mine][0])]
            first = f"first in neuron '{recording.neuron}', stimulus '{recording.stimulus}'"
        return TrainingError(
            f"the loss of cell type '{name}' is {value} in epoch {self.current_epoch + 1}, batch {batch_idx + 1} "
            f"({first}); the step was not taken",
            remedy="check that recording, or lower training.learning_rate and set training.clip_norm",
        )

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of the loss, the same on every repetition."""
        backward(loss)

    def on_after_backward(self) -> None:
        """Leave cell types without a recording in the batch as they are, their running means in Adam included.

        The network computes all types together, so that theirs is a zero gradient; the published program gives
        none, and Adam tells the two apart: with a zero gradient it would still move them.
        """
        sum_gradients(self.model.parameters())
        for name in set(self.model.cell_types) - set(self.step_losses):
            for part in (self.model.readouts[name], self.model.calcium.types[name]):
                part.zero_grad(set_to_none=True)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Adam on all trained parameters, with the learning rate of the schedule at every step."""
        config = self.recipe.training
        trained = [p for p in self.model.parameters() if p.requires_grad]
        places = displacements(self.model)
        moving = set(map(id, places))
        groups: list[dict[str, Any]] = [{"params": [p for p in trained if id(p) not in moving]}]
        if places:
            groups.append({"params": places, "lr": STEP_DEG})
        optimiser = Adam(groups, lr=config.learning_rate, betas=config.betas)
        schedule = LambdaLR(optimiser, lambda step: learning_rate_factor(step, self.length.n_steps, config))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(self, optimizer: Optimizer, *_: Any, **__: Any) -> None:
        """Scale the gradient down to ``clip_norm``.

        Raises:
            TrainingError: the norm of the gradient is not finite.
        """
        clip_norm = self.recipe.training.clip_norm
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(parameters, math.inf if clip_norm is None else clip_norm)
        if not norm.isfinite():
            named = ((n, p.grad) for n, p in self.model.named_parameters())
            names = [name for name, grad in named if grad is not None and not grad.isfinite().all()]
            raise TrainingError(
                f"the gradient of '{names[0] if names else 'all parameters together'}' is {norm.item()} in "
                f"epoch {self.current_epoch + 1} although the loss is finite; the step was not taken",
                remedy="lower training.learning_rate or set training.clip_norm",
            )

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Take the step, then move parameters that left their bounds back onto them; an epoch ends with the neurons."""
        super().optimizer_step(*args, **kwargs)
        project(self.model, self.recipe.bounds)
        self.offsets.keep()
        if self.place_bounds is not None:
            self.place_bounds.project()
        if self.neurons and self.trainer.is_last_batch:
            self.neurons.fit()
            self.neurons.forget()
        if self.place_search is not None and self.trainer.is_last_batch and self.current_epoch < SEARCHED_EPOCHS:
            self.place_search.move(loader(self.train_data, self.recipe.batching), of_cell_types, AWAY_COLUMNS)
        if self.trainer.is_last_batch:
            take_those_of_the_first([*self.model.parameters(), *self.model.buffers()])

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Predict a batch of held-out recordings, in full precision as everywhere outside of training."""
        with torch.autocast(self.device.type, enabled=False):
            prediction = self._held_out_passes.predict(batch)
            self._predictions.append((prediction.cpu(), batch.without_pictures().to("cpu")))

    def on_validation_epoch_end(self) -> None:
        """Score the held-out recordings."""
        found = Predictions.of_batches(self._predictions)
        if self._is_shared:
            found = found.of_all_processes()
        self.held_out = found.scores(self.model.cell_types, self.likelihood)
        self._predictions.clear()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the state of the random numbers, so that a resumed training draws the same ones, and of the neurons.

        Adam numbers the parameters it trains; their names are kept beside its state.
        """
        trained = [name for name, p in self.model.named_parameters() if p.requires_grad]
        checkpoint["trained"] = sorted(trained, key=lambda name: name.endswith(".displacement_deg"))
        if self.neurons:
            checkpoint["neurons"] = self.neurons.sums
        if self.recipe.batching.in_pieces:
            checkpoint["piece"] = self.passes.state()
        checkpoint["random"] = {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Continue where the training was."""
        self.passes.load(checkpoint.get("piece", {}))
        if self.neurons:
            self.neurons.sums = checkpoint["neurons"]
        torch.set_rng_state(checkpoint["random"]["cpu"].cpu())
        if len(checkpoint["random"]["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all([state.cpu() for state in checkpoint["random"]["cuda"]])


def importances(train: Dataset, config: TrainingConfig) -> dict[str, float]:
    """Return the factor on the loss of each cell type: one over the variance of its training traces, or 1.

    Of another loss than the squared one it is one over the mean deviance from their mean. NaN samples do not count; a
    cell type whose traces do not vary has factor 1.
    """
    if config.balance == "none":
        return dict.fromkeys(train.neurons, 1.0)
    if config.loss != "squared":
        found = null_deviances(train, LIKELIHOODS[config.loss])
        return {name: 1 / deviance if deviance > 0 else 1.0 for name, deviance in found.items()}
    variances = {name: all_samples(each.values()).variance for name, each in samples_of_neurons(train).items()}
    return {name: 1 / variance if variance > 0 else 1.0 for name, variance in variances.items()}


def learning_rate_factor(step: int, n_steps: int, config: TrainingConfig) -> float:
    """Return the learning rate of a step as a fraction of ``learning_rate``.

    Args:
        step: number of the step, from zero.
        n_steps: steps of the whole training.
        config: kind of schedule and warm-up.
    """
    warmup_steps = min(config.warmup_steps, n_steps // 10)
    warmup = min(1.0, (step + 1) / (warmup_steps + 1))
    if config.schedule == "constant":
        return warmup
    return warmup * 0.5 * (1 + math.cos(math.pi * min(1.0, step / n_steps)))
