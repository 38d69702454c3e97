"""Recordings with a known truth: explicit detectors of visual features, seen through calcium imaging."""

from stcnn.simulation.archive import cached_simulation as cached_simulation
from stcnn.simulation.archive import simulated_dataset as simulated_dataset
from stcnn.simulation.recordings import SimulatedDataConfig as SimulatedDataConfig
from stcnn.simulation.recordings import Simulation as Simulation
from stcnn.simulation.recordings import simulate as simulate
