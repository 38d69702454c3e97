"""Runs tests with another compiler of the native core, or with none, and forgets what was compiled before and after."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from stcnn.nn.kernels.native import compile as native_library
from stcnn.nn.log import log_once
from stcnn.nn.stack import native


@contextmanager
def compiled_by(command: str) -> Iterator[None]:
    """Compile with ``command`` within the block."""
    before = os.environ.get("CXX")
    os.environ["CXX"] = command
    _forget()
    try:
        yield
    finally:
        os.environ.pop("CXX")
        if before is not None:
            os.environ["CXX"] = before
        _forget()


def _forget() -> None:
    for remembered in (
        native_library.compiler,
        native_library.machine,
        native_library.library,
        native._compiled,
        log_once,
    ):
        remembered.cache_clear()
