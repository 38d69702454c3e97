"""Arrays and TIFF: what their numbers and axes mean, or a sentence that asks."""

from __future__ import annotations

import os
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stcnn.data.importers.movies import movies_from_specs
from stcnn.errors import ConfigError, DataError, FileError, ShapeError
from stcnn.movie import Movie
from stcnn.stimuli import ReadingWarning, read_movie
from stcnn.stimuli.formats.arrays import array_source
from stcnn.stimuli.formats.source import Choices
from stcnn.stimuli.specification import specified_movie

SAID: dict[str, Any] = {"rate_hz": 10.0, "deg_per_px": 1.0, "background": 0.5}
CODES = (np.arange(6, dtype=np.uint8) * 40)[:, None, None] * np.ones((1, 8, 8), np.uint8)


def saved(folder: Path, values: NDArray[Any]) -> Path:
    np.save(folder / "movie.npy", values)
    return folder / "movie.npy"


def tiff(folder: Path, values: NDArray[Any], **options: Any) -> Path:
    tifffile.imwrite(folder / "movie.tif", values, **options)
    return folder / "movie.tif"


def light(path: Path, **choices: Any) -> list[float]:
    """Luminance of each frame."""
    return np.round(read_movie(path, **{**SAID, **choices}).luminance()[:, 0, 0], 4).tolist()


@pytest.mark.parametrize("kind", ["u1", "u2", "i8", "?", "f4"])
def test_binary_noise_is_black_and_white_however_it_is_saved(tmp_path: Path, kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 2, (6, 8, 8))
    path = saved(tmp_path, noise.astype(kind))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        movie = read_movie(path, **SAID)
    np.testing.assert_array_equal(movie.luminance(), noise)
    guessed = kind in ("u1", "u2")
    assert [warning.category for warning in caught] == ([ReadingWarning] if guessed else [])
    assert any("only 0 and 1" in note for note in movie.notes) == guessed
    if guessed:
        largest = float(np.iinfo(kind).max)
        assert read_movie(path, white=largest, **SAID).luminance().max() == pytest.approx(1 / largest)
        assert not any("only 0 and 1" in note for note in read_movie(path, white=1, **SAID).notes)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((3, 4, 5), 7, np.uint8), "largest value of the movie is 7 of 255.*white: 7"),
        (np.full((3, 4, 5), 3000, np.uint16), "3000 of 65535.*white: 4095"),
        (np.full((3, 4, 5), 200, np.int64), "whole numbers.*up to 200.*white: 255"),
        (np.full((3, 4, 5), -1, np.int16), "no value below 0"),
        (np.full((3, 4, 5), 200.0), "runs from 200 to 200.*0 .black. to 1"),
        (np.full((3, 4, 5), np.nan), "not finite"),
        (np.full((3, 4, 5), 1j), "complex"),
        (np.zeros((4, 5)), r"T, Y, X"),
        (np.zeros((0, 4, 5)), "at least one frame"),
        (np.zeros((8, 8, 40)), "last axis looks like time.*axes: YXT"),
        (np.zeros((40, 30, 3)), "one picture in colour.*axes: YXC"),
        (np.zeros((3, 4, 5, 2)), r"T, Y, X"),
    ],
)
def test_numbers_and_axes_that_leave_a_doubt_are_asked_for(tmp_path: Path, values: NDArray[Any], message: str) -> None:
    with pytest.raises((DataError, ShapeError), match=message) as caught:
        read_movie(saved(tmp_path, values), **SAID)
    assert "movie.npy" in str(caught.value)


@given(st.permutations("TYX"), st.booleans(), st.integers(0, 2**32 - 1))
def test_axes_are_brought_into_order(letters: list[str], coloured: bool, seed: int) -> None:
    frames = np.random.default_rng(seed).integers(16, 256, (3, 4, 5, 3) if coloured else (3, 4, 5)).astype(np.uint8)
    order = ["TYX".index(letter) for letter in letters] + [3] * coloured
    source = array_source(frames.transpose(order), Choices(axes="".join(letters) + "C" * coloured))
    seen = np.asarray(source.pictures(0.5))
    true = np.rint(frames @ [0.299, 0.587, 0.114]) if coloured else frames
    np.testing.assert_array_equal(seen, true)


