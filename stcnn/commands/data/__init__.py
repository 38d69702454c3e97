"""``stcnn data``: bring recordings in, look at them, check them, split them, and hand them on; one command a file."""

import typer

from stcnn.commands.data.check import check
from stcnn.commands.data.describe import describe
from stcnn.commands.data.export import export
from stcnn.commands.data.import_recordings import import_recordings
from stcnn.commands.data.split import split

app = typer.Typer(help="Recordings: import, describe, check, split, export.", no_args_is_help=True)
app.command("import")(import_recordings)
for command in (describe, check, split, export):
    app.command()(command)
