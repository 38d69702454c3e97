"""Files: what is written is read back, what is missing is asked for, and what is broken is said to be."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from stcnn import stimuli as s
from stcnn.errors import DataError, FileError, ShapeError, StcnnError
from stcnn.movie import Movie
from stcnn.stimuli import Screen, Timing, on_screen, read_movie, write_movie

SCREEN = Screen(shape_px=(25, 33), deg_per_px=2, rate_hz=120)


@pytest.fixture(scope="module")
def movie() -> Movie:
    return s.moving_spot(SCREEN, size_deg=15, speed_deg_s=200, timing=Timing(before_s=0.05))


SAID: dict[str, Any] = {"rate_hz": 120.0, "deg_per_px": 2.0, "background": 0.498}


@pytest.mark.parametrize("ending", ["npz", "npy", "mp4", "tif", "tiff", "gif"])
def test_frames_come_back_as_they_were_written(movie: Movie, tmp_path: Path, ending: str) -> None:
    path = write_movie(movie, tmp_path / f"new folder/movie.{ending}")
    again = read_movie(path, **SAID)
    exact = ending in ("npz", "npy")
    np.testing.assert_allclose(again.luminance(), movie.luminance(), atol=0 if exact else 0.5001 / 255)
    assert (again.rate_hz, again.deg_per_px, again.background) == (120, 2, 0.498)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", ["npz", "mp4", "tif", "gif"])
def test_grey_is_still_exactly_grey(movie: Movie, tmp_path: Path, ending: str) -> None:
    again = read_movie(write_movie(movie, tmp_path / f"movie.{ending}"), **SAID)
    assert not again.contrast()[:6].any()


@pytest.mark.parametrize("ending", ["npz", "mp4", "tif"])
def test_files_of_ours_say_all_about_themselves(movie: Movie, tmp_path: Path, ending: str) -> None:
    again = read_movie(write_movie(movie, tmp_path / f"movie.{ending}"))
    assert (again.rate_hz, again.deg_per_px, again.background) == (120, 2, 0.498)
    assert again.onset_s == 0.05
    assert again.parameters == movie.parameters


def test_npz_keeps_codes_levels_and_track(movie: Movie, tmp_path: Path) -> None:
    coded = s.flash(SCREEN, luminance=0.9, duration_s=0.1, timing=Timing(before_s=0.1)).coded()
    again = read_movie(write_movie(coded, tmp_path / "flash.npz"))
    assert again.frames.dtype == np.uint8
    np.testing.assert_array_equal(again.luminance(), coded.luminance())
    moved = read_movie(write_movie(movie, tmp_path / "spot.npz"))
    np.testing.assert_array_equal(moved.track["azimuth_deg"], movie.track["azimuth_deg"])


@pytest.mark.parametrize(
    ("ending", "missing"),
    [
        ("npy", "rate_hz and deg_per_px and background"),
        ("gif", "deg_per_px and background"),
        ("pat", "rate_hz and deg_per_px and background"),
    ],
)
def test_what_a_file_does_not_say_is_asked_for(tmp_path: Path, ending: str, missing: str) -> None:
    flash = s.flash(Screen(shape_px=(16, 32)), luminance=1, duration_s=0.1)
    path = write_movie(flash, tmp_path / f"movie.{ending}")
    with pytest.raises(DataError, match=f"does not say its {missing}"):
        read_movie(path)
    with pytest.raises(DataError, match=r"does not say its deg_per_px\."):
        read_movie(path, rate_hz=100, background=0.5)


def foreign_video(path: Path, frames: NDArray[np.uint8], times: list[int], rate: int = 30) -> Path:
    """A colour video such as others make: 4:2:0, limited range, high quality; times in units of 1 / rate."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "1"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        for rgb, time in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def grey_ramp(n_frames: int) -> NDArray[np.uint8]:
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    frames = np.broadcast_to(ramp[None, None, :, None], (n_frames, 48, 64, 3)).copy()
    frames[:, :8] = (np.arange(n_frames) * 20).astype(np.uint8)[:, None, None, None]
    return frames


def test_a_video_of_somebody_else_is_read_with_its_full_range(tmp_path: Path) -> None:
    path = foreign_video(tmp_path / "theirs.mp4", grey_ramp(10), list(range(10)))
    with pytest.raises(DataError, match="does not say its deg_per_px and background"):
        read_movie(path)
    movie = read_movie(path, deg_per_px=0.5, background=0.5)
    assert (movie.rate_hz, movie.n_frames, movie.shape_px) == (30, 10, (48, 64))
    np.testing.assert_allclose(movie.luminance()[4, 20], grey_ramp(1)[0, 20, :, 0] / 255, atol=0.02)
    np.testing.assert_allclose(movie.luminance()[:, 3, 5], np.arange(10) * 20 / 255, atol=0.02)