def test_white_can_be_said(tmp_path: Path) -> None:
    path = saved(tmp_path, np.array([0, 2048, 4095], np.uint16)[:, None, None] * np.ones((1, 4, 4), np.uint16))
    assert light(path, white=4095) == [0, pytest.approx(0.5001), 1]
    assert light(saved(tmp_path, np.full((2, 4, 4), 51.0)), white=255) == pytest.approx([0.2, 0.2])
    with pytest.raises(ShapeError, match="up to 4095, expected none above white"):
        light(saved(tmp_path, np.full((2, 4, 4), 4095, np.uint16)), white=255)


def test_opacity_lets_the_background_through(tmp_path: Path) -> None:
    colours = np.full((2, 4, 4, 4), 255, np.uint8)
    colours[1, ..., 3] = 0
    assert light(saved(tmp_path, colours)) == [1, pytest.approx(0.502, abs=0.003)]


def test_an_archive_of_somebody_else_is_read_where_it_has_one_array(tmp_path: Path) -> None:
    np.savez(tmp_path / "one.npz", stimulus=CODES)
    np.savez(tmp_path / "two.npz", stimulus=CODES, other=CODES)
    assert read_movie(tmp_path / "one.npz", **SAID).n_frames == 6
    with pytest.raises(FileError, match="no array 'frames' but 'stimulus', 'other'"):
        read_movie(tmp_path / "two.npz", **SAID)


def test_polarity_and_palette_of_a_tiff_are_applied(tmp_path: Path) -> None:
    true = [1 - v / 255 for v in range(0, 240, 40)]
    for values in (CODES, CODES.astype(np.uint16) * 257):
        assert light(tiff(tmp_path, values, photometric="miniswhite")) == pytest.approx(true, abs=2e-4)
    assert light(tiff(tmp_path, CODES > 100, photometric="miniswhite")) == [1, 1, 1, 0, 0, 0]
    colours = np.zeros((3, 256), np.uint16)
    colours[:, 0], colours[1, 40] = 65535, 65535
    path = tiff(tmp_path, np.where(CODES > 100, 40, 0).astype(np.uint8), photometric="palette", colormap=colours)
    assert light(path) == pytest.approx([1, 1, 1, 0.587, 0.587, 0.587], abs=1e-4)
    assert any("palette" in note for note in read_movie(path, **SAID).notes)


def test_series_of_one_shape_are_one_movie_and_others_are_named(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "m.tif") as file:
        file.write(CODES[:3], photometric="minisblack", metadata=None)
        file.write(CODES[3:], photometric="minisblack", compression="zlib")
    assert light(tmp_path / "m.tif") == pytest.approx(CODES[:, 0, 0] / 255, abs=1e-4)
    with tifffile.TiffWriter(tmp_path / "d.tif") as file:
        file.write(CODES, photometric="minisblack", metadata=None)
        file.write(CODES[:2, :4], photometric="minisblack", metadata=None)
    with pytest.raises(ShapeError, match=r"2 series of different pages \(0: 6 x 8 x 8 uint8; 1: 2 x 4 x 8 uint8\)"):
        light(tmp_path / "d.tif")
    assert len(light(tmp_path / "d.tif", series=1)) == 2
    with tifffile.TiffWriter(tmp_path / "scenes.ome.tif") as file:
        file.write(CODES)
        file.write(CODES)
    (tmp_path / "scenes.ome.tif").rename(tmp_path / "scenes.tif")
    with pytest.raises(ShapeError, match="2 series of like pages"):
        light(tmp_path / "scenes.tif")


