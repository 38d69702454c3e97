"""Recordings of L2 and L3 to steps of luminance behind neutral density filters (Ketkar et al. 2023), as tables.

Each MATLAB file holds one filter: ``flyMeanTraces`` (flies x samples x luminances), 10 Hz. L2 stands 30 s before and
30 s behind a step to one of eight luminances; L3 5 s before and 3 s in the dark, then 30 s at one of five. The order of
luminances was random, so that what stands before is a mean over what was shown before, and their mean luminance is
shown in its place. A type is one neuron here, and the flies of a file are its trials: flies differ between files, and
gains of their own would take in what the filter does.

What the files do not say is the luminance of each step relative to the brightest. It is assumed (:data:`ASSUMED`); it
is the same behind every filter, and filters divide it by a known power of ten.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray
from scipy.io import loadmat

RATE_HZ = 10.0
BEFORE_S = {"l2": 30.0, "l3": 5.0}
"""Recorded before the step, or before the dark that precedes it."""
KEPT_BEFORE_S = 5.0
"""Of that, what is kept: the rest holds means of answers to the steps before."""
DARK_S = {"l2": 0.0, "l3": 3.0}
LEAD_IN_S = 20.0
"""Mean luminance before what is kept, so that slow states are those of the experiment."""
DARK = 0.005 / 2.6
"""Luminance of a dark screen relative to a white one, as the laboratory measured it on one of its projectors, which is
linear otherwise (github.com/silieslab/Gur-etal-2024, 2pAnalysis/luminance_measurements, 200622_Investigator)."""
SIDE_PX = 5
DEG_PER_PX = 10.0
FILE = re.compile(r".*_ND(?P<density>[\d.]+?)(_stepsTo8_30sEachLum)?\.mat")


def spaced(n: int) -> NDArray[np.float64]:
    """Equal steps of luminance."""
    return np.linspace(1 / n, 1.0, n, dtype=np.float64)


def ratios(n: int) -> NDArray[np.float64]:
    """Each luminance twice the one before."""
    return 2.0 ** np.arange(1 - n, 1)


ASSUMED: dict[str, Callable[[int], NDArray[np.float64]]] = {"ratios": ratios, "spaced": spaced}
"""Relative luminances of so many steps, the brightest being one."""


class Level(NamedTuple):
    """All flies of a type behind one filter."""

    cell_type: str
    density: float
    traces: NDArray[np.float64]
    """``(flies, samples, luminances)``, dF/F."""

    @property
    def name(self) -> str:
        """Type and filter, by which families of stimuli begin."""
        return f"{self.cell_type}_nd{self.density:g}"

    def luminances(self, assumed: str) -> NDArray[np.float64]:
        """Luminance of every step, relative to the brightest without a filter, with what a dark screen adds."""
        relative = ASSUMED[assumed](self.traces.shape[2])
        return (DARK + (1 - DARK) * relative) * 10**-self.density


def levels(folder: Path) -> Iterator[Level]:
    """Every file of the two archives."""
    for cell_type in ("l2", "l3"):
        with ZipFile(folder / f"{cell_type}.zip") as archive:
            for name in sorted(archive.namelist()):
                if found := FILE.fullmatch(name):
                    traces = loadmat(io.BytesIO(archive.read(name)))["flyMeanTraces"]
                    yield Level(cell_type, float(found["density"]), traces)


def movie(level: Level, step: int, assumed: str) -> NDArray[np.float32]:
    """Luminance ``(T, Y, X)``: the mean of all steps, the dark, the step; all pixels alike."""
    luminances = level.luminances(assumed)
    before_s = LEAD_IN_S + KEPT_BEFORE_S
    dark_s = DARK_S[level.cell_type]
    shown = [(luminances.mean(), before_s), (DARK * 10**-level.density, dark_s), (luminances[step], 30.0)]
    course = np.concatenate([np.full(round(duration_s * RATE_HZ), value) for value, duration_s in shown])
    return np.broadcast_to(course[:, None, None], (len(course), SIDE_PX, SIDE_PX)).astype(np.float32)


def tables(folder: Path, to: Path, assumed: str) -> Path:
    """Write a table of traces and a folder of movies; returns their import specification."""
    (to / "movies").mkdir(parents=True)
    rows = []
    for level in levels(folder):
        dropped = round((BEFORE_S[level.cell_type] - KEPT_BEFORE_S) * RATE_HZ)
        traces = level.traces[:, dropped:].astype(np.float32)
        n_flies, n_samples, n_steps = traces.shape
        time_s = LEAD_IN_S + (np.arange(n_samples) + 0.5) / RATE_HZ
        for step in range(n_steps):
            stimulus = f"{level.name}_to{step}"
            np.save(to / "movies" / f"{stimulus}.npy", movie(level, step, assumed))
            for fly in range(n_flies):
                about = {"cell_type": level.cell_type, "neuron": "1", "animal": level.cell_type, "trial": fly}
                samples = {"time_s": time_s, "trace": traces[fly, :, step]}
                rows.append(pd.DataFrame({**about, "stimulus": stimulus, **samples}))
    pd.concat(rows).to_parquet(to / "traces.parquet", index=False)
    units = {"axes": "TYX", "rate_hz": RATE_HZ, "deg_per_px": DEG_PER_PX, "background": 1.0}
    says = {"kind": "tables", "path": "traces.parquet", "rate_hz": RATE_HZ, "movies": "movies", "movie_units": units}
    (to / "import.yaml").write_text(yaml.safe_dump(says))
    return to / "import.yaml"
