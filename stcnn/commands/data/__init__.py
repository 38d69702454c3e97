"""``stcnn data``: bring recordings in, look at them, check them, split them, and hand them on; one command a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from stcnn.commands.data.check import check
from stcnn.commands.data.describe import describe
from stcnn.commands.data.export import export
from stcnn.commands.data.import_recordings import import_recordings
from stcnn.commands.data.onsets import onsets
from stcnn.commands.data.split import split

if TYPE_CHECKING:
    from stcnn.movie import Movie

app = typer.Typer(help="Recordings: onsets, import, describe, check, split, export.", no_args_is_help=True)
app.command("import")(import_recordings)
for command in (onsets, describe, check, split, export):
    app.command()(command)


def make_movie(spec: Mapping[str, Any]) -> Movie:
    """Make a movie as an import names it; see :func:`stcnn.stimuli.specification.specified_movie`."""
    from stcnn.stimuli.specification import specified_movie

    return specified_movie(spec)
