"""Videos and GIFs: every frame at its time, as it lies, and only if all of it is there."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stcnn.data.importers.movies import movies_from_specs
from stcnn.data.importers.nwb.movies import ExternalMovie
from stcnn.data.on_demand import JoinedMovies
from stcnn.errors import ConfigError, DataError, FileError, RateError
from stcnn.stimuli import Screen, file_and_choices, read_movie, render
from stcnn.stimuli.formats.gif import delays_of
from stcnn.stimuli.specification import specified_movie

SAID: dict[str, Any] = {"deg_per_px": 1.0, "background": 0.5}
MS = Fraction(1, 1000)
REORDERED = {"bf": "3", "b-adapt": "0", "crf": "1"}  # lossless (crf 0) would have no B-frames
MATRICES = {
    "clockwise": (0, 1, -1, 0),
    "counterclockwise": (0, -1, 1, 0),
    "180 degrees": (-1, 0, 0, -1),
}


def video(
    path: Path,
    ticks: Sequence[int],
    options: dict[str, str] | None = None,
    *,
    tick: Fraction = MS,
    pictures: Sequence[NDArray[np.uint8]] | None = None,
    pix_fmt: str = "yuv420p",
    codec: str = "libx264",
    aspect: Fraction | None = None,
) -> Path:
    """Write pictures (by default frame i is grey 20 + 4 i) at these times."""
    pictures = pictures or [np.full((16, 16), 20 + 4 * i, np.uint8) for i in range(len(ticks))]
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream(codec, rate=25, options=options or {"crf": "0"})
        stream.height, stream.width = pictures[0].shape
        stream.pix_fmt, stream.codec_context.time_base = pix_fmt, tick
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        for picture, time in zip(pictures, ticks, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format=pix_fmt)
            frame.pts, frame.time_base = time, tick
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def numbers(luminance: NDArray[np.float32]) -> NDArray[np.int64]:
    """Which frame of :func:`video` each picture is."""
    return np.rint((luminance[:, 8, 8] * 255 - 20) / 4).astype(int)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 3000),
    st.lists(st.integers(1, 12).map(lambda n: 20 * n), min_size=1, max_size=15),
    st.sampled_from(["mp4", "mkv"]),
    st.sampled_from([REORDERED, {"bf": "0", "crf": "0"}]),
)
def test_what_is_seen_at_any_time_is_the_frame_presented_then(
    tmp_path: Path, start: int, intervals: list[int], ending: str, options: dict[str, str]
) -> None:
    times_ms = np.cumsum([start, *intervals])
    path = video(tmp_path / f"v.{ending}", times_ms.tolist(), options)
    movie = read_movie(path, **SAID)
    asked_s = np.arange(0, (times_ms[-1] - start) / 1000, 0.002) + 0.001
    true = np.searchsorted((times_ms - start) / 1000, asked_s, side="right") - 1
    seen = numbers(movie.luminance())[np.floor(asked_s * movie.rate_hz + 1e-6).astype(int)]
    np.testing.assert_array_equal(seen, true)
    assert len(np.unique(numbers(movie.luminance()))) == len(times_ms)  # nothing is dropped


def test_a_movie_resampled_says_its_greatest_error_and_goes_to_a_screen_likewise(tmp_path: Path) -> None:
    times_ms = [0, 37, 91, 300, 317, 650]
    path = video(tmp_path / "v.mp4", times_ms, REORDERED)
    movie = read_movie(path, **SAID)
    assert any("held until the next" in note and "off by at most" in note for note in movie.notes)
    screen = Screen(shape_px=(8, 8), deg_per_px=1, rate_hz=180)
    shown = numbers(np.repeat(np.repeat(read_movie(path, screen=screen, **SAID).luminance(), 2, 1), 2, 2))
    true = np.searchsorted(np.array(times_ms) / 1000, np.arange(len(shown)) / 180, side="right") - 1
    late = np.flatnonzero(shown != true)
    assert all(abs(np.array(times_ms) / 1000 - i / 180).min() <= 0.0025 for i in late)
    given = read_movie(path, rate_hz=100, **SAID)
    assert [int(np.flatnonzero(numbers(given.luminance()) == i)[0]) for i in range(6)] == [0, 4, 9, 30, 32, 65]
    with pytest.raises(DataError, match=r"at 20 Hz .* would be left out"):
        read_movie(path, rate_hz=20, **SAID)
    assert read_movie(path, rate_hz=20, clock="even", **SAID).n_frames == 6


def test_a_late_start_is_noted_and_the_movie_starts_with_its_first_frame(tmp_path: Path) -> None:
    for ending in ("mkv", "mp4"):
        movie = read_movie(video(tmp_path / f"late.{ending}", [2000, 2040, 2080]), **SAID)
        assert numbers(movie.luminance()).tolist() == [0, 1, 2]
        assert any("its first picture stands at 2 s of the file" in note for note in movie.notes)


def test_exact_rates_are_kept(tmp_path: Path) -> None:
    tick = Fraction(1001, 30000)
    for ending in ("mp4", "avi"):
        path = video(tmp_path / f"ntsc.{ending}", range(40), REORDERED, tick=tick)
        assert (read_movie(path, **SAID).rate_hz, read_movie(path, **SAID).n_frames) == (30000 / 1001, 40)
    as_told = read_movie(path, rate_hz=60, **SAID)
    assert (as_told.rate_hz, as_told.n_frames) == (60, 40)
    assert any("states 29.97" in note and "60 Hz, as told" in note for note in as_told.notes)


def test_an_avi_that_does_not_say_when_its_frames_are_shown_is_refused(tmp_path: Path) -> None:
    times = [0, 40, 80, 400, 440, 600]
    in_order = read_movie(video(tmp_path / "a.avi", times, {"bf": "0", "crf": "0"}), **SAID)
    assert numbers(in_order.luminance()).tolist() == [0, 1, *[2] * 8, 3, *[4] * 4, 5]
    with pytest.raises(RateError, match=r"B-frames.*clock: even"):
        read_movie(video(tmp_path / "b.avi", times, REORDERED), **SAID)


def test_ranges_and_bits_agree_with_swscale(tmp_path: Path) -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for codec, pix_fmt, ending in (
        ("libx264", "yuv420p", "mp4"),
        ("ffv1", "yuv420p10le", "mkv"),
        ("ffv1", "gray", "mkv"),
        ("ffv1", "gray10le", "mkv"),
        ("mjpeg", "yuvj420p", "avi"),
        ("rawvideo", "nv12", "avi"),
        ("rawvideo", "yuyv422", "avi"),
        ("png", "rgb24", "mov"),
        ("prores_ks", "yuva444p10le", "mov"),
    ):
        options = {"crf": "0"} if codec == "libx264" else {"qmin": "1", "q": "1"} if codec == "mjpeg" else {"q": "0"}
        path = video(
            tmp_path / f"{pix_fmt}.{ending}", [0, 40], options, pictures=[ramp] * 2, pix_fmt=pix_fmt, codec=codec
        )
        with av.open(str(path)) as file:
            swscale = next(file.decode(video=0)).to_ndarray(format="gray") / 255
        np.testing.assert_allclose(read_movie(path, **SAID).luminance()[0], swscale, atol=1.6 / 255, err_msg=pix_fmt)


def turned(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Write a display matrix (a, b, c, d) into the track header of an mp4."""
    a, b, c, d = (v * 2**16 for v in matrix)
    content = bytearray(path.read_bytes())
    at = content.find(b"tkhd") + 4 + 4 + 20 + 16
    content[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("name", "steps"), [("clockwise", 3), ("counterclockwise", 1), ("180 degrees", 2)])
