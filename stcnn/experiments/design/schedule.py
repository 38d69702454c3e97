"""A design as files: the list of a rig, the protocol it shows, and a record of how it was chosen.

FOLDER/
  schedule.csv      a row per presentation: order, stimulus, onset_s, duration_s, grey_after_s, what it is worth
  protocol.yaml     every stimulus once, in that order: stcnn stimuli render FOLDER/protocol.yaml
  record.json       criterion, source, seed, noise, totals, the runs that were asked
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from stcnn.experiments.design.criteria import Criterion
from stcnn.experiments.design.plan import Presentation, Rig
from stcnn.stimuli import Protocol
from stcnn.writing import atomic_write


def schedule(chosen: Sequence[Presentation], rig: Rig, criterion: Criterion) -> pd.DataFrame:
    """Return the list of a rig.

    Returns:
        A row per presentation: ``order`` from 1, ``stimulus``, ``onset_s`` of its first frame from the start of the
        recording, ``duration_s``, ``grey_after_s``, and in the unit of the criterion ``gain``, ``gain_per_minute`` of
        recording (its grey included), ``cumulative_gain``.
    """
    table = pd.DataFrame(chosen)
    table.insert(0, "order", range(1, len(table) + 1))
    table.insert(4, "grey_after_s", rig.grey_s)
    table["gain_per_minute"] = 60 * table.gain / (table.duration_s + table.grey_after_s)
    table["cumulative_gain"] = table.gain.cumsum()
    return table.assign(unit=criterion.unit)


def write_schedule(
    table: pd.DataFrame, protocol: Protocol, background: float, folder: Path, record: Mapping[str, Any]
) -> None:
    """Write a design into a folder.

    Args:
        table: of :func:`schedule`.
        protocol: whose stimuli it shows.
        background: grey of the screen, where the protocol does not say it.
        folder: made if need be; files of these names in it are replaced.
        record: what is to be known of it, as plain values.

    Raises:
        FileError: the folder cannot be written to.
    """
    names = table.stimulus.drop_duplicates().to_list()
    shown = {
        "description": f"Stimuli of '{protocol.name}' in the order that stcnn design chose.",
        "source": protocol.source,
        "background": background if protocol.background is None else protocol.background,
        "stimuli": {name: protocol.parameters[name] for name in names},
    }
    with atomic_write(folder / "schedule.csv") as draft:
        table.to_csv(draft, index=False, float_format="%.6g")
    with atomic_write(folder / "protocol.yaml") as draft:
        draft.write_text(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=120))
    with atomic_write(folder / "record.json") as draft:
        draft.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n")
