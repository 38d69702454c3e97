"""Files of torch (``.pt``, ``.ckpt``), read without running anything in them."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stcnn.errors import DataError, FileError
from stcnn.reading.faults import COPY_AGAIN, readable, reading, require_file, require_room
from stcnn.reading.text import DEPTH


def load_tensors(path: str | Path, what: str = "a file of tensors (torch.save)") -> dict[Any, Any]:
    """Read a ``.pt`` file of plain tensors, numbers, text, lists and dictionaries; nothing in it is executed.

    Args:
        path: of the file.
        what: what is expected there.

    Returns:
        The dictionary it holds; tensors lie on the CPU and ask for no gradient.

    Raises:
        FileError: there is no such file, it is truncated, holds other objects or is no dictionary, or a tensor in it
            is of no sensible size.
    """
    import torch  # not needed by the readers of tables

    size = require_file(path, what)
    with reading(path, what, COPY_AGAIN):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as members:
                size = sum(info.file_size for info in members.infolist())
                require_room(size, str(path), what)
                if damaged := members.testzip():  # torch does not compare the sums
                    raise ValueError(f"'{readable(damaged)}' in it does not have its checksum")
        require_room(size, str(path), what)
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            if "Unsupported" not in str(error):
                raise
            raise FileError(
                f"{path} holds objects other than tensors, numbers and dictionaries",
                expected="a file written by torch.save from such plain values",
                remedy="save it again from its source",
            ) from error
    if not isinstance(content, dict):
        raise FileError(f"{path} holds a {type(content).__name__}", expected="a dictionary")
    _judge(content, str(path), what)
    return content


def load_weights(path: str | Path, what: str = "weights (safetensors)") -> dict[str, Any]:
    """Read a ``.safetensors`` file.

    Returns:
        Tensors on the CPU by name.

    Raises:
        FileError: there is no such file, or it is damaged.
    """
    import safetensors.torch

    require_room(require_file(path, what), str(path), what)
    with reading(path, what, COPY_AGAIN):
        return safetensors.torch.load_file(path)


def require_weights(state: object, where: str) -> dict[str, Any]:
    """Tensors by name, all of finite numbers.

    Raises:
        FileError: it is something else.
    """
    from torch import Tensor

    if not isinstance(state, Mapping) or not state:
        raise FileError(f"{where} holds no weights", expected="tensors by name", remedy=COPY_AGAIN)
    for name, value in state.items():
        if not isinstance(value, Tensor) or value.is_complex():
            raise FileError(f"{where} holds no tensor of numbers under '{readable(name, 40)}'", remedy=COPY_AGAIN)
        if not value.isfinite().all():
            raise FileError(f"{where} has values that are not finite in '{readable(name, 40)}'", remedy=COPY_AGAIN)
    return {str(name): value for name, value in state.items()}


def plain_numbers(value: object, name: str, ndim: int | None = None) -> NDArray:
    """A tensor, list or number of a file as an array.

    Args:
        value: what stands there.
        name: what to call it in a sentence.
        ndim: how many dimensions it must have; None takes any.

    Raises:
        DataError: it is not made of numbers, or has other dimensions.
    """
    try:
        found = np.asarray(value)
    except Exception:  # what libraries raise for mixtures, gradients and types that numpy has not
        found = np.empty(0, object)
    if found.dtype.kind not in "fiub":
        raise DataError(f"'{name}' holds {type(value).__name__}, no numbers", expected="an array of numbers")
    if ndim is not None and found.ndim != ndim:
        raise DataError(f"'{name}' has the shape {found.shape}", expected=f"{ndim} dimensions")
    return found


def _judge(content: dict[Any, Any], path: str, what: str) -> None:
    """Refuse tensors that would grow when they are copied, and nesting without end."""
    from torch import Tensor, strided

    waiting: list[tuple[object, str, int]] = [(content, "", 0)]
    while waiting:
        value, name, depth = waiting.pop()
        if depth > DEPTH:
            raise FileError(f"{path} is nested too deeply", expected=what)
        if isinstance(value, Tensor):
            if value.layout != strided or value.is_quantized or value.device.type != "cpu":
                raise FileError(
                    f"{path} has a sparse, quantised or empty tensor at '{name}'", expected="a plain tensor"
                )
            require_room(value.numel() * value.element_size(), f"{path}, tensor '{name}'", what)
            value.requires_grad_(False)
        elif isinstance(value, Mapping):
            waiting += [(inner, readable(key, 40), depth + 1) for key, inner in value.items()]
        elif isinstance(value, list | tuple | set):
            waiting += [(inner, name, depth + 1) for inner in value]
