"""A network of ours as a published folder, ``config.json`` and ``model_chkpnt_K.pt``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import torch

from stcnn.errors import FileError
from stcnn.export.layout import described
from stcnn.export.request import Request
from stcnn.export.sources import exported_from
from stcnn.export.tensors import CalciumTaus, Exported, PublishedForm
from stcnn.writing import atomic_folder


def export(request: Request) -> Iterator[str]:
    """Write the folder, of an ensemble one for each member; yield what is otherwise than in our network."""
    request.require_no_places("published")
    found = exported_from(request.source, request.epoch, request.rate_hz)
    folder = request.folder("published")
    for number, each in enumerate(found, 1):
        place = folder / str(number) if len(found) > 1 else folder
        for note in export_published(each, place, request.movie_px, request.calcium_tau):
            yield f"note: {note}"
        yield f"published form of epoch {each.epoch} at {each.rate_hz:g} Hz in {place}"


def export_published(
    exported: Exported,
    folder: str | Path,
    movie_px: tuple[int, int] | None = None,
    calcium_tau: CalciumTaus = "kept",
) -> list[str]:
    """Write a published folder; :func:`stcnn.published.open_published` opens it as an equal network.

    Args:
        exported: what to write.
        folder: folder to make.
        movie_px: rows and columns of the movies it is for; None is 83 degrees each way, as published.
        calcium_tau: ``trained`` writes the indicator's constant that filters also where the published program looks
            when it predicts, which it never trained; ``kept`` leaves that as it is.

    Returns:
        Sentences on what is otherwise than in our network, though the answers are alike.

    Raises:
        ConfigError: the published program has no such network; the message names the key.
        FileError: the folder exists already, or cannot be written.
    """
    folder = Path(folder).expanduser()
    if folder.exists():
        raise FileError(f"{folder} exists already", remedy="choose another name")
    side_px = round(83 / exported.model.deg_per_px)
    described_network = described(exported.model, exported.rate_hz, movie_px or (side_px, side_px))
    form = PublishedForm(exported, described_network, calcium_tau)
    state = form.state()
    content = {"model": state, "optim": form.optimizer(list(state))}
    facts = {"experiment_path": "", **exported.facts}
    rate_hz = exported.rate_hz
    config = {
        "experiment_path": facts.pop("experiment_path"),
        **described_network,
        "data_count": facts.pop("data_count", dict.fromkeys(exported.model.cell_types, 0)),
        "sampling_rate": int(rate_hz) if float(rate_hz).is_integer() else rate_hz,
        **facts,
    }
    with atomic_folder(folder) as draft:
        draft.mkdir()
        (draft / "config.json").write_text(json.dumps(config), encoding="utf-8")
        torch.save(content, draft / f"model_chkpnt_{exported.epoch}.pt")
    return form.notes
