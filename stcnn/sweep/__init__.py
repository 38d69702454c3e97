"""Sweeps: many trainings from one description, on this machine or by the scheduler of a cluster.

A sweep is a folder that says all there is to know of it (:mod:`stcnn.sweep.folder`), so that any process may look at it
or go on with it. A run is a task: the overrides of one ``stcnn train`` in a text file. Nothing else goes from one
process to another.
"""

from stcnn.sweep.folder import Sweep
from stcnn.sweep.spec import SweepSpec, read_spec

__all__ = ["Sweep", "SweepSpec", "read_spec"]
