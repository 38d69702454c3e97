"""Chooses how a network is evaluated: in compiled code where that is possible and worth it, else in PyTorch."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from stcnn.errors import ConfigError
from stcnn.nn.inference.folded import Folded
from stcnn.nn.inference.native import NativeEvaluation, products_per_frame, unfit_for_native_evaluation
from stcnn.nn.kernels.native.compile import NotCompiled, compiler
from stcnn.nn.notice import say_once

if TYPE_CHECKING:
    from stcnn.nn.inference.stream import Indicator
    from stcnn.nn.model import STCNN

Evaluator = Folded | NativeEvaluation

WORTH_COMPILING = 1e6
"""Multiplications per frame in the direct form from which on compiled code is worth the seconds it is compiled in."""


def evaluator(model: STCNN, rate_hz: float, clips: int = 1, deg_per_px: float | None = None) -> Evaluator:
    """Return the frozen network as ``model.hidden.compute`` wants it.

    Args:
        model: the network; later changes of its weights do not reach what is returned.
        rate_hz: frames per second.
        clips: number of clips, which advance in lockstep.
        deg_per_px: degrees per pixel of the frames; None is the resolution of the model.

    Raises:
        ConfigError: compiled code is demanded and cannot be had.
    """
    folded, compute = Folded(model, rate_hz, clips, deg_per_px), model.hidden.compute
    if compute not in ("auto", "native") or (compute == "auto" and products_per_frame(folded) < WORTH_COMPILING):
        return folded
    reason = unfit_for_native_evaluation(folded)
    if not reason:
        try:
            native = NativeEvaluation(folded)
            native.compile("blocks")
        except NotCompiled as error:
            reason = str(error)
        else:
            say_once(f"compute=native: evaluation runs in compiled code, for '{compiler()[0]}' is here", logging.INFO)
            return native
    if compute == "native":
        raise ConfigError(f"compute='native' cannot run: {reason}", remedy="choose compute='auto'")
    if not reason.startswith("it computes in"):  # double precision is a choice
        say_once(f"compute=torch: evaluation runs in PyTorch, several times slower than in the native core: {reason}")
    return folded


def live(core: Evaluator, indicator: Indicator) -> NativeEvaluation | None:
    """Return what answers single frames in compiled code; None where PyTorch does."""
    if not isinstance(core, NativeEvaluation):
        return None
    try:
        return core if core.indicate(indicator) else None
    except NotCompiled as error:
        say_once(f"compute=torch: a stream runs in PyTorch, twenty times slower than in the native core: {error}")
        return None
