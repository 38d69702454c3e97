"""How well predicted traces match measured ones, what a recording allows at best, and how sure one may be of either.

:mod:`~stcnn.metrics.traces` scores padded tensors while a model is trained; :mod:`~stcnn.metrics.moments` holds the
scores that know of trials, their noise and their ceilings; :mod:`~stcnn.metrics.tuning` compares peaks and timing;
:mod:`~stcnn.metrics.intervals` says how far a score may be off.
"""

from stcnn.metrics.intervals import Interval as Interval
from stcnn.metrics.intervals import bootstrap_counts as bootstrap_counts
from stcnn.metrics.intervals import half_of_mean as half_of_mean
from stcnn.metrics.intervals import interval as interval
from stcnn.metrics.intervals import reach_of_another as reach_of_another
from stcnn.metrics.moments import HalfMoments as HalfMoments
from stcnn.metrics.moments import Moments as Moments
from stcnn.metrics.traces import correlation as correlation
from stcnn.metrics.traces import mean_squared_error as mean_squared_error
from stcnn.metrics.tuning import latency_error_s as latency_error_s
from stcnn.metrics.tuning import tuning_similarity as tuning_similarity
