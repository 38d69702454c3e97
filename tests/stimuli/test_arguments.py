"""Every argument of every kind of stimulus is explained."""

import pytest

from stcnn.stimuli import kinds
from stcnn.stimuli.arguments import arguments_of


@pytest.mark.parametrize("kind", kinds())
def test_every_argument_has_type_and_meaning(kind: str):
    for argument in arguments_of(kind):
        assert argument.meaning, f"{kind}: {argument.name} is not explained"
        assert argument.kind


def test_arguments_of_a_kind_that_refers_to_another():
    size, speed = arguments_of("moving_spot")[:2]
    assert size == ("size_deg", "number", "", "its diameter.")
    assert speed == ("speed_deg_s", "number", "100.0", "its speed.")
