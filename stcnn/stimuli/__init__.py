"""Stimuli as code: functions of a screen and of parameters with units that return movies."""

from stcnn.stimuli.looming import looming_disc as looming_disc
from stcnn.stimuli.moving import moving_rectangle as moving_rectangle
from stcnn.stimuli.scene import kinds as kinds
from stcnn.stimuli.scene import render as render
from stcnn.stimuli.screen import Screen as Screen
from stcnn.stimuli.screen import Timing as Timing
