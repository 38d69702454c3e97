"""The C interface: every struct of ``csrc`` as Python fills it, names and order as there, and addresses of tensors.

The sizes of the structs are compared with those of a library when it is loaded (:func:`require_same_structs`); a test
compares the names of their fields with the headers.
"""

from __future__ import annotations

import ctypes

from stcnn.nn.kernels.native.evaluation_structs import (
    Band,
    Calcium,
    Clip,
    ClipRun,
    Eye,
    Filter,
    FoldedLayer,
    Readouts,
    TruncationBuffer,
    View,
)
from stcnn.nn.kernels.native.training_structs import Backward, Forward, Input, Maps, Place, PlacedReading, Reading

STRUCTS: dict[str, tuple[type[ctypes.Structure], ...]] = {
    "layer": (Maps, Input, Forward, Backward, Reading, Place, PlacedReading),
    "blocks": (TruncationBuffer, FoldedLayer),
    "frame": (TruncationBuffer, FoldedLayer),
    "network": (Filter, Band, Eye, View, Readouts, Calcium, Clip, ClipRun),
}
"""The structs of each source, in the order in which its ``SIZES`` names them."""


def require_same_structs(library: ctypes.CDLL, source: str) -> None:
    """Compare the structs of a library with ours.

    Args:
        library: the compiled code.
        source: the file it was compiled from, without its ending.

    Raises:
        RuntimeError: a struct has another size there; a fault of ours, or a library that is not ours.
    """
    structs = STRUCTS[source]
    expected = [*(ctypes.sizeof(struct) for struct in structs), -1]
    found = [int(library.struct_size(number)) for number in range(len(expected))]
    if found != expected:
        names = ", ".join(struct.__name__ for struct in structs)
        raise RuntimeError(f"{source}: structs {names} have {found} bytes in compiled code, {expected} in Python")
