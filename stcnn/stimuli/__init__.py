"""Stimuli as code: functions of a screen and of arguments with units that return movies.

Every function takes a :class:`Screen` and keyword arguments, and returns a :class:`~stcnn.movie.Movie` with its
parameters and the time course of what it shows. :func:`render` does the same for a mapping
``{kind: function name, argument: value, ...}``, as a protocol has it in YAML.
"""

from stcnn.stimuli.files import ReadingWarning as ReadingWarning
from stcnn.stimuli.files import file_and_choices as file_and_choices
from stcnn.stimuli.files import read_chosen as read_chosen
from stcnn.stimuli.files import read_movie as read_movie
from stcnn.stimuli.files import write_movie as write_movie
from stcnn.stimuli.formats import Choices as Choices
from stcnn.stimuli.protocols import Protocol as Protocol
from stcnn.stimuli.protocols import load_protocol as load_protocol
from stcnn.stimuli.protocols import protocol_names as protocol_names
from stcnn.stimuli.resample import on_screen as on_screen
from stcnn.stimuli.scene import complete as complete
from stcnn.stimuli.scene import kinds as kinds
from stcnn.stimuli.scene import render as render
from stcnn.stimuli.screen import Screen as Screen
from stcnn.stimuli.screen import Timing as Timing
from stcnn.stimuli.shapes import *  # noqa: F403  (it says in __all__ what it has)
