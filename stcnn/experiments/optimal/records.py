"""Found stimuli as files: a protocol for the rig, movies, traces, and a record of how they were found.

FOLDER/
  protocol.yaml     the stimuli with their parameters: stcnn stimuli render FOLDER/protocol.yaml
  NAME.mp4          each of them as a movie
  NAME.npz          the same exactly, of a free movie (protocol.yaml names it)
  traces.csv        what the models answer, dF/F above grey
  record.json       criterion, seed, bounds, predicted answers, the runs that were asked
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from stcnn.experiments.asked_models import AskedModels
from stcnn.experiments.optimal.answers import traces_of
from stcnn.experiments.optimal.search import Found
from stcnn.stimuli import write_movie
from stcnn.version import __version__
from stcnn.writing import atomic_write


def write_found(found: Sequence[Found], asked: AskedModels, folder: Path, about: Mapping[str, Any]) -> None:
    """Write stimuli and their record into a folder.

    Args:
        found: the stimuli.
        asked: the models that were asked.
        folder: made if need be; files of these names in it are replaced.
        about: how they were found, as plain values: seed, bounds, effort.

    Raises:
        FileError: the folder cannot be written to.
    """
    stimuli = {}
    for one in found:
        name = one.goal.name
        write_movie(one.movie, folder / f"{name}.mp4")
        if not one.parameters:
            write_movie(one.movie, folder / f"{name}.npz")
        stimuli[name] = one.parameters or {"kind": "recorded", "path": str((folder / f"{name}.npz").resolve())}
    protocol = {
        "description": f"Stimuli that stcnn optimise found for {', '.join(run['path'] for run in asked.runs)}.",
        "source": "; ".join(dict.fromkeys(one.goal.criterion.source for one in found)),
        "background": asked.screen.background,
        "stimuli": stimuli,
    }
    with atomic_write(folder / "protocol.yaml") as draft:
        draft.write_text(yaml.safe_dump(protocol, sort_keys=False, allow_unicode=True, width=120))
    with atomic_write(folder / "traces.csv") as draft:
        traces(found, asked).to_csv(draft, index=False)
    record = {
        "stimuli": {one.goal.name: _facts(one, asked) for one in found},
        **about,
        "runs": list(asked.runs),
        "screen": asked.screen.model_dump(mode="json"),
        "stcnn": __version__,
    }
    with atomic_write(folder / "record.json") as draft:
        draft.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def traces(found: Sequence[Found], asked: AskedModels) -> pd.DataFrame:
    """Predicted answers: ``stimulus``, ``cell_type``, ``time_s``, ``dff_above_grey``, and ``spread`` between models."""
    parts = []
    for one in found:
        rises = traces_of(one.answers)
        time_s = (pd.RangeIndex(rises.shape[1]).to_numpy() / one.movie.rate_hz) - one.movie.onset_s
        for number, name in enumerate(asked.cell_types):
            values = {"stimulus": one.goal.name, "cell_type": name, "time_s": time_s}
            values["dff_above_grey"] = rises[..., number].mean(0)
            if len(rises) > 1:
                values["spread"] = rises[..., number].std(0, ddof=1)
            parts.append(pd.DataFrame(values))
    return pd.concat(parts, ignore_index=True)


def _facts(one: Found, asked: AskedModels) -> dict[str, Any]:
    wanted = one.goal
    peaks = one.answers.peak()[0].tolist()
    each = one.answers.rise.masked_fill(~one.answers.scored[:, :, None], -1e30).amax(2)[:, 0].tolist()
    return {
        "criterion": wanted.criterion.name,
        "formula": wanted.criterion.formula,
        "source": wanted.criterion.source,
        "cell_type": wanted.cell_type,
        "against": wanted.against,
        "value": one.value,
        "unit": wanted.criterion.unit,
        "parameters": one.parameters,
        "duration_s": one.movie.duration_s,
        "peak_dff_above_grey": dict(zip(asked.cell_types, peaks, strict=True)),
        "peak_of_each_model": {
            name: dict(zip(asked.cell_types, row, strict=True)) for name, row in zip(asked.names, each, strict=True)
        }
        if len(asked.models) > 1
        else {},
        "scale_dff": dict(zip(asked.cell_types, one.scale, strict=True)),
        "n_asked": one.n_asked,
    }
