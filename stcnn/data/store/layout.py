"""Names and numbers of the store's format, which :mod:`stcnn.data.store` specifies."""

FORMAT = "stcnn"
VERSION = 1
MOVIE_CHUNK = 64
SAMPLE_CHUNK = 2**20
CATEGORIES = ("cell_type", "neuron", "animal", "session", "stimulus", "indicator")
OPTIONAL_CATEGORIES = ("plane", "channel")
OPTIONAL_NUMBERS = {"onset_s": "float64"}
NUMBERS = {
    **dict.fromkeys(("azi_shift_px", "ele_shift_px", "n_samples"), "int32"),
    **dict.fromkeys(("start_s", "end_s", "rate_hz", "exposure_s", "azimuth_deg", "elevation_deg"), "float64"),
    "even": "bool",
}
ATTRIBUTES = (
    *("format", "version", "content_hash", "provenance", "notes", "shape_px", "deg_per_px", "neurons", "categories"),
    *("movies", "files"),
)
"""Attributes of the root, besides ``sums``."""
