"""The page of an import: what was understood, to be looked at before it is believed; one HTML file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from stcnn.data.dataset import Dataset
from stcnn.data.summary import summarise
from stcnn.report.contact_sheet import contact_sheet
from stcnn.report.filled import filled, placed, write_page
from stcnn.report.mean_responses import LOOKED_AT, captions, draw, mean_responses
from stcnn.report.svg import inline_svg

MOST_SESSIONS = 200


@dataclass
class Note:
    """A note of the import, and those that differ from it in nothing but names of files and numbers."""

    text: str
    alike: list[str] = field(default_factory=list)


def folded(notes: Iterable[str]) -> list[Note]:
    """Notes that say the same of several files under the first of them."""
    found: dict[str, Note] = {}
    for note in notes:
        kind = re.sub(r"\S*[/\\]\S*|\S*\d\S*", "*", note)
        if kind in found:
            found[kind].alike.append(note)
        else:
            found[kind] = Note(note)
    return list(found.values())


def write_import_page(
    data: Dataset,
    path: str | Path,
    *,
    source: str,
    store: str | None = None,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Path:
    """Write what was understood of recordings: sessions, choices, a contact sheet of the movies, mean responses.

    Args:
        data: what was opened.
        path: of the page, by custom ``NAME.import.html``.
        source: what was opened, in words, such as the name of the YAML.
        store: where the recordings are stored; None says that they are not.
        progress: told what is done, how far, and of how much.

    Raises:
        FileError: the page cannot be written.
        StcnnError: a movie or a trace cannot be read.
    """
    summary = summarise(data)
    responses = mean_responses(data, progress)
    texts = captions(responses)
    drawings = {key: inline_svg(draw(shown), key, texts[key]) for key, shown in zip(texts, responses, strict=True)}
    few = all(shown.n_looked_at == shown.n_neurons for shown in responses)
    page = filled(
        "import.html",
        source=source,
        store=store,
        summary=summary,
        sessions=summary.session_rows()[:MOST_SESSIONS],
        types=summary.type_rows(),
        notes=folded(summary.notes),
        movies=contact_sheet(data.movies, dict.fromkeys(data.table.stimulus), progress),
        pictures=placed(drawings),
        captions=texts,
        response_keys=list(texts),
        responses_note="" if few else f"Of many neurons of a type {LOOKED_AT} were looked at, evenly spread.",
    )
    return write_page(page, Path(path))
