"""Structs of the training of a layer as the headers have them: maps.h, forward.h, backward.h, reading.h, places.h."""

from __future__ import annotations

from ctypes import Structure, c_float, c_int32, c_void_p


class Maps(Structure):
    """Integrators of a layer for one clip."""

    _fields_ = (
        ("v", c_void_p),
        ("earlier", c_void_p),
        ("tail_weight", c_void_p),
        ("earlier_blocks", c_int32),
        ("taps", c_int32),
    )


class Input(Structure):
    """Maps that a layer reads, and what is done to them first."""

    _fields_ = (
        ("maps", Maps),
        ("scale", c_void_p),
        ("shift", c_void_p),
        ("slope", c_float),
    )


class Forward(Structure):
    """A forward pass of one clip."""

    _fields_ = (
        ("blocks", c_int32),
        ("last_frames", c_int32),
        ("input", Input),
        ("output", Maps),
        ("weights", c_void_p),
        ("decay", c_void_p),
        ("sums", c_void_p),
    )


class Backward(Structure):
    """A backward pass of one clip."""

    _fields_ = (
        ("blocks", c_int32),
        ("last_frames", c_int32),
        ("input", Input),
        ("output", Maps),
        ("weights", c_void_p),
        ("decay", c_void_p),
        ("normalisation", c_void_p),
        ("dz", c_void_p),
        ("top", c_int32),
        ("bottom", c_int32),
        ("left", c_int32),
        ("right", c_int32),
        ("after", c_void_p),
        ("p", c_void_p),
        ("later", c_void_p),
        ("later_blocks", c_int32),
        ("d_weights", c_void_p),
        ("d_leak", c_void_p),
        ("d_tail_weight", c_void_p),
        ("dz_below", c_void_p),
        ("mean_below", c_void_p),
        ("sums_below", c_void_p),
    )


_READ = (
    ("blocks", c_int32),
    ("last_frames", c_int32),
    ("output", Maps),
    ("scale", c_void_p),
    ("shift", c_void_p),
    ("mean", c_void_p),
    ("slope", c_float),
    ("top", c_int32),
    ("bottom", c_int32),
    ("left", c_int32),
    ("right", c_int32),
)
"""Maps that are read, their rectifier, and the window of the lattice: how every reading begins."""
_READERS = (
    ("weights", c_void_p),
    ("drive", c_void_p),
    ("dz", c_void_p),
    ("d_weights", c_void_p),
    ("sums", c_void_p),
)
"""Weights, what is read with them, and its adjoint: how every reading ends."""


class Reading(Structure):
    """Reading of one clip by the readouts, or its adjoint."""

    _fields_ = (
        *_READ,
        ("types", c_int32),
        *_READERS,
    )


class Place(Structure):
    """Where the weights of a site lie."""

    _fields_ = (
        ("row", c_int32),
        ("column", c_int32),
        ("top", c_int32),
        ("bottom", c_int32),
        ("left", c_int32),
        ("right", c_int32),
    )


class PlacedReading(Structure):
    """Reading of one clip by neurons where they sit, or its adjoint."""

    _fields_ = (
        *_READ,
        ("readers", c_int32),
        ("rows", c_int32),
        ("columns", c_int32),
        ("site", c_void_p),
        ("places", c_void_p),
        *_READERS,
    )
