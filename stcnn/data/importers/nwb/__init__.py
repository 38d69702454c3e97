"""Imports NWB files (Rübel et al. 2022, doi 10.7554/eLife.78362)."""

from stcnn.data.importers.nwb.importer import open_nwb as open_nwb