def test_axes_and_frame_interval_of_imagej_and_ome(tmp_path: Path) -> None:
    units: dict[str, Any] = {"deg_per_px": 1.0, "background": 0.5}
    path = tiff(tmp_path, CODES, imagej=True, metadata={"axes": "TYX", "finterval": 0.05, "fps": 7})
    assert read_movie(path, **units).rate_hz == 20
    path = tiff(tmp_path, CODES, ome=True, metadata={"axes": "TYX", "TimeIncrement": 20, "TimeIncrementUnit": "ms"})
    assert read_movie(path, **units).rate_hz == pytest.approx(50)
    path = tiff(tmp_path, CODES, imagej=True, metadata={"axes": "ZYX"})
    with pytest.warns(ReadingWarning, match=r"plane .Z., taken as time"):
        assert read_movie(path, **SAID).n_frames == 6
    path = tiff(tmp_path, np.zeros((3, 2, 8, 8), np.uint8), imagej=True, metadata={"axes": "TCYX"})
    with pytest.raises(ShapeError, match="axes T 3 x C 2 x Y 8 x X 8"):
        light(path)
    assert read_movie(tiff(tmp_path, CODES[2], photometric="minisblack"), **SAID).n_frames == 1


def test_a_compression_that_cannot_be_read_names_the_package(tmp_path: Path) -> None:
    path = tiff(tmp_path, CODES, photometric="minisblack", compression="zlib")
    with tifffile.TiffFile(path, mode="r+") as file:
        pages: Any = file.pages
        for page in pages:
            page.tags["Compression"].overwrite(5)  # LZW
    with pytest.raises(FileError, match="needs imagecodecs" if find_spec("imagecodecs") is None else "movie.tif"):
        light(path)


@pytest.mark.parametrize("share", [0.2, 0.4, 0.6, 0.8, 0.95])
def test_a_tiff_that_breaks_off_is_refused(tmp_path: Path, share: float) -> None:
    with tifffile.TiffWriter(tmp_path / "m.tif") as file:
        for picture in CODES:
            file.write(picture, photometric="minisblack", metadata=None, contiguous=False)
    assert len(light(tmp_path / "m.tif")) == 6
    whole = (tmp_path / "m.tif").read_bytes()
    (tmp_path / "m.tif").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(FileError, match=r"m.tif"):
        light(tmp_path / "m.tif")


@pytest.mark.parametrize("ending", ["npz", "npy", "mp4", "gif", "mkv", "tif", "pat"])
def test_folders_and_pipes_are_refused_before_they_are_opened(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"folder.{ending}").mkdir()
    os.mkfifo(tmp_path / f"pipe.{ending}")
    for name, what in (("folder", "a folder"), ("pipe", "a pipe")):
        with pytest.raises(FileError, match=f"{name}.{ending} is {what}"):
            read_movie(tmp_path / f"{name}.{ending}", **SAID)


def test_notes_are_no_part_of_a_movie_and_go_with_it() -> None:
    movie = Movie(np.zeros((2, 3, 4)), 10.0, notes=("chosen",))
    assert movie.coded().notes == ("chosen",)
    assert Movie(np.zeros((2, 3, 4)), 10.0).notes == ()


def test_an_import_says_how_a_file_is_read_and_hears_what_was_chosen(tmp_path: Path) -> None:
    path = saved(tmp_path, np.random.default_rng(0).integers(0, 2, (6, 8, 8)).astype(np.uint8))
    spec = {"file": str(path), **{key: str(value) for key, value in SAID.items()}}
    movies, infos = movies_from_specs({"noise": spec}, specified_movie, ["noise"])
    assert any("taken as black and white" in note for note in movies.notes)
    assert infos["noise"].rate_hz == 10
    movies, _ = movies_from_specs({"noise": {**spec, "white": "255"}}, specified_movie, ["noise"])
    assert movies["noise"].luminance().max() < 0.01
    with pytest.raises(ConfigError, match=r"has the key 'rotatoin'.*rotation"):
        specified_movie({**spec, "rotatoin": "apply"})
