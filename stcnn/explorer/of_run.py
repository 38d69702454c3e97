"""The page of a run: its models, its recordings where they are at hand, and how well it does."""

from __future__ import annotations

import traceback

from stcnn.data.dataset import Dataset
from stcnn.errors import ConfigError, StcnnError
from stcnn.explorer.page import Explored, write_page
from stcnn.explorer.recordings import recordings
from stcnn.run_folder import Run
from stcnn.run_summary import summary

PAGE = "explore.html"
"""Name of the page in the folder of a run."""


def explored(run: Run, dataset: Dataset | None) -> Explored:
    """Return a run as the page takes it.

    Args:
        run: a finished run, or an ensemble.
        dataset: the recordings it was trained on; None where they are not at hand.

    Raises:
        StcnnError: the run cannot be opened, or its frame rate is not known.
    """
    models = run.models()
    scored = summary(run)["by_cell_type"]
    said = f"{run.path.name}: correlation with held-out responses {scored}" if scored else run.path.name
    if dataset is not None:
        laid_over = recordings((run.members() or [run])[0], models[0], dataset)
        return Explored(run.path.name, models, dataset.rate_hz, dataset.shape_px, laid_over, said)
    rate_hz = (run.config().get("dataset") or {}).get("rate_hz")
    if rate_hz is None:
        raise ConfigError(
            f"the run {run.path} does not say the frame rate of its movies, and its recordings are not at hand",
            remedy="bring the recordings back",
        )
    side_px = round(83 / models[0].deg_per_px)
    return Explored(run.path.name, models, float(rate_hz), (side_px, side_px), scores=said)


def page_beside(run: Run, dataset: Dataset) -> None:
    """Write the page into the folder of a run at the end of a training, whose result a fault must not hide.

    What went wrong is printed.
    """
    try:
        write_page([explored(run, dataset)], run.path / PAGE)
    except StcnnError as error:
        print(f"{run.path.name} has no page to explore: {error}")
    except Exception:
        traceback.print_exc()
        print(f"The training is finished, but its page failed. Try again: stcnn explore {run.path}")
