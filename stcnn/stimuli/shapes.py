"""All shapes: functions of a screen and of arguments with units that return movies, by the module that draws them."""

from stcnn.stimuli.arena_playback import arena_pattern
from stcnn.stimuli.compose import overlay, sequence
from stcnn.stimuli.dots import moving_dots
from stcnn.stimuli.flashes import contrast_steps, flash, flicker, luminance_steps
from stcnn.stimuli.gratings import drifting_grating
from stcnn.stimuli.looming import dimming_disc, looming_disc, looming_ring, receding_disc
from stcnn.stimuli.moving import moving_bar, moving_edge, moving_rectangle, moving_spot
from stcnn.stimuli.noise import natural_motion, sparse_noise, white_noise
from stcnn.stimuli.playback import recorded

__all__ = [
    "arena_pattern",
    "contrast_steps",
    "dimming_disc",
    "drifting_grating",
    "flash",
    "flicker",
    "looming_disc",
    "looming_ring",
    "luminance_steps",
    "moving_bar",
    "moving_dots",
    "moving_edge",
    "moving_rectangle",
    "moving_spot",
    "natural_motion",
    "overlay",
    "receding_disc",
    "recorded",
    "sequence",
    "sparse_noise",
    "white_noise",
]
