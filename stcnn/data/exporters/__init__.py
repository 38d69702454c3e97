"""Ways out of the program for recordings: NWB and the published folder layout."""

from stcnn.data.exporters.nwb import export_nwb as export_nwb
from stcnn.data.exporters.published import export_published as export_published
