"""What a stimulus is worth: a criterion is a file here and its line below.

A criterion is a function of what is known (:class:`~stcnn.experiments.design.gaussian.Gaussian`), the rows of stimuli
``(S, U, R, P)``, and the rows of all that is to be predicted, as their mean square ``(U, P, P)``; it returns what each
stimulus is worth, ``(S,)``.
"""

from stcnn.experiments.design.criteria import information, variance  # noqa: F401
from stcnn.experiments.design.criteria.criterion import CRITERIA as CRITERIA
from stcnn.experiments.design.criteria.criterion import Criterion as Criterion
from stcnn.experiments.design.criteria.criterion import known_criterion as known_criterion
from stcnn.experiments.design.criteria.criterion import worth_of as worth_of
