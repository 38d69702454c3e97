"""The one place where files become values: typed readers with limits, and one translation of faults to sentences.

Files of others are data: nothing in them is executed, special files are refused before they are opened, and a size is
judged before memory is taken for it. Each reader takes the path and ``what`` was expected there ("a YAML file of an
import"), and raises a :class:`~stcnn.errors.FileError` whose sentence names both.

====================== ==================================================================================
``read_text``          UTF-8 text
``read_yaml``          keys of a YAML file, every value as it is written: ``010`` and ``NO`` stay text
``read_saved_yaml``    keys of a YAML file of our own, with the types they were saved with
``read_json``          a JSON file
``read_csv``           a table, every cell as it is written; ``numbers`` and the like type a column
``read_parquet``       a table with the types of its columns
``read_npy``           an array of numbers, mapped into memory if wanted
``open_npz``           arrays by name
``open_hdf5``          an HDF5 file; ``hdf5_array`` finds an array in it, ``hdf5_item`` anything
``read_mat``           variables of a MATLAB file, as plain values
``load_tensors``       a ``.pt`` file of plain tensors; ``load_weights`` a ``.safetensors`` file
``sha256_of``          the checksum of a file
``reading``            the translation alone, around the reader of a library
====================== ==================================================================================
"""

from stcnn.reading.arrays import Archive, open_npz, read_npy
from stcnn.reading.checksums import sha256_of
from stcnn.reading.faults import (
    memory_limit,
    readable,
    reading,
    reason,
    require_file,
    require_folder,
    require_room,
    require_stored,
)
from stcnn.reading.hdf5 import hdf5_array, hdf5_item, open_hdf5
from stcnn.reading.matlab import read_mat
from stcnn.reading.tables import numbers, read_csv, read_parquet, texts, whole_numbers
from stcnn.reading.tensors import load_tensors, load_weights, plain_numbers, require_weights
from stcnn.reading.text import parse_json, read_json, read_text, require_name
from stcnn.reading.yaml_text import core_value, parse_value, parse_yaml, read_saved_yaml, read_yaml

__all__ = [
    "Archive",
    "core_value",
    "hdf5_array",
    "hdf5_item",
    "load_tensors",
    "load_weights",
    "memory_limit",
    "numbers",
    "open_hdf5",
    "open_npz",
    "parse_json",
    "parse_value",
    "parse_yaml",
    "plain_numbers",
    "read_csv",
    "read_json",
    "read_mat",
    "read_npy",
    "read_parquet",
    "read_saved_yaml",
    "read_text",
    "read_yaml",
    "readable",
    "reading",
    "reason",
    "require_file",
    "require_folder",
    "require_name",
    "require_room",
    "require_stored",
    "require_weights",
    "sha256_of",
    "texts",
    "whole_numbers",
]
