"""The hidden stack in training: one algorithm, several engines, one place that chooses.

* ``reference``: layer by layer through autograd, in :class:`stcnn.nn.hidden_stack.HiddenStack`; every kind of layer.
* ``torch``: one autograd function in chunks of frames (:mod:`stcnn.nn.stack.chunked`); exponential kernels only.
* ``native``: compiled code (:mod:`stcnn.nn.stack.native`); float32 on the CPU.
* ``triton``: kernels for a GPU (:mod:`stcnn.nn.stack.triton`); no GPU has measured them yet.

The mathematics that all share stands in :mod:`stcnn.nn.stack.algorithm`.
"""

from __future__ import annotations

import logging

from stcnn.errors import ConfigError
from stcnn.nn.log import log_once
from stcnn.nn.stack.chunked import ChunkedEngine
from stcnn.nn.stack.engine import Engine
from stcnn.nn.stack.native import NativeEngine
from stcnn.nn.stack.problem import Problem
from stcnn.nn.stack.triton import TritonEngine

ENGINES: dict[str, Engine] = {engine.name: engine for engine in (TritonEngine(), NativeEngine(), ChunkedEngine())}
"""In the order in which ``auto`` asks them; the last one takes whatever is left."""


def choose(problem: Problem, wanted: str) -> Engine:
    """Return the engine for a problem.

    Args:
        problem: one training step.
        wanted: the name of an engine, or ``auto``.

    Raises:
        ConfigError: the engine that is wanted cannot run it.
    """
    if wanted != "auto":
        engine = ENGINES[wanted]
        if reason := engine.why_not(problem):
            raise ConfigError(f"compute='{wanted}' cannot run: {reason}", remedy="choose compute='auto'")
        return engine
    *candidates, fallback = ENGINES.values()
    for engine in candidates:
        if not engine.is_worth_it(problem):
            continue
        reason = engine.why_not(problem)
        if reason is None:
            log_once(f"compute={engine.name}: {engine.why_chosen(problem)}", logging.INFO)
            return engine
        log_once(
            f"compute=torch: training runs in PyTorch, several times slower than with compute={engine.name}: {reason}"
        )
    return fallback
