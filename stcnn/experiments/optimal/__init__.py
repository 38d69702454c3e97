"""Optimal stimuli: the strongest for a cell type, the most discriminating for two, the most disputed among models.

``criteria`` says what is best, ``families`` where it is looked for, :class:`~.search.Search` finds it there.
"""

from stcnn.experiments.optimal.answers import Answers as Answers
from stcnn.experiments.optimal.answers import Presenter as Presenter
from stcnn.experiments.optimal.criteria import CRITERIA as CRITERIA
from stcnn.experiments.optimal.criteria import Goal as Goal
from stcnn.experiments.optimal.criteria import goal as goal
from stcnn.experiments.optimal.family import Family as Family
from stcnn.experiments.optimal.family import family_names as family_names
from stcnn.experiments.optimal.family import load_family as load_family
from stcnn.experiments.optimal.free import FreeMovies as FreeMovies
from stcnn.experiments.optimal.limits import Limits as Limits
from stcnn.experiments.optimal.search import Effort as Effort
from stcnn.experiments.optimal.search import Found as Found
from stcnn.experiments.optimal.search import Search as Search
