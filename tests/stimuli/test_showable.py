"""What a screen cannot show is told by the argument, its value and the limit."""

import pytest

from stcnn.errors import ConfigError
from stcnn.stimuli import Screen, load_protocol, protocol_names
from stcnn.stimuli.showable import require_showable

SCREEN = Screen(shape_px=(40, 60), deg_per_px=2.0, rate_hz=60)


@pytest.mark.parametrize("name", protocol_names())
def test_the_screen_of_the_published_recordings_shows_every_protocol(name: str) -> None:
    for stimulus, parameters in load_protocol(name).parameters.items():
        require_showable(stimulus, parameters, Screen())


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"frequency_hz": 31.0}, "frequency_hz=31, expected 0 to 30"),
        ({"period_deg": 3.9}, "period_deg=3.9, expected 4 to"),
        ({"width_deg": 300.0}, "width_deg=300, expected 0 to 288.4"),
        ({"azimuth_deg": -61.0}, "azimuth_deg=-61, expected -60 to 60"),
        ({"duration_s": 0.01}, "duration_s=0.01, expected 0.01667 to inf"),
        ({"speed_deg_s": 100000.0}, "speed_deg_s=100000, expected 0 to 4327"),
        ({"period_deg": 10.0, "speed_deg_s": 400}, "frequency_hz=40, expected 0 to 30"),
    ],
)
def test_what_cannot_be_shown_is_a_sentence(parameters: dict[str, float], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        require_showable("mine", parameters, SCREEN)
    assert "'mine'" in str(caught.value)
    assert sentence in str(caught.value)


def test_limits_themselves_can_be_shown() -> None:
    limits = {"frequency_hz": 30.0, "width_deg": 2.0, "azimuth_deg": -60.0, "duration_s": 1 / 60, "luminance": 0}
    require_showable("mine", limits, SCREEN)