def test_a_picture_that_stays_longer_in_a_video_is_held(tmp_path: Path) -> None:
    path = foreign_video(tmp_path / "gaps.mp4", grey_ramp(4), [0, 2, 3, 6], rate=30)
    movie = read_movie(path, deg_per_px=1, background=0.5, rate_hz=30)
    light = np.round(movie.luminance()[:, 3, 5] * 255 / 20)
    order = light[np.insert(np.diff(light) != 0, 0, True)]
    assert order.tolist() == [0, 1, 2, 3]
    assert np.count_nonzero(light == 2) > np.count_nonzero(light == 1)


def test_a_video_is_shown_on_a_screen_without_loading_it_whole(tmp_path: Path) -> None:
    path = foreign_video(tmp_path / "theirs.mp4", grey_ramp(10), list(range(10)))
    screen = Screen(shape_px=(20, 20), deg_per_px=2, rate_hz=180)
    shown = read_movie(path, deg_per_px=0.5, background=0.5, screen=screen)
    whole = on_screen(read_movie(path, deg_per_px=0.5, background=0.5), screen)
    np.testing.assert_allclose(shown.luminance(), whole.luminance(), atol=1e-6)
    assert (shown.n_frames, shown.rate_hz, shown.shape_px) == (60, 180, (20, 20))
    assert (shown.luminance()[:, 0] == np.float32(0.5)).all()  # 24 x 32 degrees on a field of 40


def test_colour_and_depth_of_arrays_are_understood(tmp_path: Path) -> None:
    colour = np.zeros((3, 4, 5, 3), np.uint8)
    colour[..., 1] = 255
    np.save(tmp_path / "green.npy", colour)
    deep = np.full((3, 4, 5), 2**15, np.uint16)
    tifffile.imwrite(tmp_path / "deep.tif", deep, photometric="minisblack")
    assert read_movie(tmp_path / "green.npy", **SAID).luminance()[0, 0, 0] == pytest.approx(0.587, abs=0.003)
    assert read_movie(tmp_path / "deep.tif", **SAID).luminance()[0, 0, 0] == pytest.approx(0.5, abs=1e-3)


def test_numbers_that_are_no_luminance_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "large.npy", np.full((3, 4, 5), 200.0))
    np.save(tmp_path / "flat.npy", np.zeros((4, 5)))
    with pytest.raises(ShapeError, match="from 0"):
        read_movie(tmp_path / "large.npy", **SAID)
    with pytest.raises(ShapeError, match="T, Y, X"):
        read_movie(tmp_path / "flat.npy", **SAID)


@pytest.mark.parametrize("ending", ["npz", "npy", "mp4", "tif", "gif", "pat"])
@pytest.mark.parametrize("content", [b"", b"not what it says", bytes(range(256)) * 9])
def test_broken_files_are_said_to_be_broken(tmp_path: Path, ending: str, content: bytes) -> None:
    path = tmp_path / f"broken.{ending}"
    path.write_bytes(content)
    with pytest.raises(FileError, match="broken"):
        read_movie(path, **SAID)


@pytest.mark.parametrize("ending", ["npz", "mp4", "tif", "pat"])
def test_truncated_files_are_said_to_be_broken(tmp_path: Path, ending: str) -> None:
    flash = s.white_noise(Screen(shape_px=(48, 48)), check_deg=1, update_hz=180, duration_s=0.2)
    path = write_movie(flash, tmp_path / f"short.{ending}")
    path.write_bytes(path.read_bytes()[:-700])
    with pytest.raises(StcnnError, match="short"):
        read_movie(path, **SAID)


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(FileError, match="holds Python objects"):
        read_movie(tmp_path / "objects.npy", **SAID)


def test_unknown_endings_and_absent_files_are_named(movie: Movie, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"no movie format. Did you mean '.mp4'|Valid names"):
        write_movie(movie, tmp_path / "movie.mp5")
    with pytest.raises(FileError, match=r"absent.mp4 does not exist"):
        read_movie(tmp_path / "absent.mp4")
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot be written"):
        write_movie(movie, tmp_path / "file" / "movie.npz")


def test_the_note_in_a_video_is_readable_by_others(movie: Movie, tmp_path: Path) -> None:
    path = write_movie(movie, tmp_path / "movie.mp4")
    with av.open(str(path)) as container:
        note = json.loads(container.metadata["comment"])["stcnn"]
    assert note["deg_per_px"] == 2
    assert note["parameters"]["size_deg"] == 15


