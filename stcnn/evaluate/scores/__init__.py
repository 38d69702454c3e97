"""The scores, a file for each kind; a new one is a file here and its name below, where the order is that of columns."""

# isort: off
from stcnn.evaluate.scores import single_trials  # noqa: F401 - each import adds its scores
from stcnn.evaluate.scores import trial_mean  # noqa: F401
from stcnn.evaluate.scores import noise_free  # noqa: F401
from stcnn.evaluate.scores import reliability  # noqa: F401
from stcnn.evaluate.scores import tuning  # noqa: F401
from stcnn.evaluate.scores import latency  # noqa: F401
from stcnn.evaluate.scores import neurons  # noqa: F401
from stcnn.evaluate.scores import deviance  # noqa: F401