def test_a_rotation_is_asked_for_and_applied(tmp_path: Path, name: str, steps: int) -> None:
    picture = np.zeros((16, 32), np.uint8)
    picture[:8, :8], picture[:8, 8:16] = 255, 100
    path = turned(video(tmp_path / "r.mp4", [0, 40, 80], pictures=[picture] * 3), MATRICES[name])
    with pytest.raises(DataError, match=f"{name}.*rotation: apply"):
        read_movie(path, **SAID)
    stored = read_movie(path, rotation="ignore", **SAID).luminance()[0]
    applied = read_movie(path, rotation="apply", **SAID)
    np.testing.assert_array_equal(applied.luminance()[0], np.rot90(stored, steps))
    assert any(name in note for note in applied.notes)
    with av.open(str(path)) as file:  # PyAV gives degrees counterclockwise
        assert next(file.decode(video=0)).rotation % 360 == 90 * steps
    with pytest.raises(ConfigError, match="rotation='maybe'"):
        read_movie(path, rotation="maybe", **SAID)  # type: ignore[arg-type]


def test_pixels_that_are_not_square_are_asked_for(tmp_path: Path) -> None:
    halves = np.repeat(np.array([[30, 200]], np.uint8), 8, 1).repeat(16, 0)
    path = video(tmp_path / "sar.mp4", [0, 40], pictures=[halves] * 2, aspect=Fraction(2, 1))
    with pytest.raises(DataError, match=r"not square \(2:1\).*pixel_aspect: apply"):
        read_movie(path, **SAID)
    square, wide = (read_movie(path, pixel_aspect=choice, **SAID) for choice in ("ignore", "apply"))
    np.testing.assert_allclose(wide.luminance(), np.repeat(square.luminance(), 2, 2), atol=1e-6)


