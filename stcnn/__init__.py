"""stcnn: models of visual neurons from calcium recordings; movies in, calcium traces out."""

from stcnn.errors import StcnnError as StcnnError
from stcnn.movie import Movie as Movie

__version__ = "0.1.0"
