"""``stcnn serve``: a trained model that rigs, programs and pages ask over a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stcnn.completion import run_folders

if TYPE_CHECKING:
    from stcnn.live.gate import Address, Gate
    from stcnn.live.service import Service
    from stcnn.live.serving import Listener
    from stcnn.stimuli import Screen

app = typer.Typer(help="Serve a model to rigs.")
SCHEMES = ("ws", "zmq", "fictrac", "stimpack")


@app.command()
def serve(  # noqa: PLR0913  (an option is an argument)
    run: Annotated[
        Path, typer.Argument(autocompletion=run_folders, help="Run folder, or a folder with published checkpoints.")
    ],
    listen: Annotated[
        list[str] | None, typer.Option(help="ws://, zmq://, fictrac:// or stimpack://HOST:PORT; may be repeated.")
    ] = None,
    rate_hz: Annotated[float, typer.Option(help="Frames per second.", min=0.1)] = 180.0,
    shape_px: Annotated[tuple[int, int], typer.Option(help="Rows and columns of a frame.")] = (83, 83),
    width_deg: Annotated[float | None, typer.Option(help="Degrees a frame is wide; default: as trained.")] = None,
    background: Annotated[float, typer.Option(help="Luminance of grey, 0 to 1.")] = 0.498,
    start: Annotated[
        str, typer.Option(help="What was shown before: grey (2 s), steady (grey forever), rest.")
    ] = "grey",
    peers: Annotated[int, typer.Option(help="Peers at once, each with a state of its own.", min=1, max=10_000)] = 16,
    panorama: Annotated[
        str, typer.Option(help="Stimulus that surrounds the animal of FicTrac, with its arguments.")
    ] = "drifting_grating:period_deg=30,speed_deg_s=0",
    gain: Annotated[float, typer.Option(help="Degrees the world turns per degree of the animal (FicTrac).")] = 1.0,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token that peers must show; default: STCNN_TOKEN.")
    ] = None,
    duration_s: Annotated[float | None, typer.Option(help="End after so long; default: at Ctrl-C.", min=0)] = None,
    epoch: Annotated[
        int | None, typer.Option(help="Epoch of the model; default: the finished one (published: 10).")
    ] = None,
    threads: Annotated[int, typer.Option(help="Threads of the processor to use.", min=1)] = 1,
    at: Annotated[
        tuple[float, float] | None, typer.Option(help="Azimuth and elevation of the neurons in degrees; default: 0 0.")
    ] = None,
) -> None:
    """Answer frames over WebSocket and ZeroMQ, turn a world with FicTrac, and see the stimuli of stimpack.

    Each peer has a state of its own. What happens is told as lines of JSON; the first says where the model is served,
    when everything that must be loaded or compiled is ready, the last is the summary. Only this machine is listened to
    unless there is a token.

    stcnn serve experiments/RUN --listen ws://127.0.0.1:8765 --listen zmq://127.0.0.1:5555

    stcnn serve experiments/RUN --listen fictrac://127.0.0.1:1111 --panorama moving_bar:width_deg=10,speed_deg_s=0.001
    """
    import torch

    from stcnn.commands.stream.command import open_model, resolution
    from stcnn.live.gate import Gate, address_of, token_from
    from stcnn.live.service import Service
    from stcnn.live.serving import run as run_loop
    from stcnn.stimuli import Screen

    addresses = [address_of(text, SCHEMES) for text in listen or ["ws://127.0.0.1:8765"]]
    gate = Gate(token_from(token_file))
    torch.set_num_threads(threads)
    model = open_model(run, epoch)
    deg_per_px = resolution(shape_px[1], width_deg, model.deg_per_px)
    screen = Screen(shape_px=shape_px, deg_per_px=deg_per_px, rate_hz=rate_hz, background=background)
    options: dict[str, Any] = {"at": at, "rate_hz": rate_hz, "start": start, "background": background}
    service = Service(
        lambda: model.stream(deg_per_px=deg_per_px, **options), shape_px, rate_hz, most_peers=peers, tell=_tell
    )
    listeners = [_listener(address, service, gate, screen, (panorama, gain)) for address in addresses]
    _tell({"summary": run_loop(_until_stopped(service, listeners, duration_s))})


def _tell(event: dict[str, Any]) -> None:
    print(json.dumps(event), flush=True)


async def _until_stopped(service: Service, listeners: list[Listener], duration_s: float | None) -> dict[str, Any]:
    import asyncio

    from stcnn.live.serving import serve, stopped_by_signals

    stop = asyncio.Event()
    give_back = stopped_by_signals(stop)
    try:
        return await serve(service, listeners, stop, duration_s)
    finally:
        give_back()


def _listener(address: Address, service: Service, gate: Gate, screen: Screen, world: tuple[str, float]) -> Listener:
    """Who listens at an address."""
    from stcnn.live.fictrac import FicTracListener
    from stcnn.live.stimpack import StimpackListener
    from stcnn.live.websocket import WebSocketListener
    from stcnn.live.zeromq import ZmqListener

    if address.scheme == "ws":
        return WebSocketListener(address, service, gate)
    if address.scheme == "zmq":
        return ZmqListener(address, service, gate)
    if address.scheme == "stimpack":
        return StimpackListener(address, service, gate, screen)
    return FicTracListener(address, service, _panorama(world[0], screen), world[1])


def _panorama(text: str, screen: Screen) -> Any:  # noqa: ANN401  (its import is slow)
    from stcnn.commands.predict import arguments_of
    from stcnn.live.panorama import Panorama

    kind, _, arguments = text.partition(":")
    return Panorama({"kind": kind, **arguments_of(arguments)}, screen)
