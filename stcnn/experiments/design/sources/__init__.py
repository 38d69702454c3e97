"""What is not known yet: a source is a file here and its line below.

A source gives every stimulus what is expected, and a matrix ``(K, P)``: what each of its K samples, in dF/F, would
change by if one of P unknown numbers were one standard deviation of its prior larger. Where two stimuli have the same
rows, one tells what the other would.
"""

from stcnn.experiments.design.sources import members, mix_of_types, readout  # noqa: F401
from stcnn.experiments.design.sources.source import SOURCES as SOURCES
from stcnn.experiments.design.sources.source import Shown as Shown
from stcnn.experiments.design.sources.source import Source as Source
from stcnn.experiments.design.sources.source import Told as Told
