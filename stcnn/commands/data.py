"""``stcnn data``: bring recordings in, look at them, check them, split them, and hand them on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from stcnn.data import Dataset, SplitConfig
    from stcnn.data.checks import Audit
    from stcnn.movie import Movie

app = typer.Typer(help="Recordings: import, describe, check, split, export.", no_args_is_help=True)

Store = Annotated[Path, typer.Argument(help="A store (NAME.zarr), or the YAML of an import.")]


@app.command("import")
def import_recordings(
    config: Annotated[Path, typer.Argument(help="YAML that says what lies where, with a key 'kind'.")],
    to: Annotated[Path, typer.Argument(help="The store to make, NAME.zarr.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Open and describe, write nothing.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a store of that name.")] = False,
    check: Annotated[bool, typer.Option(help="Check the recordings after the import.")] = True,
) -> None:
    """Import recordings into a store and check them.

    Kinds: published, nwb, suite2p, caiman, tables, store. Paths in the YAML are relative to it; one with * stands for
    all files that fit. For instance, with recordings.yaml holding

    kind: published
    ca_path: ca
    mov_path: mov
    rate_hz: 60

    run: stcnn data import recordings.yaml recordings.zarr
    """
    from stcnn.data import open_store, write_store
    from stcnn.data.importers import open_import, read_import_config
    from stcnn.data.store_writer import require_free

    chosen = read_import_config(config)
    require_free(to, overwrite=overwrite or dry_run)
    data = open_import(chosen, make_movie)
    _print_description(data)
    if dry_run:
        typer.echo("Nothing was written.")
        return
    with _progress() as progress:
        provenance = {"import": chosen.model_dump(mode="json"), "from": str(config.absolute())}
        write_store(data, to, provenance=provenance, overwrite=overwrite, progress=progress)
    typer.echo(f"{len(data)} recordings in {to}")
    if check:
        _report(_audit(open_store(to)), None, flags=10)


@app.command()
def describe(store: Store) -> None:
    """Say what a store or an import holds.

    For instance: stcnn data describe recordings.zarr
    """
    _print_description(_opened(store))


@app.command()
def check(
    store: Store,
    page: Annotated[Path | None, typer.Option(help="Write the result as a page (HTML) with pictures.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the table of neurons to this file.")] = None,
    flags: Annotated[int, typer.Option(help="How many flags to print.")] = 30,
) -> None:
    """Check recordings: do they fit their movies, their repeats and each other? Exits with 1 if a flag is red.

    For instance: stcnn data check recordings.zarr --page check.html
    """
    from stcnn.data.checks import RED

    data = _opened(store)
    data.require_unchanged()
    found = _audit(data)
    _report(found, csv, flags)
    if page is not None:
        from stcnn.data.audit_page import write_page

        typer.echo(f"Page: {write_page(found, data, page)}")
    if found.colour == RED:
        raise typer.Exit(1)


@app.command()
def split(
    store: Store,
    keys: Annotated[list[str] | None, typer.Argument(help="Keys of the split, KEY=VALUE.")] = None,
    to: Annotated[Path | None, typer.Option(help="Write the split to this JSON file.")] = None,
) -> None:
    """Split recordings so that nothing a neuron saw stands on two sides, and show what falls where.

    Keys are those of the group split of a training: kind, validation, test, seed, shifted_movies. For instance:

    stcnn data split recordings.zarr kind=stimulus test=0.2 --to split.json
    """
    import json

    from rich.console import Console
    from rich.table import Table

    from stcnn.data import split_recordings
    from stcnn.data.splits import SIDES
    from stcnn.writing import whole_file

    config = _split_config(keys or [])
    data = _opened(store)
    sides = split_recordings(data, config)
    table = Table("cell type", *SIDES, box=None)
    for cell_type in data.cell_types:
        counts = [(data.table.cell_type.iloc[list(getattr(sides, side))] == cell_type).sum() for side in SIDES]
        table.add_row(cell_type, *map(str, counts))
    Console().print(table)
    if to is not None:
        content = json.dumps({"config": config.model_dump(mode="json")} | sides.to_json(data), indent=1)
        with whole_file(to) as draft:
            draft.write_text(content)
        typer.echo(f"Split: {to}")


@app.command()
def export(
    store: Store,
    to: Annotated[Path, typer.Argument(help="Folder to make.")],
    layout: Annotated[Literal["nwb", "published"], typer.Option("--as", help="What to write.")] = "nwb",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Describe, write nothing.")] = False,
) -> None:
    """Export recordings as NWB, one file per animal and session, or in the published folder layout.

    For instance: stcnn data export recordings.zarr shared --as nwb
    """
    from stcnn.data.exporters import export_nwb, export_published

    data = _opened(store)
    data.require_unchanged()
    _print_description(data)
    if dry_run:
        typer.echo("Nothing was written.")
        return
    with _progress() as progress:
        if layout == "nwb":
            done = f"{len(export_nwb(data, to, progress=progress))} files in {to}"
        else:
            done = f"Recordings in {export_published(data, to, progress=progress)}"
    typer.echo(done)


def _split_config(keys: list[str]) -> SplitConfig:
    from pydantic import ValidationError

    from stcnn.data import SplitConfig
    from stcnn.errors import ConfigError, nearest
    from stcnn.reading import parse_value

    pairs = [key.partition("=") for key in keys]
    try:
        given = {name: parse_value(value, f"'{name}={value}'", "a value of the split") for name, _, value in pairs}
        return SplitConfig.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            raise ConfigError(f"a split has no key '{name}'", remedy=nearest(name, SplitConfig.model_fields)) from None
        raise ConfigError(f"split.{name}: {first['msg']}") from None


def make_movie(spec: Mapping[str, Any]) -> Movie:
    """Make a movie as an import names it: a file and what it does not say, or a generator and its arguments.

    Args:
        spec: ``file`` with ``rate_hz``, ``deg_per_px``, ``background`` and how to read it, as
            :func:`stcnn.stimuli.read_movie` has them; or ``kind`` with its arguments, and of the screen ``shape_px``,
            ``deg_per_px``, ``rate_hz``, ``background``.

    Raises:
        StcnnError: the file cannot be read, or the generator is unknown or refuses its arguments.
    """
    from stcnn.stimuli.specification import specified_movie

    return specified_movie(spec)


def _opened(path: Path) -> Dataset:
    """A store, or what the YAML of an import describes."""
    from stcnn.data import open_store
    from stcnn.data.importers import open_import, read_import_config

    if path.suffix in (".yaml", ".yml"):
        return open_import(read_import_config(path), make_movie)
    return open_store(path)


def _print_description(data: Dataset) -> None:
    from rich.console import Console
    from rich.table import Table

    table, console = data.table, Console()
    shown = Table("cell type", "neurons", "animals", "stimuli", "recordings", "trials", box=None)
    for cell_type in data.cell_types:
        rows = table[table.cell_type == cell_type]
        repeats = rows.groupby(["neuron", "stimulus"]).size()
        trials = f"{repeats.min()}" if repeats.min() == repeats.max() else f"{repeats.min()} to {repeats.max()}"
        counts = (len(data.neurons[cell_type]), rows.animal.nunique(), rows.stimulus.nunique(), len(rows))
        shown.add_row(cell_type, *map(str, counts), trials)
    console.print(shown)
    n_rows, n_columns = data.shape_px
    rates = ", ".join(f"{rate:g}" for rate in sorted(table.movie_rate_hz.unique()))
    imaging = " to ".join(dict.fromkeys(f"{rate:.4g}" for rate in (table.rate_hz.min(), table.rate_hz.max()))) + " Hz"
    typer.echo(
        f"Movies: {table.stimulus.nunique()} of {n_rows} x {n_columns} px at {data.deg_per_px:g} deg, {rates} Hz.\n"
        f"Traces: {imaging}, {table.n_samples.min()} to {table.n_samples.max()} samples, "
        f"{table.start_s.min():.2f} to {table.end_s.max():.2f} s after stimulus onset."
    )


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar for each thing that is done."""
    from rich.progress import Progress

    with Progress(transient=True) as bars:
        tasks: dict[str, Any] = {}

        def update(what: str, done: int, total: int) -> None:
            tasks.setdefault(what, bars.add_task(what, total=total) if what not in tasks else None)
            bars.update(tasks[what], completed=done)

        yield update


