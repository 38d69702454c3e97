"""``stcnn data onsets``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def onsets(  # noqa: PLR0913  (an option is an argument)
    log: Annotated[Path, typer.Argument(help="Log of the acquisition board (CSV or Parquet): a row per sample.")],
    order: Annotated[Path, typer.Argument(help="CSV with a row per presentation, in order: stimulus[,trial].")],
    to: Annotated[Path, typer.Argument(help="CSV to write, for the key 'onsets' of an import.")],
    time: Annotated[str, typer.Option(help="Column of the time in seconds.")] = "time_s",
    photodiode: Annotated[str, typer.Option(help="Column of the photodiode over a patch lit with stimuli.")] = (
        "photodiode_v"
    ),
    frames: Annotated[str, typer.Option(help="Column of the pulses of imaging frames.")] = "frame_v",
    planes: Annotated[int, typer.Option(min=1, max=1000, help="Imaging frames in a volume.")] = 1,
    dark_s: Annotated[float, typer.Option(min=0, help="Least darkness before an onset; shorter is flicker.")] = 0.2,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file of that name.")] = False,
) -> None:
    """Find stimulus onsets in the log of a photodiode, on the clock of the imaging frames.

    For instance: stcnn data onsets fly1/daq.csv fly1/order.csv fly1/onsets.csv
    """
    from stcnn.data.importers.photodiode import LogConfig, read_log
    from stcnn.errors import FileError
    from stcnn.writing import atomic_write

    if to.exists() and not overwrite:
        raise FileError(f"{to} exists", remedy="give another name, or add --overwrite")
    found = read_log(log, order, LogConfig(time, photodiode, frames, planes, dark_s))
    with atomic_write(to) as draft:
        found.table.to_csv(draft, index=False)
    typer.echo(
        f"{len(found.table)} onsets of {found.table.stimulus.nunique()} stimuli, {found.table.onset_s.iloc[0]:.3f} to "
        f"{found.table.onset_s.iloc[-1]:.3f} s after the first of {found.n_frames} imaging frames: {to}"
    )
    typer.echo(
        f"Imaging at {found.imaging_rate_hz:.5g} Hz by its pulses; where the files of the imaging say another rate, "
        "set rate_hz in the YAML."
    )
