"""Messages to a live model that are no frames, each with the sentence that it must get."""

from __future__ import annotations

import numpy as np

GOOD = bytes(range(143))
"""A frame of 11 x 13 pixels."""
MALFORMED = {
    "no JSON": ((b"frame 0", b""), r"header of message 1 is b'frame 0' \(7 bytes\), expected JSON"),
    "no object": ((b"3", GOOD), "header of message 1 is b'3'"),
    "not text": ((b"\xff\xfe{", GOOD), "header of message 1 is b'.xff.xfe"),
    "deep": ((b"[" * 60_000, GOOD), "60000 bytes"),
    "long header": ((b" " * 70_000 + b"{}", GOOD), "70002 bytes"),
    "few bytes": ((b"{}", b"12"), r"of 2 bytes.*expected one part of 143 bytes with pixels of shape \(11, 13\)"),
    "missing part": ((b'{"frame": 1}',), "message 1 has 0 parts behind its header"),
    "too many parts": ((b'{"frame": 1}', GOOD, GOOD), "message 1 has 2 parts behind its header"),
    "wrong shape": ((b'{"shape": [13, 11]}', GOOD), r"shape \(13, 11\)"),
    "wrong dtype": ((b'{"dtype": "int64"}', GOOD), "has dtype='int64'. Input should be 'uint8' or 'float32'"),
    "number back": ((b'{"frame": 0}', GOOD), "frame 0 came after frame 0, expected numbers that grow"),
    "number far ahead": ((b'{"frame": 1000000}', GOOD), "expected a number at most 3600 s ahead"),
    "number of text": ((b'{"frame": "1"}', GOOD), "has frame='1'"),
    "time not finite": ((b'{"frame": 1, "time_s": NaN}', GOOD), "has time_s=nan"),
    "misspelt": ((b'{"frane": 1}', GOOD), "has frane=1. Did you mean 'frame'"),
    "not a number": (
        (b'{"frame": 1, "dtype": "float32"}', np.full(143, np.nan, "<f4").tobytes()),
        "luminance of frame 1 runs from nan to nan",
    ),
    "too bright": ((b'{"dtype": "float32"}', np.full(143, 2, "<f4").tobytes()), "runs from 2 to 2"),
}
"""Header and parts of a message that follows a frame 0 of 11 x 13 pixels, and the sentence that answers it."""
