"""Sizes and latencies by responses of finished and of untrained models, as rows that can be compared."""

import numpy as np
import torch

from stcnn.experiments.physiology import Bench, Models
from stcnn.experiments.physiology.response_field import mapped, strongest
from stcnn.experiments.response_quantities import response_quantities
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.population import Population
from stcnn.stimuli import Screen

SCREEN = Screen(shape_px=(12, 12), deg_per_px=4.0, rate_hz=30)
"""It can show small and large squares and the bar, and no disc of 60 degrees."""


def model(seed: int) -> STCNN:
    torch.manual_seed(seed)
    config = ModelConfig.model_validate({"hidden": {"channels": [2]}})
    return STCNN(config, Population(neurons={"lc11": ("a",), "lplc2": ("b",)}), deg_per_px=4.0).eval()


def test_untrained_models_are_mapped_with_what_the_finished_ones_answer_most():
    finished, untrained = [model(0)], [model(1)]
    after, before = response_quantities(finished, untrained, SCREEN)
    chosen, _ = strongest(Bench(Models(finished), SCREEN))
    assert all(chosen)
    expected = [f"receptive field width by {stimulus}" for stimulus in chosen]
    for models, ((found,)) in ((finished, after), (untrained, before)):
        widths = [each for each in found if "width" in each.quantity]
        assert [each.quantity for each in widths] == expected
        assert [(each.of, each.unit) for each in widths] == [("lc11", "deg"), ("lplc2", "deg")]
        alone = mapped(Bench(Models(models), SCREEN), chosen).sizes_deg[0][0]
        np.testing.assert_allclose([each.value for each in widths], alone, rtol=1e-4)
        assert len(found) == 8  # width, height and two latencies of two types
