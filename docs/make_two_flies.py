"""Writes two simulated flies as a lab has them, for the tutorial "Two flies, from Suite2p to a report".

    python docs/make_two_flies.py two_flies

Each fly gets the files of one imaging run: the output folder of Suite2p, the log of the acquisition board (photodiode
and frame pulses at 500 Hz), the order of the stimuli, and a table of the neurons. Cells are simulated ones of stcnn,
the seed is fixed.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from stcnn.simulation import SimulatedDataConfig, Simulation, simulate

STIMULI = {
    "spot_5": {"kind": "moving_rectangle", "height_deg": 4.5, "width_deg": 4.5},
    "spot_10": {"kind": "moving_rectangle", "height_deg": 9, "width_deg": 9},
    "spot_10_up": {"kind": "moving_rectangle", "height_deg": 9, "width_deg": 9, "direction_deg": 90},
    "square_30": {"kind": "moving_rectangle", "height_deg": 30, "width_deg": 30},
    "bar_60": {"kind": "moving_rectangle", "height_deg": 60, "width_deg": 4.5},
    "loom_slow": {"kind": "looming_disc", "edge_speed_deg_s": 25},
    "loom_fast": {"kind": "looming_disc", "edge_speed_deg_s": 100},
    "recede": {"kind": "receding_disc", "edge_speed_deg_s": 100},
}
"""What was shown; the same stimuli stand in flies.yaml on the page."""
IMAGING_HZ = 10.0
LOG_HZ = 500.0
N_TRIALS = 3
GREY_AFTER_S = 4.0


def main() -> None:
    """Write both flies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where to write fly1 and fly2")
    folder = parser.parse_args().folder
    shown = SimulatedDataConfig(
        cell_types=("lc11", "lplc2"),
        n_animals=2,
        neurons_per_animal=6,
        stimuli=STIMULI,
        before_s=0,
        after_s=GREY_AFTER_S,
        n_trials=1,
    )
    simulation = simulate(shown)
    for number in range(shown.n_animals):
        write_fly(folder / f"fly{number + 1}", simulation, f"animal_{number}", np.random.default_rng(number))
        print(folder / f"fly{number + 1}")


def write_fly(folder: Path, simulation: Simulation, animal: str, rng: np.random.Generator) -> None:
    """Write the files of one fly: every stimulus in three trials, in random order, in one imaging run."""
    rows = [row for row, neuron in enumerate(simulation.neurons) if neuron.animal == animal]
    order = [name for _ in range(N_TRIALS) for name in rng.permutation(list(STIMULI))]
    lasts_s = [simulation.movies[name].n_frames / simulation.config.rate_hz for name in order]
    pauses_s = rng.uniform(1.0, 1.5, len(order))
    onsets_s = 6.0 + np.cumsum([0.0, *(lasts_s + pauses_s)[:-1]])
    frames_s = np.arange(4.2, onsets_s[-1] + lasts_s[-1] + 3, 1 / IMAGING_HZ)  # the microscope starts after the log
    dff = np.zeros((len(rows), len(frames_s)))
    for name, onset_s in zip(order, onsets_s, strict=True):
        evoked = simulation.responses[name].dff[rows]
        times_s = onset_s + np.arange(evoked.shape[1]) / simulation.config.rate_hz
        seen = (frames_s >= times_s[0]) & (frames_s < times_s[-1])
        middle_s = frames_s[seen] + 0.5 / IMAGING_HZ
        dff[:, seen] = [np.interp(middle_s, times_s, trace) for trace in evoked]
    folder.mkdir(parents=True)
    write_suite2p(folder / "suite2p" / "plane0", dff, rng)
    write_log(folder / "daq.csv", frames_s, onsets_s, np.array(lasts_s) - GREY_AFTER_S, rng)
    pd.DataFrame({"stimulus": order}).to_csv(folder / "order.csv", index=False)
    neurons = [simulation.neurons[row] for row in rows]
    table = {
        "roi": range(len(neurons)),
        "cell_type": [neuron.cell_type.upper() for neuron in neurons],
        "azimuth_deg": [neuron.position_deg[0] for neuron in neurons],
        "elevation_deg": [neuron.position_deg[1] for neuron in neurons],
    }
    pd.DataFrame(table).round(2).to_csv(folder / "neurons.csv", index=False)


def write_suite2p(folder: Path, dff: np.ndarray, rng: np.random.Generator) -> None:
    """Write fluorescence, neuropil, the classifier's opinion and the settings, as Suite2p does."""
    folder.mkdir(parents=True)
    rest = rng.uniform(200, 600, (len(dff), 1))
    neuropil = 100 + 10 * np.cumsum(rng.standard_normal(dff.shape), axis=1) / np.sqrt(dff.shape[1])
    noise = 0.04 * rng.standard_normal(dff.shape)
    np.save(folder / "F.npy", (rest * (1 + dff + noise) + 0.7 * neuropil).astype(np.float32))
    np.save(folder / "Fneu.npy", neuropil.astype(np.float32))
    np.save(folder / "iscell.npy", np.tile([1.0, 0.9], (len(dff), 1)))
    np.save(folder / "ops.npy", {"fs": IMAGING_HZ, "nplanes": 1}, allow_pickle=True)


def write_log(
    path: Path, frames_s: np.ndarray, onsets_s: np.ndarray, lasts_s: np.ndarray, rng: np.random.Generator
) -> None:
    """Write what the board recorded: the photodiode is lit while a stimulus is shown, a pulse starts every frame."""
    time_s = np.arange(0, frames_s[-1] + 1, 1 / LOG_HZ)
    lit = np.zeros(len(time_s))
    for onset_s, last_s in zip(onsets_s, lasts_s, strict=True):
        lit[(time_s >= onset_s) & (time_s < onset_s + last_s)] = 1
    since_s = time_s - frames_s[np.clip(np.searchsorted(frames_s, time_s, "right") - 1, 0, None)]
    pulse = (since_s >= 0) & (since_s < 0.01)
    photodiode = 0.2 + 2.5 * lit + 0.05 * rng.standard_normal(len(time_s))
    log = {"time_s": time_s.round(4), "photodiode_v": photodiode.round(3), "frame_v": 5 * pulse}
    pd.DataFrame(log).to_csv(path, index=False)


if __name__ == "__main__":
    main()