def test_fields_high_dynamic_range_and_several_videos_are_refused(tmp_path: Path) -> None:
    path = video(tmp_path / "fields.mp4", [0, 40, 80], {"x264-params": "interlaced=1"})
    with pytest.raises(DataError, match="interlaced: 3 of its 3 frames"):
        read_movie(path, **SAID)
    assert read_movie(path, interlaced="ignore", **SAID).n_frames == 3
    with pytest.raises(FileError, match="high dynamic range PQ"):
        read_movie(video(tmp_path / "hdr.mp4", [0, 40], {"x264-params": "transfer=smpte2084"}), **SAID)
    with av.open(str(tmp_path / "two.mkv"), "w") as file:
        streams: list[Any] = [file.add_stream("ffv1", rate=25) for _ in range(2)]
        for stream in streams:
            stream.height, stream.width, stream.pix_fmt = 16, 16, "gray"
        for i, stream in enumerate(streams):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((16, 16), 100 * i, np.uint8), format="gray")))
            file.mux(stream.encode())
    with pytest.raises(DataError, match=r"holds 2 videos.*series: 0"):
        read_movie(tmp_path / "two.mkv", **SAID)
    assert read_movie(tmp_path / "two.mkv", series=1, **SAID).luminance().max() == np.float32(100 / 255)


def test_a_transparent_video_lets_the_background_through(tmp_path: Path) -> None:
    rgba = np.zeros((16, 16, 4), np.uint8)
    rgba[:8] = 255
    with av.open(str(tmp_path / "alpha.mov"), "w") as file:
        stream: Any = file.add_stream("png", rate=25)
        stream.height, stream.width, stream.pix_fmt = 16, 16, "rgba"
        file.mux(stream.encode(av.VideoFrame.from_ndarray(rgba, format="rgba")))
        file.mux(stream.encode())
    movie = read_movie(tmp_path / "alpha.mov", deg_per_px=1, background=0.3)
    assert np.unique(movie.luminance()).tolist() == [np.float32(0.3), 1]
    assert any("not opaque" in note for note in movie.notes)


@pytest.mark.parametrize(("ending", "share"), [("mkv", 0.6), ("mp4", 0.5), ("avi", 0.9), ("webm", 0.95)])
def test_a_video_that_breaks_off_is_refused(tmp_path: Path, ending: str, share: float) -> None:
    noise = list(np.random.default_rng(0).integers(0, 255, (50, 16, 16)).astype(np.uint8))
    codec, options = ("libvpx", {}) if ending == "webm" else ("libx264", {"crf": "1"})
    options |= {"movflags": "faststart"} if ending == "mp4" else {}
    tick = Fraction(1, 25)
    path = tmp_path / f"v.{ending}"
    with av.open(str(path), "w", options={"movflags": "faststart"} if ending == "mp4" else {}) as file:
        stream: Any = file.add_stream(codec, rate=25, options={k: v for k, v in options.items() if k != "movflags"})
        stream.height, stream.width, stream.pix_fmt = 16, 16, "yuv420p"
        for i, picture in enumerate(noise):
            frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = i, tick
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    assert read_movie(path, **SAID).n_frames == 50
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(FileError, match=r"is incomplete or damaged: .*incomplete: accept"):
        read_movie(path, **SAID)
    accepted = read_movie(path, incomplete="accept", **SAID)
    assert 5 < accepted.n_frames < 50
    assert any("incomplete" in note for note in accepted.notes)


