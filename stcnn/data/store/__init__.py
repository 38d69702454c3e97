"""The on-disk format of a data set, a folder in Zarr v3 (``NAME.zarr``).

Layout, version 1::

    zarr.json                 attributes: see below
    movies/0000, 0001, ...    (T, Y, X) uint8 codes, or float16 luminance where a movie has more than 256 grey values;
                              one shard per movie, chunks of 64 frames; attribute ``track``: time courses of the object
    fingerprints              (M, Y, X) uint64, by which copies of movies are found (stcnn.data.splitting.duplicates)
    recordings/COLUMN         (R,) one entry per single trial: int32 codes of ``categories`` for cell_type, neuron,
                              animal, session, stimulus and indicator; trial, azi_shift_px, ele_shift_px, n_samples,
                              start_s, end_s, rate_hz, exposure_s, even, azimuth_deg, elevation_deg; clock; print:
                              uint64 by which copies of traces are found (stcnn.data.recordings.trace_print); where
                              known also plane, channel (codes) and onset_s on the clock of the imaging session
    traces                    (sum of n_samples,) float32 dF/F at the imaging rate, one recording after the other
    clocks/n_samples          (K,) length of each different clock
    clocks/time_s             (sum,) float64 time stamps in seconds after stimulus onset, one clock after the other
                              (both in plain chunks of 2^20 values: noise hardly compresses, and a chunk that is plain
                              bytes is mapped into memory, where a compressed one costs milliseconds per trace)

Attributes of the root: ``format`` ("stcnn"), ``version``, ``content_hash`` (SHA-256 of all values), ``provenance``,
``shape_px``, ``deg_per_px``, ``neurons`` (cell type to identifiers, in index order), ``categories`` (column to names),
``files`` (every other file and its bytes, by which damage is noticed on opening), ``sums`` (SHA-256 of every file, and
under ``zarr.json`` of the other attributes, see :mod:`stcnn.data.store.sums`; older stores lack it), ``notes``
(sentences about choices that the import made and what it left out; older stores lack it), and ``movies``: for each its
``name``, ``n_frames``, ``rate_hz``, ``background``, ``onset_s``, ``black_level``, ``white_level``, ``levels`` (the
luminance of each code, null with float16), ``parameters`` and ``sha256``.

A time stamp is the middle of the exposure of its sample. Chunks of movies carry CRC-32C sums. A store is written
beside its place and renamed when it is whole; opening reads no movie and no trace, and any number of processes may
read it.
"""

from stcnn.data.store.reader import StoreDataConfig as StoreDataConfig
from stcnn.data.store.reader import open_store as open_store
from stcnn.data.store.reader import provenance as provenance
from stcnn.data.store.reader import read_store as read_store
from stcnn.data.store.writer import write_store as write_store
