"""What makes a stimulus the best one: a criterion is a file here and its line below.

A criterion is a function of :class:`~stcnn.experiments.optimal.answers.Answers` and of what is sought
(:class:`~.criterion.Sought`) that returns a number for each stimulus, ``(B,)``, the higher the better; gradients pass.
"""

from stcnn.experiments.optimal.criteria import agreed, discriminating, disputed, strongest  # noqa: F401
from stcnn.experiments.optimal.criteria.criterion import CRITERIA as CRITERIA
from stcnn.experiments.optimal.criteria.criterion import Criterion as Criterion
from stcnn.experiments.optimal.criteria.criterion import Goal as Goal
from stcnn.experiments.optimal.criteria.criterion import Sought as Sought
from stcnn.experiments.optimal.criteria.criterion import goal as goal