def _audit(data: Dataset) -> Audit:
    from stcnn.data.checks import audit

    with _progress() as progress:
        return audit(data, progress)


def _report(found: Audit, csv: Path | None, flags: int) -> None:
    """Print neurons by colour and the first flags, red ones first."""
    from rich.console import Console
    from rich.table import Table

    from stcnn.writing import whole_file

    console = Console()
    neurons = Table("cell type", "green", "amber", "red", "repeats correlate", "follow", "latency", box=None)
    for cell_type, rows in found.neurons.groupby("cell_type", sort=False):
        counts = [str((rows.colour == colour).sum()) for colour in ("green", "amber", "red")]
        latency = f"{rows.latency_s.median():.2f} s" if rows.latency_s.notna().any() else "unknown"
        neurons.add_row(str(cell_type), *counts, f"{rows.reliability.median():.2f}", rows.follows.mode()[0], latency)
    console.print(neurons)
    table = Table("", "check", "what", "why", box=None)
    for flag in found.worst_first()[:flags]:
        table.add_row(
            f"[{'red' if flag.colour == 'red' else 'yellow'}]{flag.colour}[/]", flag.check, flag.what, flag.reason
        )
    if found.flags:
        console.print(table)
    more = len(found.flags) - flags
    typer.echo(f"{len(found.flags)} flags" + (f", {more} not shown" if more > 0 else ""))
    if csv is not None:
        with whole_file(csv) as draft:
            found.neurons.to_csv(draft, index=False)
