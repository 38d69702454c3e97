"""In-silico physiology: what a trained model answers, and to what."""

from stcnn.experiments.receptive_field import receptive_fields as receptive_fields
from stcnn.experiments.responses import between_grey as between_grey
from stcnn.experiments.responses import respond as respond
from stcnn.experiments.responses import respond_together as respond_together
from stcnn.experiments.tables import write_responses as write_responses
from stcnn.experiments.tuning import TUNING_AXES as TUNING_AXES
from stcnn.experiments.tuning import tuning as tuning
