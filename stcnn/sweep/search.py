"""A search by Optuna: trials are asked for one by one, trained as tasks of the sweep, and told.

The study is a journal file beside the table, which several workers may use at once. A trial belongs to the task whose
number it has; one whose worker is gone is found again by it and goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from stcnn.errors import ConfigError, StcnnError
from stcnn.run_folder import Run
from stcnn.sweep.folder import PRUNED, Sweep, Task
from stcnn.sweep.spec import Range, SearchConfig
from stcnn.sweep.tasks import Point, override_value
from stcnn.writing import is_locked, locked

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

JOURNAL = "search.journal"
NUMBER = "task"
"""Attribute of a trial: the number of its task."""
MOST_REPEATS = 50
"""Points asked for in a row that were trained before, after which the space counts as exhausted."""


class Search:
    """The study of a sweep, as one worker sees it.

    Args:
        sweep: with a ``search``.

    Raises:
        ConfigError: there is no Optuna.
    """

    def __init__(self, sweep: Sweep) -> None:
        try:
            import optuna
        except ImportError as error:
            found = "a search needs Optuna, which is not installed"
            raise ConfigError(found, remedy="pip install 'stcnn[search]'") from error
        from optuna.storages.journal import JournalFileBackend

        assert sweep.spec.search is not None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.optuna = optuna
        self.sweep = sweep
        self.config: SearchConfig = sweep.spec.search
        self.trials: dict[int, Trial] = {}
        """The trials of this worker by the numbers of their tasks."""
        self.reported: dict[int, int] = {}
        self.study = optuna.create_study(
            storage=optuna.storages.JournalStorage(JournalFileBackend(str(sweep.path / JOURNAL))),
            study_name=str(sweep.spec.name),
            direction="minimize" if sweep.spec.score == "loss" else "maximize",
            load_if_exists=True,
            sampler=optuna.samplers.TPESampler(constant_liar=True),
            pruner=optuna.pruners.MedianPruner(self.config.unpruned_trials, self.config.unpruned_epochs),
        )

    def tasks(self) -> Iterator[Task]:
        """Yield what is to be trained: trials whose worker is gone, then new ones, as long as some are missing."""
        while True:
            with self._alone():
                task = self._left_behind() or self._new()
            if task is None:
                return
            yield task

    def _alone(self) -> AbstractContextManager[None]:
        return locked(self.sweep.path, "search", "searches", wait=True)

    def _left_behind(self) -> Task | None:
        """A trial that was begun and is nobody's; where its run is finished it is told, without a task it failed."""
        for frozen in self.study.get_trials(deepcopy=False, states=(self.optuna.trial.TrialState.RUNNING,)):
            number = frozen.user_attrs.get(NUMBER)
            if number in self.trials:
                continue
            trial = self.optuna.trial.Trial(self.study, frozen._trial_id)
            if number is None:
                self.study.tell(trial, state=self.optuna.trial.TrialState.FAIL)
                continue
            task = self._task(number)
            if is_locked(self.sweep.task_folder(task), "task"):
                continue
            self.trials[number] = trial
            if task.state in ("waiting", "stopped"):
                return task
            self._tell(task)
        return None

    def _task(self, number: int) -> Task:
        return next(task for task in self.sweep.tasks() if task.number == number)

    def _new(self) -> Task | None:
        for _ in range(MOST_REPEATS):
            counted = [trial for trial in self.study.get_trials(deepcopy=False) if NUMBER in trial.user_attrs]
            if len(counted) >= self.config.trials:
                return None
            trial = self.study.ask()
            (task,) = self.sweep.add([self._point(trial)])
            if task.number in {each.user_attrs[NUMBER] for each in counted}:  # the same point again
                self.study.tell(trial, state=self.optuna.trial.TrialState.FAIL)
                continue
            trial.set_user_attr(NUMBER, task.number)
            self.trials[task.number] = trial
            return task
        return None

    def _point(self, trial: Trial) -> Point:
        values = {key: override_value(_suggested(trial, key, among)) for key, among in self.config.space.items()}
        overrides = tuple(f"{key}={value}" for key, value in values.items())
        return Point(values, (*self.sweep.spec.base, *overrides))

    def is_hopeless(self, task: Task) -> bool:
        """Report the scores of the epochs of a run, and tell whether it is to be given up."""
        trial = self.trials.get(task.number)
        if trial is None or not self.config.prune:
            return False
        run = Run(self.sweep.runs_folder / task.run)
        try:
            table = run.scores() if (run.path / "scores.csv").is_file() else None
        except StcnnError:
            return False
        if table is None or self.sweep.spec.score not in table:
            return False
        means = table[table.epoch > self.reported.get(task.number, 0)].groupby("epoch")[self.sweep.spec.score].mean()
        for epoch, score in means.dropna().items():
            trial.report(float(score), int(str(epoch)))
            self.reported[task.number] = int(str(epoch))
        if not len(means) or not trial.should_prune():
            return False
        (self.sweep.task_folder(task) / PRUNED).touch()
        return True

    def tell(self, task: Task) -> None:
        """Tell what came of a task; one that was stopped from outside stays open and goes on later."""
        with self._alone():
            self._tell(task)

    def _tell(self, task: Task) -> None:
        """Tell it unless another worker, who found the run finished and nobody at it, has told it already."""
        trial = self.trials.get(task.number)
        if trial is None:
            return
        states = self.optuna.trial.TrialState
        if task.state == "finished" and task.score == task.score:
            self.study.tell(trial, task.score, skip_if_finished=True)
        elif task.state == "pruned":
            self.study.tell(trial, state=states.PRUNED, skip_if_finished=True)
        elif task.state in ("failed", "finished"):
            self.study.tell(trial, state=states.FAIL, skip_if_finished=True)

    def finished(self) -> list[FrozenTrial]:
        """The trials that were told a score."""
        return self.study.get_trials(deepcopy=False, states=(self.optuna.trial.TrialState.COMPLETE,))


def _suggested(trial: Trial, key: str, among: Range | tuple[Any, ...]) -> object:
    if not isinstance(among, Range):
        return among[trial.suggest_categorical(key, range(len(among)))]
    if among.whole:
        return trial.suggest_int(key, round(among.low), round(among.high), log=among.log)
    return trial.suggest_float(key, among.low, among.high, log=among.log)
