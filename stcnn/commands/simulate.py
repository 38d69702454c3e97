"""``stcnn simulate``: recordings with a known truth, written as a store beside that truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="Simulate recordings with a known truth.")


@app.command()
def simulate(
    to: Annotated[Path, typer.Argument(help="Folder to make.")],
    config: Annotated[Path | None, typer.Option(help="YAML with keys of SimulatedDataConfig.")] = None,
    cell_type: Annotated[list[str] | None, typer.Option(help="Cell type; repeat for several.")] = None,
    protocol: Annotated[list[str] | None, typer.Option(help="Protocol of stimuli; repeat for several.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
) -> None:
    """Simulate recordings of the cell types of Klapoetke et al. 2022 and write them with their truth.

    The folder holds recordings.zarr (a store of single trials), truth.npz (per stimulus: voltage and noise-free dF/F,
    neurons by frames), neurons.csv and simulation.yaml, which makes the same again. For instance:

    stcnn simulate recordings --cell-type lc11 --cell-type lc18 --protocol klapoetke2022_size --seed 1
    """
    from stcnn.product import simulate as run

    given = {"cell_types": cell_type, "stimuli": protocol, "seed": seed}
    simulation = run(to, **_read(config) | {key: value for key, value in given.items() if value is not None})
    typer.echo(f"{len(simulation.neurons)} neurons and {len(simulation.movies)} stimuli in {to}")


def _read(config: Path | None) -> dict[str, Any]:
    from stcnn.reading import read_yaml

    what = "a YAML file with keys of a simulation, such as 'cell_types'"
    return {} if config is None else read_yaml(config, what, typed_under=["stimuli"])
