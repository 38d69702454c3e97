"""``stcnn replay``: sends stimuli to a served model at their rate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stcnn.completion import stimuli

if TYPE_CHECKING:
    import pandas as pd

    from stcnn.live.gate import Address

app = typer.Typer(help="Send stimuli to a served model.")


@app.command()
def replay(  # noqa: PLR0913  (an option is an argument)
    stimulus: Annotated[
        list[str],
        typer.Argument(autocompletion=stimuli, help="Protocol, PROTOCOL/STIMULUS, parameters, or a movie file."),
    ],
    to: Annotated[str, typer.Option(help="Where it is served: ws://HOST:PORT or zmq://HOST:PORT.")],
    table: Annotated[Path, typer.Option(help="Table to write: .csv, .parquet or .npz.")] = Path("replay.csv"),
    file_deg_per_px: Annotated[float | None, typer.Option(help="Degrees per pixel of movie files.")] = None,
    before_s: Annotated[float, typer.Option(help="Grey before each stimulus.", min=0)] = 0.5,
    after_s: Annotated[float, typer.Option(help="Grey after each stimulus.", min=0)] = 1.0,
    token_file: Annotated[Path | None, typer.Option(help="File with the token; default: STCNN_TOKEN.")] = None,
) -> None:
    """Send stimuli to a model that `stcnn serve` serves, frame by frame at the rate of the service.

    The table has the answers as `stcnn predict` writes them, and of each frame the latency end to end. Stimuli are
    named as there; each begins at the start of the model.

    stcnn replay klapoetke2022_size/5620 --to ws://127.0.0.1:8765 --table answers.csv
    """
    from stcnn.errors import FileError, nearest
    from stcnn.experiments import write_responses
    from stcnn.experiments.tables import TABLES
    from stcnn.live.gate import address_of, token_from
    from stcnn.live.serving import run

    address = address_of(to, ("ws", "zmq"))
    if table.suffix.lower() not in TABLES:
        raise FileError(f"'{table}' ends in '{table.suffix}'", remedy=nearest(table.suffix, TABLES))
    token = token_from(token_file)
    rows = run(_replayed(stimulus, address, token, file_deg_per_px, (before_s, after_s)))
    write_responses(rows, table)
    typer.echo(f"answers in {table}")


async def _replayed(
    stimuli: list[str], address: Address, token: str | None, file_deg_per_px: float | None, grey_s: tuple[float, float]
) -> pd.DataFrame:
    """Answers to all stimuli, one after the other over one connection."""
    import pandas as pd

    from stcnn.commands.predict import named_movies
    from stcnn.experiments import between_grey
    from stcnn.live.replaying import Replay, connected, facts_of, frames_of
    from stcnn.stimuli import Screen

    tables = []
    async with connected(address, token) as wire:
        facts = await facts_of(wire, address)
        screen = Screen(
            shape_px=tuple(facts["shape"]),
            deg_per_px=facts["deg_per_px"],
            rate_hz=facts["rate_hz"],
            background=facts["background"],
        )
        for text in stimuli:
            for name, movie in named_movies(text, screen, file_deg_per_px):
                shown = between_grey(movie, *grey_s)
                sent = Replay(wire, screen.rate_hz)
                await sent.run(frames_of(shown, screen.shape_px))
                typer.echo(f"{name}: {sent.sentence()}")
                for sentence in sent.refusals[:3]:
                    typer.echo(sentence, err=True)
                tables.append(sent.table(name, shown.onset_s))
    return pd.concat(tables, ignore_index=True)
