"""The command: opens the model, the source and the answers, and stands between them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stcnn.commands.stream.answers import Answers
    from stcnn.commands.stream.sources import Source
    from stcnn.live.session import Session
    from stcnn.nn.model import STCNN

app = typer.Typer(help="Run a model live.")


class SourceKind(StrEnum):
    """Where frames come from."""

    camera = "camera"
    video = "video"
    stdin = "stdin"
    zmq = "zmq"


class Framing(StrEnum):
    """How frames on standard input are told apart."""

    raw = "raw"
    length = "length"


class Pixel(StrEnum):
    """Type of a pixel on standard input."""

    uint8 = "uint8"
    float32 = "float32"


@app.command()
def stream(  # noqa: PLR0913  (an option is an argument)
    run: Annotated[Path, typer.Argument(help="A run folder, or a folder with published checkpoints.")],
    source: Annotated[SourceKind, typer.Option(help="Where frames come from.")] = SourceKind.stdin,
    origin: Annotated[
        str, typer.Option("--from", help="Video file, camera device, or address to listen at for zmq.")
    ] = "",
    publish: Annotated[str | None, typer.Option(help="Address at which to publish answers over ZeroMQ.")] = None,
    every: Annotated[int, typer.Option(help="Print every so many answers; 0 prints none.", min=0)] = 1,
    rate_hz: Annotated[float | None, typer.Option(help="Frames per second; default: the source's own, or 180.")] = None,
    width_deg: Annotated[float | None, typer.Option(help="Degrees the picture is wide; default: as trained.")] = None,
    background: Annotated[float, typer.Option(help="Luminance of grey, 0 to 1.")] = 0.498,
    start: Annotated[
        str, typer.Option(help="What was shown before: grey (2 s), steady (grey forever), rest.")
    ] = "grey",
    shape_px: Annotated[tuple[int, int], typer.Option(help="Rows and columns (stdin, zmq).")] = (83, 83),
    clips: Annotated[int, typer.Option(help="Pictures per frame that advance in lockstep (stdin, zmq).", min=1)] = 1,
    dtype: Annotated[Pixel, typer.Option(help="Type of the pixels (stdin).")] = Pixel.uint8,
    framing: Annotated[
        Framing, typer.Option(help="Pixels alone, or each frame behind its length (stdin).")
    ] = Framing.raw,
    timeout_s: Annotated[float | None, typer.Option(help="End when no frame came for so long (zmq).")] = None,
    n_frames: Annotated[int | None, typer.Option(help="End after so many frames.", min=1)] = None,
    epoch: Annotated[
        int | None, typer.Option(help="Epoch of the model; default: the finished one (published: 10).")
    ] = None,
    threads: Annotated[int, typer.Option(help="Threads of the processor to use.", min=1)] = 1,
    at: Annotated[
        tuple[float, float] | None, typer.Option(help="Azimuth and elevation of the neurons in degrees; default: 0 0.")
    ] = None,
) -> None:
    """Show frames to a model as they come; answer each with the voltage and calcium of every cell type.

    Every answer is a line of JSON; a message that is no frame is counted, answered with a sentence and skipped. The
    last line and the sentence behind it say how long answers took and how many frames were lost on the way here; a
    lost frame is shown as the frame before it, so that the model keeps the time.

    stcnn stream experiments/RUN --source video --from looming.mp4 --width-deg 83 --every 10

    stcnn stream experiments/RUN --source zmq --from tcp://127.0.0.1:5555 --publish tcp://127.0.0.1:5556
    """
    import torch

    from stcnn.commands.stream import sources
    from stcnn.commands.stream.answers import Answers
    from stcnn.live.service import warm_up
    from stcnn.live.session import Session
    from stcnn.nn.model import PUBLISHED_RATE_HZ

    torch.set_num_threads(threads)
    model = open_model(run, epoch)
    shape = shape_px if clips == 1 else (clips, *shape_px)
    rate = rate_hz or PUBLISHED_RATE_HZ
    openers: dict[SourceKind, Callable[[], Source]] = {
        SourceKind.camera: lambda: sources.Camera(origin or "/dev/video0", rate_hz),
        SourceKind.video: lambda: sources.Video(origin, rate_hz),
        SourceKind.stdin: lambda: sources.Stdin(sys.stdin.buffer, shape, dtype, framing.value, rate),
        SourceKind.zmq: lambda: sources.Zmq(origin or "tcp://127.0.0.1:5555", shape, rate, timeout_s),
    }
    frames = openers[source]()
    for note in frames.notes:
        typer.echo(note, err=True)
    live = model.stream(
        at=at,
        rate_hz=frames.rate_hz,
        clips=clips,
        start=start,
        background=background,
        deg_per_px=resolution(frames.shape_px[1], width_deg, model.deg_per_px),
    )
    answers = Answers(every, publish)
    session = Session(live, (*shape[:-2], *frames.shape_px), frames.rate_hz)
    warm_up(live, session.shape)
    try:
        answer_frames(session, frames, answers, n_frames)
    except KeyboardInterrupt:
        pass  # the way to end a camera
    finally:
        answers.give({"summary": session.summary()}, always=True)
        answers.close()
        typer.echo(session.latencies.sentence(), err=True)


def resolution(width_px: int, width_deg: float | None, deg_per_px: float) -> float:
    """Return the degrees per pixel of a picture ``width_deg`` wide; of the model's own resolution if that is None.

    Raises:
        ConfigError: the picture would go round the fly.
    """
    from stcnn.errors import ConfigError

    width = width_px * deg_per_px if width_deg is None else width_deg
    if not 0 < width <= 360:
        raise ConfigError(
            f"the picture of {width_px} pixels is {width:g} degrees wide",
            expected="more than 0 and at most 360",
            remedy="say how wide it appears to the animal with --width-deg",
        )
    return width / width_px


def open_model(folder: Path, epoch: int | None) -> STCNN:
    """Open a run folder of ours, or one with published checkpoints.

    Raises:
        FileError: it is neither, or lacks that epoch.
    """
    from stcnn.published import open_published, published_epochs
    from stcnn.run_folder import open_run

    if published_epochs(folder):
        return open_published(folder, 10 if epoch is None else epoch)
    return open_run(folder).model(epoch)


def answer_frames(session: Session, source: Source, answers: Answers, n_frames: int | None = None) -> None:
    """Answer everything that comes from a source, until it ends or ``n_frames`` frames were answered."""
    from stcnn.live.messages import Disconnected

    is_first = True
    for arrival in source.arrivals():
        if is_first:
            answers.wait_for_listener()
            is_first = False
            if not isinstance(arrival, Disconnected):
                arrival = arrival._replace(received_s=time.perf_counter())
        answer = session.answer(arrival)
        if session.is_over:
            return
        answers.give(answer, always="calcium" not in answer)
        if session.latencies.n_frames == n_frames:
            return