def gif(delays: Sequence[int], *, trailer: bool = True) -> bytes:
    """A GIF of 2 x 2 px, black and white in turn, by the letter of the standard."""
    out = b"GIF89a" + struct.pack("<HHBBB", 2, 2, 0x80, 0, 0) + bytes([0, 0, 0, 255, 255, 255])
    for i, delay in enumerate(delays):
        bits = sum(
            code << 3 * place for place, code in enumerate([4, i % 2] * 4 + [5])
        )  # a clear code before each pixel
        out += b"\x21\xf9\x04" + struct.pack("<BHB", 0, delay, 0) + b"\x00"
        out += b"\x2c" + struct.pack("<HHHHB", 0, 0, 2, 2, 0) + b"\x02\x04" + bits.to_bytes(4, "little") + b"\x00"
    return out + (b"\x3b" if trailer else b"")


@pytest.mark.parametrize(
    ("delays", "rate_hz", "shown"),
    [
        ([4, 4, 4], 25, [0, 1, 0]),
        ([2, 2], 50, [0, 1]),
        ([10, 30, 10], 10, [0, 1, 1, 1, 0]),
        ([0, 1, 0], 10, [0, 1, 0]),
        ([5, 0, 15], 20, [0, 1, 1, 0, 0, 0]),
    ],
)
def test_the_delays_of_a_gif_are_kept(tmp_path: Path, delays: list[int], rate_hz: float, shown: list[int]) -> None:
    (tmp_path / "x.gif").write_bytes(gif(delays))
    movie = read_movie(tmp_path / "x.gif", **SAID)
    assert movie.rate_hz == pytest.approx(rate_hz, abs=1e-9)
    assert movie.luminance()[:, 0, 0].tolist() == shown
    assert any("as browsers do" in note for note in movie.notes) == (min(delays) < 2)
    assert delays_of(gif(delays)) == (delays, True)
    (tmp_path / "cut.gif").write_bytes(gif(delays, trailer=False))
    with pytest.raises(FileError, match="its last block is missing"):
        read_movie(tmp_path / "cut.gif", **SAID)


def test_a_file_is_what_it_holds_and_nothing_else_is_opened(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(gif([10, 10]))
    assert any("that of a .gif file" in note for note in read_movie(tmp_path / "x.mp4", **SAID).notes)
    video(tmp_path / "secret.mp4", [0, 40])
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile {tmp_path}/secret.mp4\n")
    (tmp_path / "play.mp4").write_text(f"#EXTM3U\n#EXTINF:1,\nfile://{tmp_path}/secret.mp4\n#EXT-X-ENDLIST\n")
    for name in ("list", "play"):
        with pytest.raises(FileError, match="cannot be read as a video"):
            read_movie(tmp_path / f"{name}.mp4", **SAID)


def test_a_picture_that_changes_its_size_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "v.mkv"), "w") as file:
        stream: Any = file.add_stream("mjpeg", rate=25)
        stream.height, stream.width, stream.pix_fmt = 16, 16, "yuvj420p"
        sizes = (16, 16, 32)
        packets = []
        for i, size in enumerate(sizes):
            encoder: Any = av.CodecContext.create("mjpeg", "w")
            encoder.width = encoder.height = size
            encoder.pix_fmt, encoder.time_base = "yuvj420p", Fraction(1, 25)
            frame = av.VideoFrame.from_ndarray(np.full((size, size), 99, np.uint8), format="gray")
            frame.pts, frame.time_base = i, Fraction(1, 25)
            packets += [*encoder.encode(frame.reformat(format="yuvj420p")), *encoder.encode()]
        for i, packet in enumerate(packets):
            packet.stream, packet.pts, packet.dts = stream, 40 * i, 40 * i
            packet.time_base = Fraction(1, 1000)
            file.mux(packet)
    with pytest.raises(FileError, match=r"changes from 16 x 16 px .* to 32 x 32 px"):
        read_movie(tmp_path / "v.mkv", **SAID)


