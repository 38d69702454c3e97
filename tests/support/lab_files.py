"""Files as a lab has them: Suite2p folders, CaImAn results, tables of traces, and the import that names them."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.lib import format as npy

from stcnn.commands.data import make_movie
from stcnn.data import Dataset
from stcnn.data.importers import open_import, read_import_config

FLASH = {"kind": "flash", "duration_s": "1", "rate_hz": "20", "shape_px": [6, 8]}
STIMULI = {"a": FLASH | {"luminance": "1.0"}, "b": FLASH | {"luminance": "0.0"}}
ONSETS = "stimulus,onset_s\na,10\nb,20\na,30\nb,40\n"
SUITE2P = {"kind": "suite2p", "onsets": "on.csv", "cell_type": "x", "stimuli": STIMULI}
TABLES = {"kind": "tables", "rate_hz": "10", "stimuli": STIMULI, "path": "x.csv"}


def plane(folder: Path, n: int = 3, seed: int = 0, fs: float | None = 10.0) -> Path:
    """An output folder of Suite2p for one plane, all of whose regions are cells."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    np.save(folder / "F.npy", (300 + 30 * rng.standard_normal((n, 600))).astype("f4"))
    np.save(folder / "Fneu.npy", (100 + 5 * rng.standard_normal((n, 600))).astype("f4"))
    np.save(folder / "iscell.npy", np.c_[np.ones(n), np.full(n, 0.9)])
    if fs is not None:
        np.save(folder / "ops.npy", np.array({"fs": fs}, object), allow_pickle=True)
    return folder


def pickled_settings(path: Path, values: Mapping[str, Any], protocol: int) -> None:
    """Settings as numpy of some year writes them."""
    boxed = np.array(dict(values), dtype=object)
    with path.open("wb") as file:
        npy.write_array_header_1_0(file, npy.header_data_from_array_1_0(boxed))
        pickle.dump(boxed, file, protocol=protocol)


def samples(neuron: object, stimulus: str = "a", seed: int = 0, n: int = 40, **more: object) -> pd.DataFrame:
    """The rows of one recording, from a second before onset, at 10 Hz."""
    trace = np.random.default_rng(seed).standard_normal(n)
    time_s = -1 + np.arange(n) / 10
    return pd.DataFrame({"neuron": neuron, "stimulus": stimulus, "time_s": time_s, "trace": trace, **more})


def opened(folder: Path, values: Mapping[str, Any], onsets: str = ONSETS) -> Dataset:
    """Open an import whose YAML and onsets stand in a folder."""
    (folder / "on.csv").write_text(onsets, encoding="utf-8")
    text = yaml.safe_dump(dict(values), allow_unicode=True)
    (folder / "import.yaml").write_text(text, encoding="utf-8")
    return open_import(read_import_config(folder / "import.yaml"), make_movie)


def opened_table(folder: Path, parts: Sequence[pd.DataFrame], **constants: str) -> Dataset:
    """Open a table of these rows."""
    pd.concat(parts).to_csv(folder / "x.csv", index=False)
    return opened(folder, TABLES | {"constants": {"cell_type": "x"} | constants})
