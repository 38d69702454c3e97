"""Patterns of G6 arenas: bytes and checksums of the maker's reference, round trips, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stcnn.errors import FileError, ShapeError
from stcnn.stimuli.patterns import Pattern, decode_pattern, encode_pattern
from stcnn.stimuli.patterns.g6 import crc8, crc16


def test_checksums_are_those_of_the_reference() -> None:
    # Vectors of g6_encoding_reference.json (reiserlab/webDisplayTools, 2026-05-23).
    assert crc8(b"123456789") == 0xDF
    assert crc8(b"\x01\x10" + bytes(51)) == 0xC6
    assert crc8(b"\x01\x30" + bytes(201)) == 0x6D
    assert crc16(b"123456789") == 0x29B1
    assert crc16(b"FR\x00\x00") == 0xFD6B


def test_a_file_begins_and_is_as_long_as_the_reference_says() -> None:
    # g6_2x10_gs2_1f_checker of g6_encoding_reference.json; (row + column) of a checkerboard count from 1 at the bottom.
    row, column = np.indices((40, 200))
    content = encode_pattern(Pattern(((39 - row + column) % 2)[None].astype(np.uint8), 2, "G6"))
    assert len(content) == 1084
    assert content[:24].hex(" ") == "47 36 50 54 20 00 01 00 02 0a 01 ff ff 0f 00 00 00 dc 46 52 00 00 81 10"


@pytest.mark.parametrize(
    ("row", "column", "at", "of_2", "of_16"),
    [
        (0, 0, (0, 0), 128, 240),
        (0, 1, (0, 0), 64, 15),
        (0, 19, (2, 9), 16, 15),
        (19, 0, (47, 190), 8, 240),
        (19, 19, (49, 199), 1, 15),
    ],
)
def test_single_pixels_are_the_bytes_of_the_reference(
    row: int, column: int, at: tuple[int, int], of_2: int, of_16: int
) -> None:
    # Vectors single_pixel_00 to single_pixel_19_19; rows of the reference count as they are stored.
    for n_levels, byte_at, value in ((2, at[0], of_2), (16, at[1], of_16)):
        codes = np.zeros((1, 20, 20), np.uint8)
        codes[0, row, column] = n_levels - 1
        pixels = encode_pattern(Pattern(codes, n_levels, "G6"))[24:-3]
        assert [(i, byte) for i, byte in enumerate(pixels) if byte] == [(byte_at, value)]


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 5), st.sampled_from([2, 16]), st.integers(0, 2**32 - 1))
def test_patterns_come_back(n_frames: int, rows: int, columns: int, n_levels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, n_levels, (n_frames, 20 * rows, 20 * columns)).astype(np.uint8)
    brightness = rng.integers(0, 256, n_frames).astype(np.uint8)
    again = decode_pattern(encode_pattern(Pattern(codes, n_levels, "G6", brightness=brightness, arena=42)))
    np.testing.assert_array_equal(again.codes, codes)
    assert again.brightness is not None
    np.testing.assert_array_equal(again.brightness, brightness)
    assert again[1:4] + again[5:] == (n_levels, "G6", 1, 42)


def test_panels_are_stored_from_the_bottom_row_on() -> None:
    codes = np.zeros((1, 40, 40), np.uint8)
    codes[0, 39, 20] = 15  # bottom row of pixels, second column of panels
    content = encode_pattern(Pattern(codes, 16, "G6"))
    second_panel = content[18 + 4 + 203 : 18 + 4 + 2 * 203]
    assert second_panel[2 + 19 * 10] == 0xF0


@given(st.integers(0, 1083), st.integers(0, 7))
def test_no_bit_changes_unnoticed(at: int, bit: int) -> None:
    content = bytearray(encode_pattern(Pattern(np.zeros((1, 40, 200), np.uint8), 2, "G6")))
    content[at] ^= 1 << bit
    with pytest.raises(FileError):
        decode_pattern(bytes(content))


def earlier(content: bytes, n_frames: int) -> bytes:
    """The file as earlier tools wrote it: no end of frames, and the exclusive or of them in byte 17."""
    frames = np.frombuffer(content, np.uint8, offset=18).reshape(n_frames, -1)[:, :-2]
    return content[:17] + bytes([np.bitwise_xor.reduce(frames, axis=None)]) + frames.tobytes()


def test_files_of_earlier_tools_are_read_and_judged() -> None:
    codes = np.random.default_rng(0).integers(0, 16, (3, 20, 40)).astype(np.uint8)
    content = earlier(encode_pattern(Pattern(codes, 16, "G6")), 3)
    np.testing.assert_array_equal(decode_pattern(content).codes, codes)
    with pytest.raises(FileError, match=r"checksum of a G6 pattern \(byte 17\) does not fit its frames"):
        decode_pattern(content[:-1] + bytes([content[-1] ^ 1]))
    no_commands = np.frombuffer(content, np.uint8, offset=18).reshape(3, -1).copy()
    for at in (4, 4 + 203):
        no_commands[:, at : at + 2] = 0
    checksum = bytes([np.bitwise_xor.reduce(no_commands, axis=None)])
    np.testing.assert_array_equal(decode_pattern(content[:17] + checksum + no_commands.tobytes()).codes, codes)
    version_1 = content[:4] + b"\x01\x02" + content[6:10] + b"\x00" + content[11:17] + content[18:]
    np.testing.assert_array_equal(decode_pattern(version_1).codes, codes)


def test_each_damage_has_its_sentence() -> None:
    content = encode_pattern(Pattern(np.zeros((2, 20, 20), np.uint8), 2, "G6"))

    def with_byte(at: int, value: int) -> bytes:
        return content[:at] + bytes([value]) + content[at + 1 :]

    for damaged, sentence in [
        (with_byte(30, 255), r"checksum of frame 0 of a G6 pattern \(CRC-16\) does not fit.*Copy the file again"),
        (with_byte(17, content[17] ^ 1), r"checksum of the header of a G6 pattern \(CRC-8, byte 17\) does not fit"),
        (with_byte(4, 0x30), "a G6 pattern of version 3, expected version 1 or 2"),
        (with_byte(10, 3), "names pixels of kind 3"),
        (with_byte(9, 2), "has 1 panels of 1 x 2, expected all of"),
        (content[:-1], f"has {len(content) - 1} bytes, not {len(content)}"),
        (content[:10], "has 10 bytes, fewer than a header"),
    ]:
        with pytest.raises(FileError, match=sentence):
            decode_pattern(damaged)


def test_what_a_g6_file_cannot_hold_is_refused() -> None:
    with pytest.raises(ShapeError, match="7 x 7 panels, expected at most 48"):
        encode_pattern(Pattern(np.zeros((1, 140, 140), np.uint8), 2, "G6"))
    with pytest.raises(ShapeError, match="positions along y"):
        encode_pattern(Pattern(np.zeros((4, 20, 20), np.uint8), 2, "G6", n_y=2))
    with pytest.raises(ShapeError, match=r"30 x 20 pixels .* G6 arena, expected multiples of 20"):
        encode_pattern(Pattern(np.zeros((4, 30, 20), np.uint8), 2, "G6"))
