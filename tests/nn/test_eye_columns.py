"""A network that is shown what its columns see answers as one that is shown the picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stcnn.errors import ShapeError
from stcnn.movie import Movie
from stcnn.nn.eye import EyeConfig
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.population import Population
from stcnn.stimuli.displays import Dome, Optics
from stcnn.stimuli.displays.showing import shown
from stcnn.stimuli.sphere import directions
from stcnn.stimuli.sphere.scenes import LoomingDisc

RATE_HZ = 90.0


def network(kind: str) -> STCNN:
    torch.manual_seed(3)
    config = ModelConfig.model_validate(
        {
            "eye": {"lattice": (9, 9), "column_spacing_deg": 2.0, "acceptance_fwhm_deg": 3.0, "window_deg": 12.0}
            | {"arrangement": {"kind": kind}},
            "hidden": {"channels": [2], "kernel_columns": 3},
            "cell_types": {"default": {"window_columns": 5}},
        }
    )
    return STCNN(config, Population(neurons={"lc11": ("a",)})).eval()


@pytest.mark.parametrize("kind", ["square", "hexagonal"])
def test_columns_give_the_answer_of_the_picture(kind: str) -> None:
    model = network(kind)
    frames = np.random.default_rng(0).random((30, 31, 31), np.float32)
    movie = Movie(frames, RATE_HZ)
    whole = model.respond(movie)
    contrast = torch.as_tensor(movie.contrast())[None].to(model.eye.tau_s)
    seen = model.eye.sample(contrast, 1.0)[:, 0].numpy() + movie.background
    columns = model.for_columns()
    assert seen.shape == (30, 9, 9)
    found = columns.respond(Movie(seen, RATE_HZ))
    np.testing.assert_allclose(found.voltage["lc11"], whole.voltage["lc11"], rtol=1e-4, atol=1e-6)
    stream = columns.stream(rate_hz=RATE_HZ)
    live = [stream.step(frame)["lc11"].voltage for frame in seen]
    np.testing.assert_allclose(live, whole.voltage["lc11"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.respond(movie).voltage["lc11"], whole.voltage["lc11"])
    with pytest.raises(ShapeError, match=r"frames have \(31, 31\) values .* expected \(9, 9\), one for each column"):
        columns.respond(movie)


def test_near_the_horizon_a_dome_is_a_picture() -> None:
    config = EyeConfig(lattice=(5, 7), column_spacing_deg=2.0, acceptance_fwhm_deg=3.0, window_deg=15.0)
    azimuth_deg, elevation_deg = config.positions_deg().numpy().transpose(2, 0, 1)
    dome = Dome(shape_px=(48, 56), azimuth_deg=(-14, 14), elevation_deg=(-12, 12)).geometry()
    disc = LoomingDisc(centre_deg=(2.0, 1.0), start_deg=8, object_luminance=0, background=0.5)
    frame = shown(dome, disc, 0.0)
    seen = Optics.of(dome, directions.unit(azimuth_deg, elevation_deg), 3.0).see(frame, 0.5)[0]
    model = STCNN(ModelConfig(eye=config), Population(neurons={"lc11": ("a",)}), deg_per_px=0.5)
    flat = model.eye.sample(torch.as_tensor(frame[None] - 0.5), 0.5)[0, 0].numpy() + 0.5
    np.testing.assert_allclose(seen, flat, atol=0.01)
