"""From a model and recordings to predictions, and from predictions to tables of scores with their intervals.

:class:`Predictions` is what models and baselines alike hand over; :class:`Evaluation` sets it beside the trials.
"""

from stcnn.evaluate.predictions import Passes as Passes
from stcnn.evaluate.predictions import Predictions as Predictions
from stcnn.evaluate.predictions import predict as predict
from stcnn.evaluate.predictions import predict_batch as predict_batch
from stcnn.evaluate.predictor import Predictor as Predictor
from stcnn.evaluate.responses import Response as Response
from stcnn.evaluate.responses import responses as responses
from stcnn.evaluate.tables import Evaluation as Evaluation
