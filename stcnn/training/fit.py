"""From a data set and a recipe to a trained run."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import lightning.pytorch as L
import pandas as pd
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment

from stcnn.data.dataset import Dataset
from stcnn.data.recordings import indicators_of
from stcnn.data.splitting.leaks import footprints, known_again
from stcnn.data.splitting.splits import Split, require_no_leak, split_recordings
from stcnn.errors import ConfigError, DataError
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.population import Population
from stcnn.ranks import ranks, said_by_the_first, take_those_of_the_first, wait
from stcnn.run_folder import Run
from stcnn.training.batches import EpochBatches
from stcnn.training.callbacks import Checkpoints, History, Stop
from stcnn.training.checkpoints import WholeCheckpoints, last_whole_checkpoint
from stcnn.training.early_stop import StopEarly, held_out_losses
from stcnn.training.environment import environment
from stcnn.training.followed import FollowedRun
from stcnn.training.from_weights import require_same_network, take
from stcnn.training.held_out import score_part
from stcnn.training.module import TrainingModule
from stcnn.training.offsets import require_possible
from stcnn.training.place_search import light_and_dark
from stcnn.training.places import network_for, places_table
from stcnn.training.progress import ProgressBar
from stcnn.training.recipe import Recipe, TrainingConfig
from stcnn.training.start import fit_neurons_to_traces, scale_to_movies
from stcnn.training.start_block import start_block
from stcnn.training.teacher import Teacher, opened_teacher
from stcnn.training.weights_files import Weights, read_weights
from stcnn.writing import locked

PRECISIONS = {"float32": "32-true", "float64": "64-true", "bfloat16": "bf16-mixed"}


def train(dataset: Dataset, recipe: Recipe, run: Run, resume: bool = False, deadline_s: float | None = None) -> STCNN:
    """Train a model and leave everything worth keeping in the run folder.

    The test set is scored once, with the finished model, and its scores are sealed (:mod:`stcnn.training.held_out`).

    Args:
        dataset: all recordings; the split of the recipe divides them.
        recipe: model, split, batching, optimiser, bounds and seed.
        run: a new run folder, or one whose training goes on.
        resume: go on from the latest whole checkpoint of the run; one that has none yet begins anew.
        deadline_s: time, as of ``time.monotonic()``, after which it leaves a checkpoint and stops.

    Returns:
        The finished model, as ``run.model()`` opens it.

    Raises:
        TrainingError: a loss or gradient is not finite.
        TrainingStopped: Ctrl-C, a signal of a scheduler or the deadline; the run can be resumed.
        DataError: the data changed since the run was begun, cannot be divided, or were learned from before; or the
            teacher learned from others.
        FileError: another process trains this run, something cannot be written, or the weights to start from be read.
        ConfigError: the weights to start from are of another network, or the teacher is not finished.
    """
    if not ranks().is_first:
        return _train(dataset, recipe, FollowedRun(run.path), resume, deadline_s).model
    with locked(run.path, "training", "trains"):
        module = _train(dataset, recipe, run, resume, deadline_s)
        run.finish(module.model, finished_epoch(run.scores(), recipe.training, module.importance))
        if module.model.config.readout.place == "learned":
            run.write_table("places.csv", places_table(run.model(), dataset))
        score_part(run, dataset, recipe, "test")
    return run.model()


def _train(dataset: Dataset, recipe: Recipe, run: Run, resume: bool, deadline_s: float | None) -> TrainingModule:
    """Train to the end; what is left is to finish the run."""
    data_sha256 = dataset.content_hash()
    if resume and (run.path / "environment.json").is_file() and run.environment()["data_sha256"] != data_sha256:
        raise DataError(
            f"the recordings differ from those the run {run.path} was begun with",
            remedy="restore the data, or start a new training",
        )
    require_possible(dataset, recipe.training.loss)
    found = last_whole_checkpoint(run) if resume and ranks().is_first else None
    name = said_by_the_first("" if found is None else str(found))
    checkpoint = Path(name) if name else None
    weights = None
    if checkpoint is None:
        if recipe.init_from is not None:
            weights = read_weights(recipe.init_from, recipe.init_epoch)
            require_same_network(recipe.model, weights)
        run.write_json("environment.json", {**environment(), "seed": recipe.seed, "data_sha256": data_sha256})
        _divide(dataset, recipe, run, weights)
    torch.manual_seed(recipe.seed)
    population = population_of(dataset, recipe.model)
    model = STCNN(network_for(dataset, recipe), population, dataset.deg_per_px)
    run.save_network(model)
    wait()  # the first process has written the split
    parts = Split.from_json(run.split(), dataset)
    require_no_leak(parts, dataset, recipe.split)
    train_data = dataset.subset(parts.train)
    teacher = _teacher(train_data, recipe, run, data_sha256, goes_on=checkpoint is not None)
    module = TrainingModule(model, recipe, train_data, dataset.subset(parts.validation), teacher)
    if checkpoint is None:
        _write_length(module, run)
        _start(module, run, weights)
        take_those_of_the_first([*model.parameters(), *model.buffers()])
    fit(module, run, checkpoint, deadline_s)
    return module


def _teacher(train_data: Dataset, recipe: Recipe, run: Run, data_sha256: str, goes_on: bool) -> Teacher | None:
    """Return who teaches the training, if anybody does."""
    folder = recipe.training.teacher
    if folder is None:
        return None
    teacher = opened_teacher(folder, run, data_sha256, goes_on)
    return Teacher.of(teacher, train_data, recipe.batching, recipe.training.teacher_weight)


def population_of(dataset: Dataset, config: ModelConfig) -> Population:
    """Return the neurons of a data set, with their indicators if the network tells these apart."""
    neurons = {name: tuple(of_type) for name, of_type in dataset.neurons.items()}
    if config.calcium.tau != "per_indicator":
        return Population(neurons=neurons)
    return Population(neurons=neurons, indicators=indicators_of(dataset.table, neurons))


def _divide(dataset: Dataset, recipe: Recipe, run: Run, weights: Weights | None) -> None:
    """Write which recordings are learned from, and by what they and those of earlier trainings are known again.

    Raises:
        DataError: the weights to start from have learned from recordings that are held out here.
    """
    split = split_recordings(dataset, recipe.split)
    words = set[str]().union(*footprints(dataset.subset(split.train), recipe.split))
    if weights is not None:
        held_out = dataset.subset([*split.validation, *split.test])
        if seen := known_again(held_out, weights.trained_on, recipe.split):
            raise DataError(
                f"{len(seen)} of {len(held_out)} recordings that are held out were learned from by the weights in "
                f"{weights.source}",
                expected="a held-out part that is new to them",
                remedy="split them as that run did (its split.* and dataset.*), or hold out nothing: "
                "split.validation=0 split.test=0",
            )
        words |= set(weights.trained_on)
    run.write_json("split.json", split.to_json(dataset))
    run.write_json("trained_on.json", {"footprints": sorted(words)})


def _start(module: TrainingModule, run: Run, weights: Weights | None) -> None:
    """Take weights, then fit what was drawn to movies and traces; what was taken is not scaled."""
    taken = None
    if weights is not None:
        taken = take(module.model, weights)
        run.write_json("init_from.json", taken.to_json())
        print("\n".join(taken.sentences()))
    if module.place_search is not None and weights is None:
        moved = module.place_search.move(EpochBatches(module.train_loader, epoch=0), light_and_dark)
        print(f"places: {moved} neurons start at the column whose light or dark their traces follow best")
    if module.recipe.training.start == "scaled":
        if taken is None:
            scale_to_movies(module.model, EpochBatches(module.train_loader, epoch=0))
        drawn_types = None if taken is None else taken.drawn_types
        fit_neurons_to_traces(module.model, module.train_data, drawn_types, module.offsets)
    module.offsets.keep()


def _write_length(module: TrainingModule, run: Run) -> None:
    """Write out the length that follows from the recordings, so that a training can be resumed with another one."""
    config = run.config()
    training = config.get("training")
    if module.recipe.training.epochs is None and isinstance(training, dict):
        training |= {"steps": module.length.n_steps, "validate_every": module.length.epoch_steps}
        run.save_config(config)


def fit(module: TrainingModule, run: Run, checkpoint: Path | None = None, deadline_s: float | None = None) -> None:
    """Run the training of a module, with checkpoints and records in the run folder.

    Args:
        module: what is trained.
        run: where it is recorded.
        checkpoint: to go on from.
        deadline_s: as of :func:`train`.

    Raises:
        TrainingError, TrainingStopped: as :func:`train`.
        ConfigError: a GPU was asked for and there is none.
    """
    config = module.recipe.training
    history = History(run)
    stop = Stop(run, history, deadline_s)
    callbacks = [history, Checkpoints(run), ProgressBar(history), stop]
    early = StopEarly(history, module.importance, config.patience) if config.patience else None
    print("\n".join(start_block(module, run, goes_on=checkpoint is not None)))
    with _quiet(), stop.listening():
        trainer = L.Trainer(
            max_epochs=module.length.n_epochs,
            accelerator=_accelerator(config),
            devices=[ranks().local] if ranks().number > 1 and _takes_gpu(config) else 1,  # stcnn.ranks is above it
            precision=PRECISIONS[config.precision],  # type: ignore[arg-type]
            callbacks=callbacks if early is None else [*callbacks, early],
            reload_dataloaders_every_n_epochs=1,
            num_sanity_val_steps=0 if checkpoint else -1,  # the whole held-out set: the score of the untrained model
            limit_train_batches=config.max_batches,
            limit_val_batches=config.max_batches if len(module.validation_data) else 0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=run.path,
            plugins=[WholeCheckpoints(), LightningEnvironment()],  # not that of Slurm, which would requeue by itself
        )
        trainer.fit(module, ckpt_path=checkpoint, weights_only=True)
    if early is not None and early.stopped:
        print(early.stopped)


def finished_epoch(scores: pd.DataFrame, config: TrainingConfig, importance: Mapping[str, float]) -> int:
    """Return the epoch whose weights the finished run opens with.

    Args:
        scores: held-out scores of all epochs.
        config: says whether the best or the last epoch is kept.
        importance: factor on the loss of each cell type, as in training.
    """
    losses = held_out_losses(scores, importance)
    if config.keep == "last" or losses.empty:
        return int(scores.epoch.max())
    return int(losses.index.to_numpy()[losses.to_numpy().argmin()])


def _takes_gpu(config: TrainingConfig) -> bool:
    return config.device != "cpu" and torch.cuda.is_available()


def _accelerator(config: TrainingConfig) -> str:
    if config.device == "gpu" and not torch.cuda.is_available():
        raise ConfigError("training.device is 'gpu' but PyTorch finds no GPU here", remedy="choose 'auto' or 'cpu'")
    return config.device


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Lightning says about itself out of the terminal."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        logger.setLevel(level)
