"""Structs of the evaluation of a network as the headers have them: frozen.h, filter.h, eye.h, network.cpp."""

from __future__ import annotations

from ctypes import Structure, c_float, c_int32, c_int64, c_void_p


class TruncationBuffer(Structure):
    """Frames that a kernel that ends has still to take back."""

    _fields_ = (
        ("channels", c_int32),
        ("taps", c_int32),
        ("place", c_void_p),
        ("channel", c_void_p),
        ("tail_weight", c_void_p),
        ("start", c_void_p),
        ("ring", c_void_p),
    )


class FoldedLayer(Structure):
    """A layer with normalisation, gain and bias folded into its weights."""

    _fields_ = (
        ("weights", c_void_p),
        ("bias", c_void_p),
        ("leak", c_void_p),
        ("last", c_void_p),
        ("slope", c_float),
        ("past", TruncationBuffer),
        ("done", c_void_p),
        ("space", c_void_p),
    )


class Filter(Structure):
    """The filter of a row."""

    _fields_ = (
        ("size", c_int32),
        ("truncated", c_int32),
        ("taps", c_int32),
        ("place", c_void_p),
        ("leak", c_void_p),
        ("last", c_void_p),
        ("index", c_void_p),
        ("tail_weight", c_void_p),
        ("start", c_void_p),
        ("ring", c_void_p),
    )


class Band(Structure):
    """A matrix whose rows are zero but for a stretch."""

    _fields_ = (
        ("weights", c_void_p),
        ("first", c_void_p),
        ("last", c_void_p),
        ("rows", c_int32),
        ("size", c_int32),
    )


class Eye(Structure):
    """Optics and photoreceptors."""

    _fields_ = (
        ("down", Band),
        ("across", Band),
        ("picture", c_void_p),
        ("strips", c_void_p),
        ("seen", c_void_p),
        ("filter", Filter),
        ("width", c_int32),
        ("strip_rows", c_int32),
        ("lines", c_int32),
    )


class View(Structure):
    """Frames of one clip for its eye."""

    _fields_ = (
        ("pixels", c_void_p),
        ("levels", c_void_p),
        ("frames", c_int64),
        ("seen", c_void_p),
        ("clip", c_int32),
        ("clips", c_int32),
    )


class Readouts(Structure):
    """The readouts of all cell types."""

    _fields_ = (
        ("types", c_int32),
        ("points", c_int32),
        ("weights", c_void_p),
        ("offset", c_void_p),
        ("filter", Filter),
    )


class Calcium(Structure):
    """The indicator and the neurons."""

    _fields_ = (
        ("neurons", c_int32),
        ("softplus", c_int32),
        ("type", c_void_p),
        ("gain", c_void_p),
        ("offset", c_void_p),
        ("filter", Filter),
    )


class Clip(Structure):
    """The network and the state of one clip."""

    _fields_ = (
        ("eye", Eye),
        ("readouts", Readouts),
        ("calcium", Calcium),
        ("layers", c_int32),
        ("padded_eye", c_int32),
        ("layer", c_void_p),
        ("frozen", c_void_p),
        ("map", c_void_p),
        ("filtered", c_void_p),
    )


class ClipRun(Structure):
    """Frames of one clip on their way through."""

    _fields_ = (
        ("contrast", c_void_p),
        ("frames", c_int64),
        ("voltage", c_void_p),
        ("map", c_void_p),
        ("seen", c_void_p),
        ("read", c_void_p),
    )