def test_a_stimulus_from_a_file_can_say_how_to_read_it(tmp_path: Path) -> None:
    path = turned(video(tmp_path / "r.mp4", [0, 40, 80]), MATRICES["clockwise"])
    screen = Screen(shape_px=(16, 16), deg_per_px=1, rate_hz=25, background=0.5)
    arguments = {"kind": "recorded", "path": str(path), "deg_per_px": 1}
    with pytest.raises(DataError, match="rotation: apply"):
        render(screen, arguments)
    movie = render(screen, {**arguments, "reading": {"rotation": "ignore"}})
    assert numbers(movie.luminance()).tolist() == [0, 1, 2]


def test_a_file_on_the_command_line_can_say_how_to_read_it() -> None:
    path, choices = file_and_choices("clips/street.mp4:rotation=apply,rate_hz=30", deg_per_px=0.5)
    assert (path, choices.rotation, choices.rate_hz, choices.deg_per_px) == (Path("clips/street.mp4"), "apply", 30, 0.5)
    assert file_and_choices("a:b.mp4")[0] == Path("a:b.mp4")


def test_a_picture_too_large_for_the_memory_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    content = bytearray(gif([10, 10]))
    content[6:10] = struct.pack("<HH", 60000, 30000)
    (tmp_path / "large.gif").write_bytes(content)
    with pytest.raises(FileError, match=r"large.gif"):
        read_movie(tmp_path / "large.gif", **SAID)


def test_notes_of_movies_are_kept_when_data_are_joined(tmp_path: Path) -> None:
    video(tmp_path / "late.mkv", [2000, 2040, 2080])
    spec = {"file": tmp_path / "late.mkv", **SAID}
    movies, _ = movies_from_specs({"late": spec}, specified_movie, ["late"])
    assert any("stands at 2 s" in note for note in JoinedMovies([movies, movies]).notes)


def test_frames_beside_an_nwb_file_are_counted_by_its_clock(tmp_path: Path) -> None:
    path = video(tmp_path / "v.mp4", [0, 40, 400], REORDERED)
    said = {"rate_hz": 50.0, "deg_per_px": 1.0, "background": 0.5}
    movie = ExternalMovie("x.nwb", (path, path), (0, 3), said, 6, None).read(specified_movie)
    assert numbers(movie.luminance()).tolist() == [0, 1, 2] * 2
    assert (movie.rate_hz, any("one after the other at 50 Hz" in note for note in movie.notes)) == (50, True)


def test_what_an_edit_list_leaves_out_is_not_shown_and_not_missed(tmp_path: Path) -> None:
    """A recording whose beginning was cut without encoding it again: its first frames lie in the file all the same."""
    whole = video(tmp_path / "whole.mp4", range(0, 800, 40), {"bf": "0", "crf": "0", "g": "5"})
    with (
        av.open(str(whole)) as source,
        av.open(str(tmp_path / "cut.mp4"), "w", options={"avoid_negative_ts": "disabled"}) as cut,
    ):
        stream = cut.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None and packet.pts is not None and packet.time_base is not None:
                packet.stream, early = stream, int(0.2 / packet.time_base)
                packet.pts -= early
                packet.dts -= early
                cut.mux(packet)
    movie = read_movie(tmp_path / "cut.mp4", **SAID)
    assert numbers(movie.luminance()).tolist() == list(range(5, 20))
    assert any("frame" in note for note in movie.notes)
    content = (tmp_path / "cut.mp4").read_bytes()
    (tmp_path / "short.mp4").write_bytes(content[: len(content) // 2])
    with pytest.raises(FileError):
        read_movie(tmp_path / "short.mp4", **SAID)
