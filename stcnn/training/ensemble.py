"""Several trainings of one recipe as one job; they differ by their seed alone."""

from __future__ import annotations

from collections.abc import Iterator

from stcnn.data.dataset import Dataset
from stcnn.invocation import train_command
from stcnn.run_folder import Run
from stcnn.training.callbacks import TrainingStopped
from stcnn.training.fit import train
from stcnn.training.recipe import Recipe


def train_members(
    dataset: Dataset, recipe: Recipe, run: Run, n_models: int, resume: bool = False, deadline_s: float | None = None
) -> Iterator[Run]:
    """Train the members of an ensemble one after the other, each an ordinary run inside the run folder.

    Member K has the seed ``recipe.seed + K - 1``; the split is the same for all.

    Args:
        dataset: all recordings.
        recipe: what the members share.
        run: folder of the ensemble.
        n_models: number of members.
        resume: pass over members that are finished and go on with the one that was stopped.
        deadline_s: as of :func:`stcnn.training.fit.train`.

    Yields:
        The run of each member that was trained, when it is finished.

    Raises:
        TrainingError, TrainingStopped, DataError: as :func:`stcnn.training.fit.train`.
    """
    for number in range(1, n_models + 1):
        seed = recipe.seed + number - 1
        member = run.member(number, seed)
        if resume and member.is_finished():
            continue
        try:
            own = recipe.model_copy(update={"seed": seed})
            train(dataset, own, member, resume=resume and _has_begun(member), deadline_s=deadline_s)
        except TrainingStopped as stopped:
            found = f"member {number} of {n_models}: {stopped.found}"
            remedy = f"go on with: {train_command(f'resume={run.path}')}"
            raise TrainingStopped(found, remedy, stopped.exit_code) from stopped
        yield member
    run.write_json("environment.json", member.environment())
    run.write_json("split.json", member.split())
    run.write_json("trained_on.json", {"footprints": member.trained_on()})


def _has_begun(run: Run) -> bool:
    return (run.path / "environment.json").is_file()
