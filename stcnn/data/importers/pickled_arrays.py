"""Numbers and arrays among the values of a pickle that was not unpickled."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stcnn.data.importers.pickled import Opaque

NUMBER = re.compile(r"[<>=|]?[fiub](1|2|4|8)")


def number_in(value: object) -> float | None:
    """The number that a value of a pickle is: Python's, a numpy scalar or an array of one; None if it is none."""
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return None
    numbers = numbers_in(value)
    return float(numbers[0]) if numbers is not None and len(numbers) == 1 else None


def numbers_in(value: object) -> NDArray[Any] | None:
    """The numbers of a numpy scalar or array of numbers in a pickle, flat; None if it is neither."""
    if not isinstance(value, Opaque):
        return None
    kind = value.name.rpartition(" ")[2]
    given = value.arguments
    state = value.state
    if kind == "scalar" and len(given) == 2:
        return _from_bytes(given[0], given[1])
    if kind == "_frombuffer" and len(given) == 4:  # protocol 5
        return _from_bytes(given[1], given[0])
    if kind == "_reconstruct" and isinstance(state, tuple) and len(state) == 5:
        return _from_bytes(state[2], state[4])
    return None


def array_items(value: object) -> list[Any]:
    """The items of a numpy array of Python objects in a pickle, flat; empty if it is none."""
    state = value.state if isinstance(value, Opaque) else None
    held = state[4] if isinstance(state, tuple) and len(state) == 5 else None
    return held if isinstance(held, list) else []


def _from_bytes(dtype: object, content: object) -> NDArray[Any] | None:
    """Numbers from their bytes and the pickled description of their type."""
    if not isinstance(dtype, Opaque) or dtype.name != "numpy dtype" or not isinstance(content, bytes | bytearray | str):
        return None
    code = str(dtype.arguments[0]) if dtype.arguments else ""
    if not NUMBER.fullmatch(code):
        return None
    order = str(dtype.state[1]) if isinstance(dtype.state, tuple) and len(dtype.state) > 1 else "<"
    if code[0] not in "<>=|" and order in "<>":
        code = order + code
    raw = content.encode("latin-1") if isinstance(content, str) else content  # text where Python 2 wrote bytes
    known = np.dtype(code)
    return np.frombuffer(raw, known) if raw and len(raw) % known.itemsize == 0 else None
