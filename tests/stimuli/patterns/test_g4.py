"""Patterns of G4 arenas: the bytes are those of the published description, and come back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stcnn.errors import FileError, ShapeError
from stcnn.stimuli.patterns import Pattern
from stcnn.stimuli.patterns.g4 import decode_g4, encode_g4


def decoded_byte_by_byte(content: bytes) -> NDArray[np.int64]:
    """The published description of G4 patterns, read literally: shared/facts.md, section 5. Row 0 is the bottom."""
    n_frames, levels, n_rows, n_columns = content[0] + 256 * content[1], content[4], content[5], content[6]
    frames = np.zeros((n_frames, n_rows * 16, n_columns * 16), int)
    at = 7
    for frame in frames:
        for i in range(n_rows):
            for j in range(1, 5):
                assert content[at] == i + 1
                at += 1
                for k in range(1, 34 if levels == 16 else 10):
                    for m in range(n_columns):
                        byte = content[at]
                        at += 1
                        if k == 1:
                            assert byte == (levels == 16)
                            continue
                        pixel = (k - 2) * (2 if levels == 16 else 8)
                        stored_row, column = (j - 1) % 2 * 8 + pixel // 8, m * 16 + j // 3 * 8 + pixel % 8
                        row = i * 16 + 15 - stored_row
                        if levels == 16:
                            frame[row, column : column + 2] = byte & 15, byte >> 4
                        else:
                            frame[row, column : column + 8] = [byte >> bit & 1 for bit in range(8)]
    assert at == len(content)
    return frames


@pytest.mark.parametrize("n_levels", [2, 16])
def test_arena_patterns_are_what_the_arena_expects(n_levels: int) -> None:
    codes = np.random.default_rng(0).integers(0, n_levels, (3, 32, 48)).astype(np.uint8)
    content = encode_g4(Pattern(codes, n_levels))
    assert len(content) == 7 + 3 * (3 * (33 if n_levels == 16 else 9) + 1) * 2 * 4
    np.testing.assert_array_equal(decoded_byte_by_byte(content), codes[:, ::-1])


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 4), st.sampled_from([2, 16]), st.integers(0, 2**32 - 1))
def test_arena_patterns_come_back(n_frames: int, rows: int, columns: int, n_levels: int, seed: int) -> None:
    shape = n_frames, rows * 16, columns * 16
    codes = np.random.default_rng(seed).integers(0, n_levels, shape).astype(np.uint8)
    again = decode_g4(encode_g4(Pattern(codes, n_levels)))
    np.testing.assert_array_equal(again.codes, codes)
    assert again.n_levels == n_levels


def test_arena_patterns_of_version_2_and_with_a_y_dimension_are_read() -> None:
    codes = np.random.default_rng(1).integers(0, 2, (6, 16, 32)).astype(np.uint8)
    first = encode_g4(Pattern(codes, 2))
    named_arena = first[:2] + bytes([0x80 | 3 << 4, 7]) + first[4:]
    two_by_three = bytes([2, 0, 3, 0]) + first[4:]
    for content in (named_arena, two_by_three):
        np.testing.assert_array_equal(decode_g4(content).codes, codes)


def test_the_arena_brightness_and_y_positions_come_back() -> None:
    codes = np.random.default_rng(2).integers(0, 16, (6, 16, 32)).astype(np.uint8)
    named = decode_g4(encode_g4(Pattern(codes, 16, "G4.1", brightness=np.full(6, 3, np.uint8), arena=9)))
    assert (named.generation, named.arena, named.n_y) == ("G4.1", 9, 1)
    assert named.brightness is not None
    assert named.brightness.tolist() == [3] * 6
    rows = decode_g4(encode_g4(Pattern(codes, 16, n_y=3)))
    assert (rows.n_x, rows.n_y) == (2, 3)
    assert rows.frame(np.array([0, 1, 2, -1]), np.array([0, 1, 2, 4])).tolist() == [0, 3, 4, 3]
    with pytest.raises(ShapeError, match="names its arena has positions along y"):
        encode_g4(Pattern(codes, 16, n_y=3, arena=1))


def test_brightness_has_seven_bits() -> None:
    with pytest.raises(ShapeError, match="brightness of G4 panels is 128, expected at most 127"):
        encode_g4(Pattern(np.zeros((1, 16, 16), np.uint8), 2, brightness=np.full(1, 128, np.uint8)))


def test_a_g4_file_that_breaks_off_is_refused() -> None:
    content = encode_g4(Pattern(np.zeros((2, 16, 16), np.uint8), 2))
    for damaged in (content[:-1], content[:5], content + b"0"):
        with pytest.raises(FileError, match=f"has {len(damaged)} bytes"):
            decode_g4(damaged)
