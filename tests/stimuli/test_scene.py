"""What all stimuli have in common: phases, rates, resolutions, parameters, track and errors."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stcnn import stimuli as s
from stcnn.errors import ConfigError
from stcnn.stimuli import Screen, Timing

PHASES = {"before_s": 0.1, "hold_first_s": 0.05, "hold_last_s": 0.1, "after_s": 0.05}
BAR = {"kind": "moving_bar", "width_deg": 4}
EXAMPLES: dict[str, dict[str, Any]] = {
    "contrast_steps": {"contrasts": [0.2, 0.9], "step_s": 0.2, "frequency_hz": 10},
    "dimming_disc": {"edge_speed_deg_s": 60, "end_deg": 30},
    "drifting_grating": {"period_deg": 7, "speed_deg_s": 33, "direction_deg": 20, "duration_s": 0.3},
    "flash": {"luminance": 0.9, "duration_s": 0.2, "patch_deg": [7, 3], "direction_deg": 33},
    "flicker": {"frequency_hz": 7.5, "duration_s": 0.4},
    "looming_disc": {"r_over_v_s": 0.02, "start_deg": 5, "end_deg": 30},
    "looming_ring": {"edge_speed_deg_s": 50, "end_deg": 30, "azimuth_deg": 2.2},
    "luminance_steps": {"luminances": [0, 1, 0.2], "step_s": 0.1},
    "moving_bar": {"width_deg": 5, "direction_deg": 77},
    "moving_dots": {"size_deg": 3, "dots_per_deg2": 0.01, "speed_deg_s": 30, "duration_s": 0.3, "lifetime_s": 0.1},
    "moving_edge": {"speed_deg_s": 80, "direction_deg": 210},
    "moving_rectangle": {"width_deg": 3, "height_deg": 8, "direction_deg": -30},
    "moving_spot": {"size_deg": 6, "direction_deg": 10, "luminance": 1},
    "natural_motion": {"duration_s": 0.2},
    "overlay": {"parts": [{"kind": "flash", "luminance": 1, "duration_s": 0.2}, BAR]},
    "receding_disc": {"edge_speed_deg_s": 50, "start_deg": 30},
    "sequence": {"parts": [{"kind": "flash", "luminance": 1, "duration_s": 0.1}, BAR]},
    "sparse_noise": {"check_deg": 12, "flash_s": 0.05, "gap_s": 0.05, "luminances": [0]},
    "white_noise": {"check_deg": 4, "update_hz": 20, "duration_s": 0.3},
}  # fmt: skip
NOT_PIXELWISE = {"moving_dots", "natural_motion"}  # independent overlaps, cut at black and white


def example(kind: str) -> dict[str, Any]:
    phases = {} if kind in ("overlay", "sequence") else {"timing": PHASES}
    return {"kind": kind, **EXAMPLES[kind], **phases}


def small(rate_hz: float = 180.0, deg_per_px: float = 1.0) -> Screen:
    return Screen(shape_px=(round(24 / deg_per_px), round(36 / deg_per_px)), deg_per_px=deg_per_px, rate_hz=rate_hz)


def test_there_is_an_example_of_every_kind() -> None:
    assert set(EXAMPLES) | {"arena_pattern", "recorded"} == set(s.kinds())


@pytest.mark.parametrize("kind", EXAMPLES)
@pytest.mark.parametrize("rate_hz", [60, 90, 180])
def test_content_is_the_same_at_every_rate(kind: str, rate_hz: float) -> None:
    fast, slow = (s.render(small(rate), example(kind)) for rate in (360, rate_hz))
    every = 360 // rate_hz
    np.testing.assert_allclose(slow.luminance(), fast.luminance()[::every][: slow.n_frames], atol=2e-6)
    assert slow.duration_s == pytest.approx(fast.duration_s, abs=2 / rate_hz)


@pytest.mark.parametrize("kind", sorted(set(EXAMPLES) - NOT_PIXELWISE))
def test_a_coarse_pixel_is_the_average_of_fine_ones(kind: str) -> None:
    coarse, fine = (s.render(small(60, deg_per_px), example(kind)).luminance() for deg_per_px in (1.0, 0.5))
    blocks = fine.reshape(len(fine), 24, 2, 36, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(coarse, blocks, atol=1e-5)


@pytest.mark.parametrize("kind", EXAMPLES)
def test_the_parameters_of_a_movie_make_the_same_movie(kind: str) -> None:
    movie = s.render(small(60), example(kind))
    again = s.render(small(60), json.loads(json.dumps(movie.parameters)))
    np.testing.assert_array_equal(again.luminance(), movie.luminance())
    assert again.parameters == movie.parameters


@pytest.mark.parametrize("kind", sorted(set(EXAMPLES) - {"overlay", "sequence"}))
def test_grey_is_exactly_grey_before_and_after_and_the_track_is_silent_there(kind: str) -> None:
    movie = s.render(small(180), example(kind))
    grey = (movie.time_s < -1e-9) | (movie.time_s > movie.time_s[-1] - PHASES["after_s"] + 1e-9)
    assert grey.sum() == 27
    assert not movie.contrast()[grey].any()
    for values in movie.track.values():
        assert values.shape == (movie.n_frames,)
        assert np.isnan(values[grey]).all()


@pytest.mark.parametrize("kind", ["moving_rectangle", "looming_disc", "drifting_grating", "white_noise"])
def test_the_first_and_the_last_picture_stand_during_their_holds(kind: str) -> None:
    movie = s.render(small(180), example(kind)).luminance()
    assert (movie[18:27] == movie[18]).all()
    assert (movie[-27:-9] == movie[-10]).all()
    assert not (movie[28] == movie[18]).all() or kind == "white_noise"


def test_speed_is_zero_while_an_object_stands() -> None:
    movie = s.render(small(180), example("looming_disc"))
    speed = movie.track["speed_deg_s"]
    assert (speed[18:27] == 0).all()
    assert (speed[-27:-9] == 0).all()
    assert (speed[27:-28] > 0).all()


def test_functions_take_the_arguments_that_yaml_takes() -> None:
    by_name = s.render(small(), {"kind": "moving_spot", "size_deg": 6, "timing": {"before_s": 0.1}})
    called = s.moving_spot(small(), size_deg=6, timing=Timing(before_s=0.1))
    np.testing.assert_array_equal(called.luminance(), by_name.luminance())
    assert called.onset_s == 0.1


@given(st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0.01, 1), st.floats(30, 400))
def test_a_clock_covers_the_presentation_and_no_more(
    before_s: float, hold_s: float, course_s: float, rate_hz: float
) -> None:
    time_s = Timing(before_s=before_s, hold_last_s=hold_s).clock(course_s, rate_hz)
    total_s = before_s + course_s + hold_s
    assert len(time_s) / rate_hz >= total_s - 1e-6
    assert (len(time_s) - 1) / rate_hz < total_s + 1e-6
    np.testing.assert_allclose(np.diff(time_s), 1 / rate_hz)


def test_the_background_of_the_screen_is_the_background_of_the_movie() -> None:
    movie = s.moving_spot(Screen(background=0.2), size_deg=5)
    assert movie.background == 0.2
    assert movie.luminance()[0, 0, 0] == np.float32(0.2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "kind 'nothing' is unknown"),
        ({"kind": "moving_sport", "size_deg": 3}, "Did you mean 'moving_spot'"),
        ({"kind": "moving_spot"}, "lacks its argument 'size_deg'"),
        ({"kind": "moving_spot", "size": 3}, "Did you mean 'size_deg'|lacks"),
        ({"kind": "moving_spot", "size_deg": 3, "sped_deg_s": 3}, "Did you mean 'speed_deg_s'"),
        ({"kind": "moving_spot", "size_deg": "big"}, "size_deg='big'"),
        ({"kind": "moving_spot", "size_deg": 3, "luminance": 1.5}, "less than or equal to 1"),
        ({"kind": "moving_spot", "size_deg": 3, "timing": {"before": 1}}, "timing.before"),
        ({"kind": "flicker", "frequency_hz": 2, "duration_s": 1, "waveform": "saw"}, "waveform='saw'"),
        ({"kind": "flash", "luminance": 0, "duration_s": float("inf")}, "duration_s=inf"),
    ],
)
def test_faulty_arguments_are_named(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        s.render(small(), arguments)


def test_a_screen_has_pixels_and_a_rate() -> None:
    with pytest.raises(ValidationError):
        Screen(rate_hz=0)
    with pytest.raises(ValidationError):
        Screen(shape_px=(0, 5))


def test_the_middle_of_the_field_is_zero_and_up_and_right_are_positive() -> None:
    screen = Screen(shape_px=(3, 5), deg_per_px=2)
    assert screen.x_deg.tolist() == [-4, -2, 0, 2, 4]
    assert screen.y_deg.tolist() == [2, 0, -2]
    assert screen.extent_deg(0) == pytest.approx(10)
    assert screen.extent_deg(90) == pytest.approx(6)
