"""``stcnn stimuli``: list protocols and shapes, show what they hold, render them to files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from stcnn.stimuli import Protocol, Screen

app = typer.Typer(help="Stimuli: list, show and render them.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of a protocol, or path of a protocol in YAML.")]


@app.command("list")
def list_all() -> None:
    """List the protocols and the kinds of stimulus they are made of."""
    from rich.console import Console
    from rich.table import Table

    from stcnn.docstrings import plain
    from stcnn.stimuli import kinds, load_protocol, protocol_names

    protocols = Table("protocol", "stimuli", "what", title="Protocols", title_justify="left", box=None)
    for name in protocol_names():
        protocol = load_protocol(name)
        protocols.add_row(name, str(len(protocol.parameters)), protocol.description)
    shapes = Table("kind", "what", title="Kinds of stimulus", title_justify="left", box=None)
    for name, draw in kinds().items():
        shapes.add_row(name, plain(draw.__doc__).splitlines()[0])
    console = Console()
    console.print(protocols, "", shapes)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name or path of a protocol, or a kind of stimulus.")],
    csv: Annotated[Path | None, typer.Option(help="Write the whole table to this file.")] = None,
) -> None:
    """Show the stimuli of a protocol as a table, or the arguments of a kind of stimulus."""
    from rich.console import Console

    from stcnn.stimuli import kinds, load_protocol
    from stcnn.writing import atomic_write

    console = Console()
    if name in kinds():
        _print_kind(console, name)
        return
    protocol = load_protocol(name)
    if csv is not None:
        with atomic_write(csv) as draft:
            protocol.table().to_csv(draft)
        console.print(f"{len(protocol.parameters)} stimuli in {csv}", highlight=False)
        return
    _print(console, protocol)


@app.command()
def render(  # noqa: PLR0913  (an option is an argument)
    name: Name,
    stimuli: Annotated[list[str] | None, typer.Argument(help="Names of stimuli; by default all.")] = None,
    to: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("stimuli"),
    file_format: Annotated[str, typer.Option("--format", help="mp4, gif, npz, npy, tif, pat or mat.")] = "mp4",
    shape_px: Annotated[tuple[int, int], typer.Option(help="Rows and columns.")] = (83, 83),
    deg_per_px: Annotated[float, typer.Option(help="Degrees per pixel.")] = 1.0,
    rate_hz: Annotated[float, typer.Option(help="Frames per second.")] = 180.0,
    background: Annotated[float, typer.Option(help="Luminance of the grey, 0 to 1.")] = 0.498,
    arena: Annotated[
        Path | None, typer.Option(help="YAML file of an LED arena or rig: write patterns for it, with the movie ahead.")
    ] = None,
) -> None:
    """Render the stimuli of a protocol, one file each, beside a table of their parameters."""
    from rich.progress import track

    from stcnn.stimuli import load_protocol, write_movie
    from stcnn.writing import atomic_write

    protocol = load_protocol(name)
    screen = _screen(shape_px=shape_px, deg_per_px=deg_per_px, rate_hz=rate_hz, background=background)
    names = stimuli or list(protocol.parameters)
    if arena is not None:
        render_patterns(protocol, names, to, arena, screen)
    else:
        for stimulus in track(names, description=protocol.name):
            write_movie(protocol.movie(stimulus, screen), to / f"{stimulus}.{file_format.lstrip('.')}")
    csv = to / f"{protocol.name}.csv"
    with atomic_write(csv) as draft:
        protocol.table().loc[names].to_csv(draft)
    what = "movies" if arena is None else f"patterns and their positions, of {rate_hz:g} frames per second,"
    typer.echo(f"{len(names)} {what} in {to}, their parameters in {csv}")


def render_patterns(protocol: Protocol, names: list[str], to: Path, arena: Path, screen: Screen) -> None:
    """Write a pattern and its positions for an arena for each stimulus, drawn at its azimuth and elevation.

    Args:
        protocol: the stimuli.
        names: which of them.
        to: folder of the patterns.
        arena: YAML file of the rig.
        screen: on which they are drawn before.
    """
    from rich.progress import track

    from stcnn.stimuli.displays import read_arena
    from stcnn.stimuli.displays.playing import moved, pattern_for
    from stcnn.stimuli.displays.showing import movie_on
    from stcnn.stimuli.patterns.files import write_for_rig

    rig = read_arena(arena)
    display = rig.geometry()
    for stimulus in track(names, description=protocol.name):
        frames = pattern_for(rig, movie_on(display, protocol.movie(stimulus, screen)))
        write_for_rig(*moved(frames, screen.rate_hz), to, stimulus)


def _screen(**options: object) -> Screen:
    from stcnn.errors import ConfigError
    from stcnn.stimuli import Screen
    from stcnn.validation import Fault, validated

    def explained(fault: Fault) -> ConfigError:
        name = fault.key.partition(".")[0].replace("_", "-")
        return ConfigError(f"--{name} is {fault.value}", remedy=fault.message)

    return validated(Screen, options, explained)


def _print_kind(console: Console, name: str) -> None:
    """Print what a kind of stimulus is, its arguments as a table, and one way to ask for it."""
    from rich.table import Table

    from stcnn.docstrings import plain
    from stcnn.stimuli import kinds
    from stcnn.stimuli.arguments import arguments_of

    what = re.split(r"\n\n?(?:Args|Raises|Returns):", plain(kinds()[name].__doc__))[0]
    console.print(re.sub(r"(?<!\n)\n(?!\n)", " ", what), highlight=False, markup=False)
    table = Table("argument", "type", "default", "meaning", box=None)
    for argument in arguments_of(name):
        table.add_row(argument.name, argument.kind, argument.default or "[b]needed[/b]", argument.meaning)
    console.print("", table)
    console.print(f"\nDirections: 0 rightward, 90 upward. For instance: stcnn predict RUN {name}:NAME=VALUE,...")


def _print(console: Console, protocol: Protocol) -> None:
    """Print what all stimuli share as a line, and the rest as a table."""
    from rich.table import Table

    table = protocol.table().map(lambda value: "" if _absent(value) else _short(value))
    shared = [column for column in table if len(table) > 1 and table[column].nunique() == 1]
    console.print(protocol.description, highlight=False)
    if protocol.source:
        console.print(f"Source: {protocol.source}", highlight=False)
    same = ", ".join(f"{column}={table[column].iloc[0]}" for column in shared if table[column].iloc[0])
    if same:
        console.print(f"All: {same}", highlight=False)
    differing = [column for column in table if column not in shared]
    rows = Table("stimulus", *map(str, differing), box=None)
    for stimulus, row in table[differing].iterrows():
        rows.add_row(str(stimulus), *row)
    console.print("", rows)


def _absent(value: object) -> bool:
    return value is None or value != value


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
