"""``stcnn export``: a trained model in the form of another program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from stcnn.completion import run_folders

app = typer.Typer(help="Write a trained model in the form of another program.")


@app.command()
def export(  # noqa: PLR0913  (an option is an argument)
    run: Annotated[
        Path, typer.Argument(autocompletion=run_folders, help="Run folder, or a folder with published checkpoints.")
    ],
    form: Annotated[Literal["published", "onnx", "torch", "hub"], typer.Option("--as", help="The form.")] = "published",
    to: Annotated[Path | None, typer.Option(help="Folder to make; by default RUN/FORM.")] = None,
    epoch: Annotated[int | None, typer.Option(help="Checkpoint; by default the finished model.")] = None,
    rate_hz: Annotated[float | None, typer.Option(help="Frames per second; by default those of the training.")] = None,
    movie_px: Annotated[
        tuple[int, int] | None, typer.Option(help="Rows and columns of the movies; by default 83 degrees.")
    ] = None,
    at: Annotated[
        tuple[float, float] | None,
        typer.Option(help="Azimuth and elevation of the neurons' place in degrees; by default the readouts' own."),
    ] = None,
    single_neurons: Annotated[
        bool, typer.Option("--single-neurons", help="Calcium of every recorded neuron, not of each type's average.")
    ] = False,
    calcium_tau: Annotated[
        Literal["kept", "trained"],
        typer.Option(help="trained: the published program predicts with the trained time constant of the indicator."),
    ] = "kept",
    licence: Annotated[str, typer.Option(help="Licence of the recordings, which the card of the hub form names.")] = "",
) -> None:
    """Write a trained model in the form of another program.

    published: config.json and model_chkpnt_K.pt, which the published program (Klapoetke et al. 2022) loads. It answers
    alike at one frame rate, which its filters are made for. A network that has no such form is refused. Of an ensemble
    each member gets a folder of its own, TO/1, TO/2, ...

    onnx: step.onnx, a function of a frame and a state, and clip.onnx, of clips of any length; of an ensemble the mean.
    Metadata say what goes in and out, and how far the answers are from ours.

    torch: the same as step.pt2 and clip.pt2, for PyTorch without this package.

    hub: a folder to hand on, with weights, step.onnx and a model card made from the run; stcnn.from_pretrained opens
    it.

    stcnn export experiments/RUN --as onnx --to my_model
    """
    from stcnn.export.request import Request
    from stcnn.forms import export as write

    for line in write(form, Request(run, to, epoch, rate_hz, movie_px, at, single_neurons, calcium_tau, licence)):
        typer.echo(line)
