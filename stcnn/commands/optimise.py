"""``stcnn optimise``: the stimuli that a cell type answers most strongly, that tell two apart, that models dispute."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stcnn.completion import run_folders

if TYPE_CHECKING:
    from stcnn.experiments.asked_models import AskedModels
    from stcnn.experiments.optimal import Found, Goal

N_SCALE = 64
"""Stimuli of the family whose strongest answer is the scale of a cell type, for free movies."""

app = typer.Typer(help="Find the strongest, most discriminating or most disputed stimuli.")


@app.command()
def optimise(  # noqa: PLR0913  (an option is an argument)
    runs: Annotated[
        list[Path], typer.Argument(autocompletion=run_folders, help="Run folders, ensembles, or published checkpoints.")
    ],
    criterion: Annotated[str, typer.Option(help="strongest, discriminating, agreed or disputed.")] = "strongest",
    cell_type: Annotated[list[str] | None, typer.Option(help="For which cell types; by default all.")] = None,
    against: Annotated[str | None, typer.Option(help="From which cell type they are to be told.")] = None,
    family: Annotated[
        str, typer.Option(help="Family of stimuli by name, or the path of one in YAML.")
    ] = "moving_rectangle",
    seed: Annotated[int, typer.Option(min=0, help="Of the search.")] = 0,
    start: Annotated[int, typer.Option(min=8, max=65536, help="Stimuli that are asked first, spread evenly.")] = 1024,
    generations: Annotated[int, typer.Option(min=1, help="In which the best of them evolve.")] = 16,
    longest_s: Annotated[float, typer.Option(min=0.1, max=60, help="Stimuli that last longer are passed over.")] = 4.0,
    at: Annotated[
        tuple[float, float] | None, typer.Option(help="Azimuth and elevation of the neurons in degrees; default: 0 0.")
    ] = None,
    free: Annotated[bool, typer.Option("--free", help="Find free movies by gradient ascent, not in a family.")] = False,
    duration_s: Annotated[float, typer.Option(min=0.01, max=10, help="Of a free movie.")] = 1.0,
    rms_contrast: Annotated[float, typer.Option(min=0.001, max=2, help="Most of a free movie.")] = 0.3,
    smooth_deg: Annotated[float, typer.Option(min=0, max=90, help="Smoothness of a free movie in space.")] = 2.0,
    smooth_s: Annotated[float, typer.Option(min=0, max=5, help="Smoothness of a free movie in time.")] = 0.03,
    steps: Annotated[int, typer.Option(min=1, help="Of the ascent.")] = 40,
    arena: Annotated[
        Path | None, typer.Option(help="YAML file of an LED arena or rig: write patterns for it too.")
    ] = None,
    to: Annotated[Path, typer.Option(help="Folder for the stimuli.")] = Path("optimal_stimuli"),
) -> None:
    """Search a family of stimuli for the best ones, and write them with their predicted answers.

    stcnn optimise experiments/RUN --cell-type lc11 --family moving_rectangle

    stcnn optimise experiments/RUN --criterion discriminating --cell-type lc11 --against lplc2

    stcnn optimise experiments/ENSEMBLE --criterion disputed

    stcnn optimise experiments/RUN --cell-type lplc2 --free --rms-contrast 0.2

    The folder holds protocol.yaml, which stcnn stimuli and stcnn predict read, a movie of each stimulus, stimuli.png,
    traces.csv and record.json.
    """
    from stcnn.experiments.asked_models import asked_models
    from stcnn.experiments.optimal import Effort, FreeMovies, Limits, Search, load_family

    asked = asked_models(runs)
    goals = _goals(asked, criterion, cell_type, against)
    effort = Effort(start=start, generations=generations, longest_s=longest_s)
    search = Search(asked, load_family(family), effort, at)
    about: dict[str, object] = {"seed": seed, "at": at}
    if free:
        limits = Limits(duration_s=duration_s, rms_contrast=rms_contrast, smooth_deg=smooth_deg, smooth_s=smooth_s)
        ascent = FreeMovies(asked, limits, at=at)
        scale = search.scale(N_SCALE, seed)
        found = [ascent.found(one, scale, seed, steps, typer.echo)[0] for one in goals]
        about |= {"limits": limits.model_dump(), "steps": steps, "scale_of": family}
    else:
        found = search.found(goals, seed, typer.echo)
        about |= {"family": search.family.model_dump(mode="json"), "effort": effort.model_dump()}
    _write(found, asked, to, about, arena)


def _goals(asked: AskedModels, criterion: str, cell_types: list[str] | None, against: str | None) -> list[Goal]:
    from stcnn.experiments.optimal import goal

    names = cell_types or [name for name in asked.cell_types if against is None or name != asked.cell_type(against)]
    return [goal(asked, criterion, name, against) for name in names]


def _write(found: list[Found], asked: AskedModels, to: Path, about: dict[str, object], arena: Path | None) -> None:
    from stcnn.commands.stimuli import render_patterns
    from stcnn.experiments.optimal.records import write_found
    from stcnn.stimuli import load_protocol
    from stcnn.viz.found_stimuli import found_stimuli
    from stcnn.writing import atomic_write

    write_found(found, asked, to, about)
    with atomic_write(to / "stimuli.png") as draft:
        found_stimuli(found, asked.cell_types).savefig(draft)
    if arena is not None:
        render_patterns(load_protocol(to / "protocol.yaml"), [one.goal.name for one in found], to, arena, asked.screen)
    typer.echo(f"{len(found)} stimuli in {to}, a picture of them in {to / 'stimuli.png'}")
