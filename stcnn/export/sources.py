"""Sources of an export: a run of ours or a folder of published checkpoints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from stcnn.errors import ConfigError, FileError
from stcnn.export.tensors import Exported
from stcnn.movie import BACKGROUND
from stcnn.published import published_epochs, read_published
from stcnn.reading import load_tensors, read_json
from stcnn.run_folder import Run, open_run

DESCRIPTION = ("experiment_path", "data_count", "dataset_config")
"""Keys of a published ``config.json`` that say nothing of the network."""


def exported_from(folder: str | Path, epoch: int | None = None, rate_hz: float | None = None) -> list[Exported]:
    """Open what is to be exported: one model, or all members of an ensemble.

    Args:
        folder: a run folder, or a folder of published checkpoints.
        epoch: which checkpoint; None is the finished model, of a published folder the last one.
        rate_hz: frames per second of the published form; None is that of the training.

    Raises:
        FileError: the folder is neither, or has no such epoch.
        ConfigError: the frame rate of the training is not known.
    """
    folder = Path(folder).expanduser()
    if epochs := published_epochs(folder):
        number = epochs[-1] if epoch is None else epoch
        found = read_published(folder, number)
        described = read_json(folder / "config.json", "the published config.json")
        facts = {key: described[key] for key in DESCRIPTION if key in described}
        if rate_hz not in (None, found.rate_hz):
            raise ConfigError(
                f"--rate-hz is {rate_hz:g}", expected=f"{found.rate_hz:g}, for which the published network is made"
            )
        return [Exported(found.model, found.rate_hz, number, found.optimizer, found.optimizer_options, facts)]
    run = open_run(folder)
    return [_of_run(each, epoch, rate_hz) for each in run.members() or [run]]


def _of_run(run: Run, epoch: int | None, rate_hz: float | None) -> Exported:
    config = run.config()
    recordings = config.get("dataset") or {}
    rate_hz = rate_hz or recordings.get("rate_hz")
    if rate_hz is None:
        raise ConfigError(
            f"the run {run.path} does not say the frame rate of its movies",
            remedy="give it as --rate-hz, the one that the published program will be used with",
        )
    number = run.finished_epoch() if epoch is None else epoch
    moments, options = _optimizer(run, number)
    facts = {"experiment_path": str(run.path), "data_count": _data_count(run)}
    facts["dataset_config"] = _dataset_config(recordings, config.get("batching") or {}, float(rate_hz))
    return Exported(run.model(epoch), float(rate_hz), number, moments, options, facts)


def _optimizer(run: Run, epoch: int) -> tuple[dict[str, Mapping[str, Tensor]], dict[str, Any]]:
    """Adam's state by parameter name, and its options; empty where the checkpoint is gone or does not name them."""
    path = run.checkpoints().get(epoch)
    if path is None:
        return {}, {}
    checkpoint = load_tensors(path, "a checkpoint of a training")
    try:
        (state,) = checkpoint["optimizer_states"]
        names = checkpoint.get("trained", [])
        (group,) = state["param_groups"]
        moments = {names[index]: state["state"][index] for index in state["state"]} if names else {}
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise FileError(f"{path} is damaged: it has no state of Adam", remedy="export another epoch") from error
    return moments, {**group, "lr": group.get("initial_lr", group["lr"])}


def _data_count(run: Run) -> dict[str, int]:
    """Recordings of the training set by cell type."""
    counts = Counter(key.partition("/")[0] for key in run.split()["train"])
    return {name: counts[name] for name in sorted(counts)}


def _dataset_config(recordings: Mapping[str, Any], batching: Mapping[str, Any], rate_hz: float) -> dict[str, Any]:
    """The recordings as the published configuration describes them."""
    average = recordings.get("average_trials")
    return {
        "name": str(recordings.get("kind", "")),
        "ca_path": str(recordings.get("ca_path") or recordings.get("path") or ""),
        "mov_path": str(recordings.get("mov_path") or ""),
        "sampling_rate": rate_hz,
        "avg_xTrials": True if average is None else bool(average),
        "mov_res": recordings.get("deg_per_px", 1.0),
        "mov_bg_int": recordings.get("background", BACKGROUND),
        "loss_meas_t_start": batching.get("loss_start_s", -0.5),
        "num_t_pts_prepad": round(batching.get("pre_grey_s", 2.0) * rate_hz),
    }
