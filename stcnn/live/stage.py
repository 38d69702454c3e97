"""What one rig that runs stimpack shows the model: the ground, the stimuli on it, and since when."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np

from stcnn.errors import ConfigError, nearest
from stcnn.live.messages import SHOWN, Frame
from stcnn.live.service import Peer
from stcnn.live.trajectories import Layer, grey_of, layer_of
from stcnn.stimuli import Screen

MOST_LAYERS = 16
MOST_AT_ONCE_S = 0.5
"""Frames of at most so long are shown in one go; a model that is further behind has lost the rest."""
LONGEST_S = 600.0
"""Of a response; what comes later in a stimulus is shown but not kept."""
DISPLAY_ONLY = {
    "clear_profile",
    "corner_square_off",
    "corner_square_on",
    "corner_square_toggle_start",
    "corner_square_toggle_stop",
    "hide_corner_square",
    "print_profile",
    "save_pos_history_to_file",
    "set_corner_square",
    "set_save_pos_history_dir",
    "set_save_pos_history_flag",
    "show_corner_square",
}
"""Requests to the display that change nothing the animal sees: taken without an answer."""


class Stage:
    """What one rig shows: the ground, the stimuli on it, and since when.

    Args:
        screen: of the model.
        peer: the rig.
    """

    def __init__(self, screen: Screen, peer: Peer) -> None:
        self._screen = screen
        self._peer = peer
        self._ground = screen.background
        self._layers: list[tuple[str, Layer]] = []
        self._started_s: float | None = None
        self._n_shown = 0
        self._clock_s = time.perf_counter()
        self._n_clock = 0
        self._kept: list[dict[str, Any]] = []
        self._is_told = False
        """Whether it was said that a picture of this stimulus cannot be shown."""

    async def take(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """Do what a request says; return the answer to it, if there is one.

        Raises:
            StcnnError: it cannot be done.
        """
        name, arguments = str(request["name"]), request.get("kwargs", {})
        target = request.get("target")
        if target not in {None, "all", "visual"}:
            raise ConfigError(f"the target '{target!s:.{SHOWN}}' is not here", expected="'visual' or 'all'")
        if not isinstance(arguments, dict) or not isinstance(request.get("args", []), list):
            raise ConfigError(
                f"the request '{name:.{SHOWN}}' has no proper args and kwargs", expected="a list and a mapping"
            )
        known = {
            "load_stim": self._load,
            "start_stim": self._start,
            "stop_stim": self._stop,
            "set_idle_background": self._colour,
        }
        if name in known:
            return await known[name](list(request.get("args", [])), dict(arguments))
        if name in DISPLAY_ONLY:
            return None
        raise ConfigError(f"the request '{name:.{SHOWN}}' is not known here", remedy=nearest(name[:SHOWN], known))

    def catch_up(self) -> None:
        """Show the frames whose time has come."""
        due = int((time.perf_counter() - self._clock_s) * self._screen.rate_hz) - self._n_clock
        most = round(MOST_AT_ONCE_S * self._screen.rate_hz)
        for _ in range(min(due, most)):
            self._show()
        self._n_clock += max(0, due)
        if due > most:
            self._peer.session.latencies.n_dropped += due - most

    def _show(self) -> None:
        picture = np.full(self._screen.shape_px, self._ground, np.float32)
        running = self._started_s is not None
        if running:
            for _, layer in self._layers:
                picture = layer(self._n_shown / self._screen.rate_hz, picture)
        number = self._peer.session.n_messages
        answer = self._peer.session.answer(Frame(np.clip(picture, 0, 1), number, time.perf_counter()))
        if "error" in answer and not self._is_told:
            self._is_told = True
            self._peer.outlet.put({"name": "stcnn_error", "kwargs": answer})
        if running:
            self._n_shown += 1
            if "calcium" in answer and len(self._kept) < LONGEST_S * self._screen.rate_hz:
                self._kept.append(answer)

    async def _load(self, args: list[Any], given: dict[str, Any]) -> None:
        name = args[0] if args else given.pop("name", None)
        if len(args) > 1 or not isinstance(name, str):
            raise ConfigError("load_stim has no name of a stimulus, or more than that before its keywords")
        is_added = bool(given.pop("hold", False))
        if is_added and len(self._layers) >= MOST_LAYERS:
            raise ConfigError(
                f"{MOST_LAYERS} stimuli are loaded", expected="fewer at a time", remedy="send stop_stim first"
            )
        layer = await asyncio.to_thread(layer_of, self._screen, name, given)  # others go on while it is drawn
        self._layers = [*(self._layers if is_added else []), (name, layer)]

    async def _start(self, args: list[Any], given: dict[str, Any]) -> None:
        self.catch_up()
        self._started_s = self._clock_s = time.perf_counter()
        self._n_clock = self._n_shown = 0
        self._kept = []
        self._is_told = False

    async def _stop(self, args: list[Any], given: dict[str, Any]) -> dict[str, Any] | None:
        self.catch_up()
        names = [name for name, _ in self._layers]
        kept, self._kept = self._kept, []
        was_running = self._started_s is not None
        self._started_s, self._layers = None, []
        if not was_running:
            return None
        traces = {
            part: {kind: [answer[part][kind] for answer in kept] for kind in self._peer.session.stream.cell_types}
            for part in ("voltage", "calcium")
        }
        facts = {"stimuli": names, "rate_hz": self._screen.rate_hz, "n_shown": self._n_shown, "n_kept": len(kept)}
        return {**facts, **traces}

    async def _colour(self, args: list[Any], given: dict[str, Any]) -> None:
        self.catch_up()
        self._ground = grey_of(args[0] if args else given.get("color"), "the idle background")
