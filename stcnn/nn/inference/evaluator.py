"""Choice of how a frozen network is evaluated: in compiled code where it can be and is worth it, else in PyTorch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from torch import Tensor

from stcnn.errors import ConfigError
from stcnn.nn.filters.stateful import State
from stcnn.nn.inference.folded import Folded
from stcnn.nn.inference.indicator import Indicator
from stcnn.nn.inference.native import NativeEvaluation, products_per_frame, why_no_native_evaluation
from stcnn.nn.kernels.native.compile import NotCompiled, compiler, why_unavailable
from stcnn.nn.log import log_once
from stcnn.nn.parts import Parts

WORTH_COMPILING = 1e6
"""Multiplications per frame in the direct form from which on compiled code is worth the seconds it is compiled in."""


class Evaluator(Protocol):
    """A network with frozen weights, and the state of some clips that advance in lockstep."""

    clips: int
    chunk: int
    """Number of frames that are best computed together."""

    def push(self, contrast: Tensor) -> Tensor:
        """Advance by frames of contrast ``(B, T, Y, X)``; return voltages ``(B, T, N)``."""

    def push_grey(self, n_frames: int) -> Tensor:
        """Advance by grey frames; return voltages ``(B, T, N)``."""

    def settle(self) -> Tensor:
        """Go where grey without end leads; return the steady voltage ``(B, 1, N)``."""

    def reset(self) -> None:
        """Start anew: nothing was ever shown, not even grey."""

    def state(self) -> State:
        """Return a copy of the state by the name of the filter."""

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a state of the same network; the state of one clip serves all."""


def evaluator(model: Parts, rate_hz: float, clips: int = 1, deg_per_px: float | None = None) -> Evaluator:
    """Return the frozen network as ``model.hidden.compute`` wants it.

    Args:
        model: the network; later changes of its weights do not reach what is returned.
        rate_hz: frames per second.
        clips: number of clips, which advance in lockstep.
        deg_per_px: degrees per pixel of the frames; None is the resolution of the model.

    Raises:
        ConfigError: compiled code is demanded and cannot be had.
    """
    folded = Folded(model, rate_hz, clips, deg_per_px)
    compute = model.hidden.compute
    if compute not in ("auto", "native"):
        return folded
    if compute == "auto" and products_per_frame(folded) < WORTH_COMPILING:
        return folded
    native = _compiled(folded)
    if isinstance(native, NativeEvaluation):
        log_once(f"compute=native: evaluation runs in compiled code, for '{compiler()[0]}' is here", logging.INFO)
        return native
    if compute == "native":
        raise ConfigError(f"compute='native' cannot run: {native}", remedy="choose compute='auto'")
    if not native.startswith("it computes in"):  # double precision is a choice
        log_once(f"compute=torch: evaluation runs in PyTorch, several times slower than in the native core: {native}")
    return folded


def _compiled(folded: Folded) -> NativeEvaluation | str:
    """Return the network in compiled code, or why that cannot be."""
    if reason := why_no_native_evaluation(folded):
        return reason
    try:
        native = NativeEvaluation(folded)
        native.compile("blocks")
    except NotCompiled as error:
        return str(error)
    return native


EVALUATORS: dict[str, Callable[[], str | None]] = {"native": why_unavailable, "torch": lambda: None}
"""Evaluators of frozen networks, in the order in which ``auto`` asks, and why it can evaluate nothing here."""


def live(core: Evaluator, indicator: Indicator) -> NativeEvaluation | None:
    """Return what answers single frames in compiled code; None where PyTorch does."""
    if not isinstance(core, NativeEvaluation):
        return None
    try:
        return core if core.indicate(indicator) else None
    except NotCompiled as error:
        log_once(f"compute=torch: a stream runs in PyTorch, twenty times slower than in the native core: {error}")
        return None
