"""Displays around a fly: where each pixel is seen, how large it is, and what an eye sees of it.

A kind is a configuration (:class:`FlatScreen`, :class:`Arena`, :class:`Dome`) whose ``geometry()`` gives a
:class:`Display`; :func:`read_arena` reads the files of the arena tools. :class:`Optics` is the matrix from a display to
columns of an eye.
"""

from stcnn.stimuli.displays.arena import Arena, read_arena
from stcnn.stimuli.displays.display import Display, solid_angle_sr
from stcnn.stimuli.displays.dome import Dome
from stcnn.stimuli.displays.flat import FlatScreen
from stcnn.stimuli.displays.optics import Optics

__all__ = ["Arena", "Display", "Dome", "FlatScreen", "Optics", "read_arena", "solid_angle_sr"]
