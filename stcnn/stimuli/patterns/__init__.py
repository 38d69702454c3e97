"""Pattern files of LED arenas as bytes: G3 (:mod:`.mat`), G4 and G4.1 (:mod:`.g4`), G6 (:mod:`.g6`).

:mod:`.functions` has the files of the functions that move them.
"""

from stcnn.stimuli.patterns.functions import PositionFunction, decode_pfn, encode_pfn, read_function, write_function
from stcnn.stimuli.patterns.g4 import decode_g4, encode_g4
from stcnn.stimuli.patterns.g6 import MAGIC as G6_MAGIC
from stcnn.stimuli.patterns.g6 import decode_g6, encode_g6
from stcnn.stimuli.patterns.mat import read_mat_pattern, write_mat_pattern
from stcnn.stimuli.patterns.pattern import PANEL_PX, Generation, Pattern

__all__ = [
    "PANEL_PX",
    "Generation",
    "Pattern",
    "PositionFunction",
    "decode_pattern",
    "decode_pfn",
    "encode_pattern",
    "encode_pfn",
    "read_function",
    "read_mat_pattern",
    "write_function",
    "write_mat_pattern",
]


def encode_pattern(pattern: Pattern) -> bytes:
    """Write the bytes of a ``.pat`` file.

    Raises:
        ShapeError: the pattern does not fit the panels of its generation, or what its header can count.
    """
    return encode_g6(pattern) if pattern.generation == "G6" else encode_g4(pattern)


def decode_pattern(content: bytes) -> Pattern:
    """Read the bytes of a ``.pat`` file.

    Raises:
        FileError: it is no pattern, is truncated, or a checksum does not fit.
    """
    return decode_g6(content) if content.startswith(G6_MAGIC) else decode_g4(content)
