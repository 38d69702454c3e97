"""In-silico physiology: the questions of an electrophysiologist, put to models, ensembles and simulated truth alike."""

from stcnn.experiments.physiology.analyses import ANALYSES as ANALYSES
from stcnn.experiments.physiology.analyses import Analysis as Analysis
from stcnn.experiments.physiology.analyses import examine as examine
from stcnn.experiments.physiology.bench import Bench as Bench
from stcnn.experiments.physiology.subject import Models as Models
from stcnn.experiments.physiology.subject import Subject as Subject
from stcnn.experiments.physiology.table import physiology_table as physiology_table