def test_a_movie_for_the_arena_has_sixteen_levels_or_two(tmp_path: Path) -> None:
    arena = Screen(shape_px=(48, 192), deg_per_px=1.875, rate_hz=500)
    spot = s.moving_spot(arena, size_deg=20, speed_deg_s=5000, timing=Timing(before_s=0.01))
    said: dict[str, Any] = {"rate_hz": 500.0, "deg_per_px": 1.875, "background": 0.498}
    again = read_movie(write_movie(spot, tmp_path / "spot.pat"), **said)
    np.testing.assert_allclose(again.luminance(), spot.luminance(), atol=1 / 15)
    assert not again.contrast()[:5].any()
    binary = s.luminance_steps(arena, luminances=(0, 1), step_s=0.01)
    assert write_movie(binary, tmp_path / "steps.pat").read_bytes()[4] == 2
    with pytest.raises(ShapeError, match="multiples of 16"):
        write_movie(s.moving_spot(SCREEN, size_deg=5), tmp_path / "spot.pat")


@pytest.mark.parametrize(
    ("name", "shape_px", "start"), [("g6.pat", (40, 60), b"G6PT"), ("g3.mat", (24, 96), b"MATLAB")]
)
def test_movies_for_other_arenas(tmp_path: Path, name: str, shape_px: tuple[int, int], start: bytes) -> None:
    screen = Screen(shape_px=shape_px, deg_per_px=1.8, rate_hz=200)
    spot = s.moving_spot(screen, size_deg=20, speed_deg_s=1000, timing=Timing(before_s=0.01))
    path = write_movie(spot, tmp_path / name)
    assert path.read_bytes().startswith(start)
    again = read_movie(path, rate_hz=200, deg_per_px=1.8, background=0.498)
    np.testing.assert_allclose(again.luminance(), spot.luminance(), atol=1 / 15)
    assert not again.contrast()[:2].any()


def test_a_movie_keeps_its_light_on_another_screen() -> None:
    spot = s.moving_spot(Screen(shape_px=(60, 60), deg_per_px=0.5, rate_hz=60), size_deg=6, start_deg=-5, stop_deg=5)
    for screen in (Screen(shape_px=(41, 35), deg_per_px=1.3, rate_hz=60), Screen(deg_per_px=0.4, rate_hz=60)):
        light = on_screen(spot, screen, azimuth_deg=2, elevation_deg=-1).contrast().sum(axis=(1, 2))
        expected = spot.contrast().sum(axis=(1, 2)) * 0.25 / screen.deg_per_px**2
        np.testing.assert_allclose(light, expected, rtol=1e-4)


def test_a_movie_on_the_same_screen_is_the_same_movie_and_frames_are_held_at_other_rates(movie: Movie) -> None:
    np.testing.assert_allclose(on_screen(movie, SCREEN).luminance(), movie.luminance(), atol=1e-6)
    faster = on_screen(movie, SCREEN.model_copy(update={"rate_hz": 360}))
    np.testing.assert_allclose(faster.luminance()[::3], movie.luminance(), atol=1e-6)
    np.testing.assert_array_equal(faster.luminance()[1::3], faster.luminance()[::3])
    assert len(faster.track["azimuth_deg"]) == faster.n_frames


def test_any_file_is_a_stimulus(movie: Movie, tmp_path: Path) -> None:
    path = write_movie(movie, tmp_path / "movie.npz")
    shown = s.recorded(SCREEN, path=str(path), timing=Timing(before_s=0.1))
    np.testing.assert_allclose(shown.luminance()[12:], movie.luminance(), atol=1e-6)
    assert not shown.contrast()[:12].any()
    moved = s.recorded(SCREEN, path=str(path), azimuth_deg=10)
    np.testing.assert_allclose(moved.luminance()[:, :, 5:], movie.luminance()[:, :, :-5], atol=1e-6)
    with pytest.raises(DataError, match="deg_per_px"):
        s.recorded(SCREEN, path=str(write_movie(movie, tmp_path / "movie.npy")), rate_hz=10)


def test_a_gif_whose_header_asks_for_a_huge_picture_is_refused_before_it_is_decoded(
    movie: Movie, tmp_path: Path
) -> None:
    path = write_movie(movie, tmp_path / "movie.gif")
    damaged = bytearray(path.read_bytes())
    damaged[6:8] = b"\xff\xff"
    path.write_bytes(damaged)
    with pytest.raises(FileError, match=r"says that its pictures are 65535 x .*expected sides of at most 16,384 px"):
        read_movie(path, deg_per_px=1, background=0.5)
