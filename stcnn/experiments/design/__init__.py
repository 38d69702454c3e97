"""The next experiment: which stimuli of a protocol to show, in which order, as a list or one after the other.

``sources`` says what is not known, ``criteria`` what a stimulus is worth, :func:`~.plan.plan` makes the list of a rig,
:class:`~.closed_loop.ClosedLoop` chooses after every presentation.
"""

from stcnn.experiments.design.candidates import Candidates as Candidates
from stcnn.experiments.design.candidates import candidates as candidates
from stcnn.experiments.design.candidates import movies_of as movies_of
from stcnn.experiments.design.closed_loop import ClosedLoop as ClosedLoop
from stcnn.experiments.design.criteria import CRITERIA as CRITERIA
from stcnn.experiments.design.criteria import known_criterion as known_criterion
from stcnn.experiments.design.gaussian import Gaussian as Gaussian
from stcnn.experiments.design.plan import Presentation as Presentation
from stcnn.experiments.design.plan import Rig as Rig
from stcnn.experiments.design.plan import plan as plan
from stcnn.experiments.design.sources import SOURCES as SOURCES
from stcnn.experiments.design.sources.source import known_source as known_source
