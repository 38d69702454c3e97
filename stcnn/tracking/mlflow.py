"""MLflow: a run in the experiment ``stcnn`` of ``MLFLOW_TRACKING_URI``, or of ``mlflow.db`` beside the run folder."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient

from stcnn.tracking.tracker import Tracker, settings

MOST_PARAMS = 100
"""Parameters that MLflow takes at once."""
LONGEST = 500
"""Characters of a parameter that every server takes."""


class _Mlflow:
    def __init__(self, run: Path) -> None:
        self.client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{run.parent / 'mlflow.db'}"))
        found = self.client.get_experiment_by_name("stcnn")
        experiment = self.client.create_experiment("stcnn") if found is None else found.experiment_id
        self.id = self.client.create_run(experiment, run_name=run.name).info.run_id
        params = [Param(key, value[:LONGEST]) for key, value in settings(run).items()]
        for start in range(0, len(params), MOST_PARAMS):
            self.client.log_batch(self.id, params=params[start : start + MOST_PARAMS])

    def log(self, step: int, values: Mapping[str, float]) -> None:
        now_ms = int(time.time() * 1000)
        named = [Metric(name.replace(":", "_"), value, now_ms, step) for name, value in values.items()]
        self.client.log_batch(self.id, metrics=named)

    def end(self) -> None:
        self.client.set_terminated(self.id)


def begin(run: Path) -> Tracker:
    """Begin a run of MLflow."""
    return _Mlflow(run)
