"""Stimuli as code: functions of a screen and of arguments with units that return movies.

Every function takes a :class:`Screen` and keyword arguments, and returns a :class:`~stcnn.movie.Movie` with its
parameters and the time course of what it shows. :func:`render` does the same for a mapping
``{kind: function name, argument: value, ...}``, as a protocol has it in YAML.
"""

from stcnn.stimuli.compose import overlay as overlay
from stcnn.stimuli.compose import sequence as sequence
from stcnn.stimuli.dots import moving_dots as moving_dots
from stcnn.stimuli.files import read_movie as read_movie
from stcnn.stimuli.files import write_movie as write_movie
from stcnn.stimuli.flashes import contrast_steps as contrast_steps
from stcnn.stimuli.flashes import flash as flash
from stcnn.stimuli.flashes import flicker as flicker
from stcnn.stimuli.flashes import luminance_steps as luminance_steps
from stcnn.stimuli.gratings import drifting_grating as drifting_grating
from stcnn.stimuli.looming import dimming_disc as dimming_disc
from stcnn.stimuli.looming import looming_disc as looming_disc
from stcnn.stimuli.looming import looming_ring as looming_ring
from stcnn.stimuli.looming import receding_disc as receding_disc
from stcnn.stimuli.moving import moving_bar as moving_bar
from stcnn.stimuli.moving import moving_edge as moving_edge
from stcnn.stimuli.moving import moving_rectangle as moving_rectangle
from stcnn.stimuli.moving import moving_spot as moving_spot
from stcnn.stimuli.noise import natural_motion as natural_motion
from stcnn.stimuli.noise import sparse_noise as sparse_noise
from stcnn.stimuli.noise import white_noise as white_noise
from stcnn.stimuli.playback import recorded as recorded
from stcnn.stimuli.protocols import Protocol as Protocol
from stcnn.stimuli.protocols import load_protocol as load_protocol
from stcnn.stimuli.protocols import protocol_names as protocol_names
from stcnn.stimuli.resample import on_screen as on_screen
from stcnn.stimuli.scene import complete as complete
from stcnn.stimuli.scene import kinds as kinds
from stcnn.stimuli.scene import render as render
from stcnn.stimuli.screen import Screen as Screen
from stcnn.stimuli.screen import Timing as Timing
