"""A run as one asks it: its recordings, its answers to movies, its scores on what was held out, its report."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from numpy.typing import ArrayLike

from stcnn.cell_type_names import cell_type_name
from stcnn.config import Config, compose, validate
from stcnn.data.dataset import Dataset
from stcnn.data.splitting.split_config import SplitConfig
from stcnn.errors import ConfigError, StcnnError, nearest
from stcnn.movie import Movie
from stcnn.run_folder import Run as RunFolder
from stcnn.run_summary import summary

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from stcnn.nn.model import STCNN
    from stcnn.nn.response import Response

Part = Literal["validation", "test"]
IN_A_ROW = 6
"""Stimuli in a row of :meth:`Run.plot_responses`."""


def _silent(_: str) -> None:
    pass


class Run(RunFolder):
    """A run folder, and what one asks of a finished run."""

    def __repr__(self) -> str:
        """Name the folder, how far the training came and how well it scores."""
        found = summary(self)
        scores = f", correlation {found['by_cell_type']}" if found["by_cell_type"] else ""
        epochs = f"{found['epochs']} epoch{'' if found['epochs'] == 1 else 's'}"
        return f"Run('{self.path}': {found['state']} after {epochs}{scores})"

    def _repr_html_(self) -> str:
        """Show the same as a small table in a notebook."""
        found = summary(self)
        cells = {"data": "dataset", "state": "state", "epochs": "epochs", "validation correlation": "by_cell_type"}
        rows = "".join(f"<tr><th>{title}</th><td>{escape(str(found[key]))}</td></tr>" for title, key in cells.items())
        return f"<table><caption>{escape(str(self.path))}</caption>{rows}</table>"

    def settings(self) -> Config:
        """Return the configuration it was trained with, judged."""
        return validate(self.config())

    @cached_property
    def _opened(self) -> list[STCNN]:
        """The finished models, read once: each keeps its folded weights from one question to the next."""
        return self.models()

    def dataset(self) -> Dataset:
        """Open the recordings it was trained on, all parts of them."""
        return self.settings().open_dataset()

    def respond(self, frames: Movie | ArrayLike, rate_hz: float | None = None) -> Response:
        """Return voltage and dF/F of every cell type to a movie, of an ensemble the mean over its members.

        Arguments and errors as of :meth:`stcnn.nn.model.STCNN.respond`.
        """
        import numpy as np

        each = [model.respond(frames, rate_hz) for model in self._opened]
        first = each[0]
        if len(each) == 1:
            return first
        voltage = {name: np.mean([response.voltage[name] for response in each], 0) for name in first.voltage}
        calcium = {name: np.mean([response.calcium[name] for response in each], 0) for name in first.calcium}
        return type(first)(voltage, calcium, first.time_s)

    def predict(self, movies: Mapping[str, Movie]) -> pd.DataFrame:
        """Return the answers to named movies as a table, as ``stcnn predict`` writes it.

        Of an ensemble they are the mean of the members, with their spread; see
        :func:`stcnn.experiments.respond_together`.
        """
        from stcnn.experiments import respond_together

        return respond_together(self._opened, movies.items())

    def plot_responses(self, cell_type: str) -> Figure:
        """Draw what a cell type responded to each stimulus, neurons and their mean, under what the run predicts.

        Recordings of the test set are not shown.

        Args:
            cell_type: its name; upper or lower case does not matter.

        Raises:
            ConfigError: the run has no such cell type.
        """
        from stcnn.data.splitting.splits import Split
        from stcnn.report.measured import measured_responses
        from stcnn.viz.theme import colours
        from stcnn.viz.traces import response_grid

        recordings = self.dataset()
        shown = recordings.subset(Split.from_json(self.split(), recordings).outside_test)
        name = cell_type_name(cell_type)
        if name not in shown.cell_types:
            found = f"the recordings of {self.path.name} have no cell type '{cell_type}'"
            raise ConfigError(found, remedy=nearest(name, shown.cell_types))
        stimuli = shown.table[shown.table.cell_type == name].stimulus.unique()
        predicted = self.predict({stimulus: shown.movies[stimulus] for stimulus in stimuli})
        responses = list(measured_responses(shown, name, predicted).values())
        rows = {f"from {i + 1}": responses[i : i + IN_A_ROW] for i in range(0, len(responses), IN_A_ROW)}
        heading = f"{name}: measured (grey) and predicted (colour)"
        return response_grid(rows, colours(shown.cell_types)[name], heading=heading)

    def evaluate(
        self, part: Part = "validation", *, dataset: str | Path | None = None, again: bool = False
    ) -> pd.DataFrame:
        """Score the run on a held-out part, write the scores into its folder, and return them.

        Args:
            part: of the recordings it was trained on.
            dataset: other recordings instead, all of them: a store, or the name of a choice of ``conf/dataset``.
            again: evaluate the test set again; every look is recorded.

        Raises:
            DataError: a second look at the test set was not asked for, or the run was trained on other recordings
                of the name that are not new to it.
        """
        from stcnn.training.held_out import look_at_test, score_other, score_part, sealed_scores, write_scores

        settings = self.settings()
        if dataset is not None:
            table = score_other(self, _named_recordings(dataset), settings)
            write_scores(self, f"{Path(dataset).stem}_scores", table)
            return table
        if part == "test":
            look_at_test([self], again)
            return sealed_scores(self, settings.open_dataset(), settings)
        return score_part(self, settings.open_dataset(), settings, part)

    def fit_neurons(
        self, dataset: Dataset | str | Path, cell_type: str | None = None, split: SplitConfig | None = None
    ) -> pd.DataFrame:
        """Fit new neurons to the trained core, each on its own, as ``stcnn fit-neuron`` does; nothing is written.

        Args:
            dataset: their recordings: opened, a store, or the name of a choice of ``conf/dataset``.
            cell_type: of the core, that they are taken for; None goes by the names of their types.
            split: which recordings are fitted and which are scored; None is the split of a new training.

        Returns:
            A row per neuron: ``cell_type``, ``neuron``, ``minutes`` recorded, ``elevation_deg``, ``azimuth_deg``,
            ``scale``, ``gain``, ``offset_dff``, ``n_held_out`` recordings and their ``correlation``.

        Raises:
            ConfigError: the run is an ensemble, or has no such cell type.
            DataError: the recordings cannot be had or be split so.
        """
        from stcnn.data.splitting.splits import split_recordings
        from stcnn.experiments.new_neuron import fitted_and_scored
        from stcnn.experiments.shown import show

        model = self.model()
        recordings = dataset if isinstance(dataset, Dataset) else _named_recordings(dataset)
        train = set(split_recordings(recordings, split or SplitConfig()).train)
        return fitted_and_scored(model, recordings, show(model, recordings, self.settings().batching, cell_type), train)

    def physiology(
        self, analyses: Sequence[str] = (), to: str | Path | None = None, say: Callable[[str], None] = _silent
    ) -> Path:
        """Examine the run in silico, of an ensemble every member, as ``stcnn physiology`` does; return the page's path.

        Args:
            analyses: names of :data:`stcnn.experiments.physiology.ANALYSES`; none is all.
            to: folder of page, table and figures; None is ``physiology`` in that of the run.
            say: is told what is being measured.

        Raises:
            ConfigError: there is no analysis of that name.
            FileError: the folder holds something else, or cannot be written.
        """
        from stcnn.report.physiology_of_run import physiology_of_run

        folder = self.path / "physiology" if to is None else Path(to).expanduser()
        return physiology_of_run(self, self._recordings_at_hand, analyses, folder, say)

    def _recordings_at_hand(self) -> Dataset | None:
        """Open the recordings it was trained on; None where they cannot be had, which is said."""
        try:
            return self.dataset()
        except StcnnError as error:
            warnings.warn(f"{self.path.name} goes without its recordings: {error}", stacklevel=4)
            return None

    def report(self) -> Path:
        """Write the report of the run, of an ensemble also those of its members; return where it is."""
        for _ in self.written_reports():
            pass
        return self.path / "report.html"

    def written_reports(self) -> Iterator[str]:
        """Write the same reports one after the other; yield the summary of each."""
        from stcnn.report import write_report
        from stcnn.report.ensemble import write_ensemble_report

        settings = self.settings()
        dataset = settings.open_dataset()
        for one in self.members() or [self]:
            yield write_report(one, dataset, settings.batching, settings.bounds)
        if self.members():
            yield write_ensemble_report(self, dataset, settings)


def _named_recordings(name: str | Path) -> Dataset:
    """A store, or the recordings of a choice of ``conf/dataset``."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return compose(["dataset=store", f"dataset.path={folder.absolute()}"]).open_dataset()
    return compose([f"dataset={name}"]).open_dataset()
