"""Recordings and movies: read from files, split, and made into batches."""

from stcnn.data.batch import Batch as Batch
from stcnn.data.batching import BatchingConfig as BatchingConfig
from stcnn.data.batching import loader as loader
from stcnn.data.dataset import Dataset as Dataset
from stcnn.data.published import PublishedDataConfig as PublishedDataConfig
from stcnn.data.published import read_published as read_published
from stcnn.data.recordings import Recording as Recording
from stcnn.data.splitting.split_config import SplitConfig as SplitConfig
from stcnn.data.splitting.splits import Split as Split
from stcnn.data.splitting.splits import split_recordings as split_recordings
from stcnn.data.store import StoreDataConfig as StoreDataConfig
from stcnn.data.store import open_store as open_store
from stcnn.data.store import read_store as read_store
from stcnn.data.store import write_store as write_store
